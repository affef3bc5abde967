"""Small stories made by hand: who ran when on which GPUs of a few nodes."""

from __future__ import annotations

from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.hardware import Device, Location, Node
from quarterdeck.sim.fast.story import Cut, Outage, Ran, Span, Story
from quarterdeck.sim.fast.workload import SimJob

GIB = 2**30


def nodes(count: int = 2, gpus: int = 4) -> tuple[Node, ...]:
    """Of four CPUs a GPU, in racks of two."""
    return tuple(
        Node(
            f"n{n}",
            4 * gpus,
            64 * GIB,
            tuple(Device(f"G{n}-{g}", "A100", 80 * GIB) for g in range(gpus)),
            location=Location(f"r{n // 2}", "u", "p"),
        )
        for n in range(count)
    )


def grant(node: int, *gpus: int, cpus: int = 1) -> Grant:
    """Some GPUs of a node, by their numbers."""
    return Grant(f"n{node}", tuple(f"G{node}-{gpu}" for gpu in gpus), cpus)


def job(
    submit_s: float,
    duration_s: float,
    gpus: int = 1,
    *,
    nodes: int = 1,
    team: str = "default",
    line: int = 2,
    name: str = "job",
) -> SimJob:
    """A job with so many GPUs on each node."""
    demand = Demand(nodes, Resources(gpus))
    return SimJob(line, name, submit_s, duration_s, demand, team=team)


def ran(what: SimJob, *spans: Span, lost_s: float = 0.0) -> Ran:
    return Ran(what, spans, lost_s)


def span(start_s: float, end_s: float, *grants: Grant, cut: Cut = Cut.DONE) -> Span:
    return Span(start_s, end_s, grants, cut)


def story(*jobs: Ran, count: int = 2, outages: tuple[Outage, ...] = ()) -> Story:
    return Story(nodes(count), jobs, (), 0, outages)
