"""How quickly the scheduler decides, on clusters of up to 100,000 GPUs, and what it remembers."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from dataclasses import dataclass, fields, replace
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from benchmarks import slurm, slurm_decisions
from benchmarks.cluster import (
    AT_NS,
    GIB,
    GPUS_PER_NODE,
    NO_USERS,
    SITE,
    Cluster,
    build_nodes,
    gang_demand,
    guaranteed,
    limited_people,
    rooms_of,
    single_demand,
)
from benchmarks.figures import Figure, as_ms, percentile
from benchmarks.scale import measure_idle_memory
from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.core.cluster.demand import Demand, Grant, Level, Resources, Wish
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.core.scheduling.pools import Cells, Pool
from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot, Waiting
from quarterdeck.sdk import JobRequest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.core.governance.people import People
    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.core.scheduling.plan import Plan

SEED: Final = 7
WARM_UP: Final = 20
FILLED: Final = 0.70
GANGS_UP_TO: Final = 0.85
"""Gangs come on top of the jobs of one node, and end when more than this is held."""
RUNS: Final = 5
WAITING: Final = 10_000
WHOLE: Final = Resources(GPUS_PER_NODE, "A100", 64, 512 * GIB)
ONE_GPU: Final = Demand(1, Resources(1, "A100"))

USUAL: Final = Policy()


@dataclass(frozen=True, slots=True)
class Size:
    """A cluster, how many decisions are measured on it, and the bars: seconds for the p99 of jobs
    of one node and of gangs, and decisions in a second."""

    name: str
    nodes: int
    nodes_per_pod: int
    people: People
    singles: int
    gangs: int
    single_s: float
    gang_s: float
    rate: int | None = None
    policy: Policy = USUAL


@dataclass(frozen=True, slots=True)
class Decisions:
    """Seconds of each, and how many of them were a verdict instead of a placement."""

    took: list[float]
    verdicts: int

    @property
    def rate(self) -> float:
        """In a second."""
        return len(self.took) / sum(self.took)


def figures() -> list[Figure]:
    """Ours, and Slurm's for the cluster of 1,250 nodes where it is installed."""
    theirs = None
    if slurm.is_installed():
        theirs = slurm_decisions.measure_decisions()
    else:
        print("Slurm is not installed here (or we are not root): no peer", file=sys.stderr)
    sizes = (
        Size("1k GPUs", 125, 60, NO_USERS, 3000, 500, 0.001, 0.001, 3000),
        Size("10k GPUs, 50 teams, 2,600 users", 1250, 640, limited_people(), 2000, 500, 0.003,
             0.003, 1500),
        Size("… each team guaranteed 22 nodes", 1250, 640, limited_people(), 200, 100, 0.003,
             0.003, 1500, guaranteed(limited_people(), 22)),
        Size("100k GPUs", 12_500, 640, NO_USERS, 500, 300, 0.005, 0.020),
    )  # fmt: skip
    found = []
    for size in sizes:
        found += _decision_figures(size, theirs if size.nodes == slurm_decisions.NODES else None)
    return [*found, *_pass_figures(theirs), *_gang_figures(theirs), *_memory_figures()]


def measure_decisions(size: Size) -> tuple[Decisions, Decisions]:
    """Jobs of one node, and then gangs, on one cluster."""
    cluster = Cluster(
        build_nodes(size.nodes, size.nodes_per_pod), size.people, Random(SEED), size.policy
    )
    cluster.fill(FILLED)
    lengths = [length for length in (2, 4, 8, 16, 32, 64, 128) if length <= size.nodes // 2]
    found = []
    for gangs, count in ((False, size.singles), (True, size.gangs)):
        took, verdicts = [], 0
        for number in range(WARM_UP + count):
            demand = gang_demand(cluster.rng, lengths) if gangs else single_demand(cluster.rng)
            seconds, plan = cluster.decide(*cluster.submit(demand))
            if number >= WARM_UP:
                took.append(seconds)
                verdicts += bool(plan.verdicts)
            cluster.end_some(GANGS_UP_TO if gangs else FILLED, gangs=gangs)
        found.append(Decisions(took, verdicts))
    return found[0], found[1]


def measure_pass(*, is_full: bool) -> tuple[float, Plan]:
    """Seconds of one plan over 10,000 waiting jobs, nine of ten of one node, of people and teams
    with limits; the worst of several."""
    cluster = Cluster(build_nodes(1250, 640), limited_people(), Random(SEED))
    if is_full:
        cluster.fill(1.0)
    waiting = []
    for number in range(WAITING):
        sizes = (2, 4, 8, 16)
        is_gang = number % 10 == 0
        demand = gang_demand(cluster.rng, sizes) if is_gang else single_demand(cluster.rng)
        waiting.append(cluster.submit(demand)[1])
    return _worst(lambda: make_plan(cluster.snapshot(tuple(waiting)), Policy()))


def measure_one(capacity: Capacity, waiting: Waiting) -> tuple[float, Plan]:
    """Seconds of the plan for one job where nobody has limits; the worst of several."""
    return _worst(lambda: make_plan(Snapshot(AT_NS + 10**9, 1, capacity, (waiting,)), Policy()))


def measure_capacity(nodes: int) -> tuple[float, float]:
    """Bytes for each GPU: of the arrays alone, and of everything with the nodes, their GPUs and
    what is free of them as objects."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        capacity = capacity_of(rooms_of(build_nodes(nodes, 640)))
        gc.collect()
        total = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    gpus = GPUS_PER_NODE * nodes
    return (_array_bytes(capacity) + _array_bytes(capacity.fleet)) / gpus, total / gpus


def _worst(make: Any) -> tuple[float, Plan]:  # noqa: ANN401
    took = []
    for _ in range(RUNS):
        began = perf_counter()
        plan = make()
        took.append(perf_counter() - began)
    return max(took), plan


def _array_bytes(held: Any) -> int:  # noqa: ANN401
    values: list[Any] = []
    for one in fields(held):
        value = getattr(held, one.name)
        values += value.values() if isinstance(value, dict) else [value]
    return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


def _decision_figures(size: Size, theirs: slurm_decisions.Found | None) -> list[Figure]:
    singles, gangs = measure_decisions(size)
    found = []
    for what, decisions, bar_s in (("one node", singles, size.single_s),
                                   ("gangs", gangs, size.gang_s)):  # fmt: skip
        p99, rate = percentile(decisions.took, 0.99), decisions.rate
        told = f"{size.name}, {what} ({decisions.verdicts / len(decisions.took):.0%} verdicts)"
        found.append(Figure(f"{told}: p99", _fine_ms(p99), f"< {as_ms(bar_s)}", holds=p99 < bar_s))
        peer = ratio = ""
        if theirs is not None:
            their_s = theirs.single_s if decisions is singles else theirs.gang_s
            peer, ratio = f"Slurm {1 / their_s:.0f}/s", f"{rate * their_s:.1f}× as many"
        bar = f"≥ {size.rate}/s" if size.rate else ""
        holds = rate >= size.rate if size.rate else None
        found.append(Figure("… decisions", f"{rate:.0f}/s", bar, peer, ratio, holds))
    return found


def _pass_figures(theirs: slurm_decisions.Found | None) -> list[Figure]:
    found = []
    for is_full in (False, True):
        took, plan = measure_pass(is_full=is_full)
        peer = ""
        if theirs is not None and is_full:
            # No ratio: ours makes one verdict for all jobs alike and foretells no start.
            peer = f"Slurm {theirs.pending_s * 1e6:.0f} µs/job"
        state = "nothing free" if is_full else f"{len(plan.placements)} find room"
        what = f"full pass over {WAITING} waiting jobs at 10k GPUs, {state}"
        found.append(Figure(what, as_ms(took), "< 1 s", peer, holds=took < 1))
    return found


def _gang_figures(theirs: slurm_decisions.Found | None) -> list[Figure]:
    found = []
    empty = capacity_of(rooms_of(build_nodes(1250, 640)))
    for told, wish in (("", Wish()), (", `require: pod`", Wish(require=Level.POD))):
        took, plan = measure_one(empty, _waiting(Demand(512, WHOLE, topology=wish)))
        assert plan.placements
        peer = ratio = ""
        if theirs is not None and not told:
            peer = f"Slurm {_fine_ms(theirs.gang_512_s)}"
            ratio = f"{theirs.gang_512_s / took:.1f}× sooner"
        what = f"gang of 512 nodes of 1,250{told}"
        found.append(Figure(what, _fine_ms(took), "< 50 ms", peer, ratio, took < 0.050))
    took = max(
        measure_verdict(empty, Demand(1251, WHOLE)),
        measure_verdict(empty, Demand(800, WHOLE, topology=Wish(require=Level.POD))),
    )
    what = "unschedulable gang of 800 in a pod or 1,251 of 1,250 nodes: its verdict"
    found.append(Figure(what, _fine_ms(took), "< 100 ms", holds=took < 0.100))
    large = capacity_of(rooms_of(build_nodes(2500, 640)))
    took, plan = measure_one(large, _waiting(Demand(288, WHOLE)))
    assert plan.placements
    what = "gang of 2,304 GPUs as 288 nodes × 8 of 2,500"
    found.append(Figure(what, _fine_ms(took), "< 20 ms", holds=took < 0.020))
    one = Demand(1, Resources(1, "A100", 8, 64 * GIB))
    took, plan = measure_one(large, _waiting(one, 2304))
    assert len(plan.placements) == 2304
    found.append(Figure("2,304 tasks of one GPU each on them, one plan", as_ms(took)))
    took = measure_reclaim()
    what = "2,000 GPUs of 4,000 taken back for a gang of 250 nodes from 2,000 jobs of one"
    found.append(Figure(what, as_ms(took), "< 1 s", holds=took < 1))
    return found


def measure_reclaim() -> float:
    """Seconds of the plan that gives a team back half of 500 nodes, which jobs of one GPU have
    borrowed; what is published of KAI is 102 s from the submission to the start."""
    nodes = build_nodes(500, 640)
    running, held = [], []
    for place, node in enumerate(nodes):
        grants = [Grant(node.name, (device.id,)) for device in node.devices]
        held.append(room_of(SITE, node, grants))
        for number, grant in enumerate(grants):
            job_id = JobId(format_id("j", place * GPUS_PER_NODE + number + 2))
            running.append(
                Running(job_id, SITE, ONE_GPU, (grant,), 0, AT_NS, AT_NS, 0.0, team="borrowers")
            )
    policy = Policy(pools=(Pool("owners", (Cells(250),)),))
    gang = replace(_waiting(Demand(250, WHOLE)), team="owners")
    snapshot = Snapshot(AT_NS + 10**9, 1, capacity_of(held), (gang,), running=tuple(running))
    took, plan = _worst(lambda: make_plan(snapshot, policy))
    assert len(plan.evictions) == 2000
    return took


def measure_verdict(capacity: Capacity, demand: Demand) -> float:
    """Seconds until it is said that it never will fit."""
    took, plan = measure_one(capacity, _waiting(demand))
    assert [one.blocked_by for one in plan.verdicts.values()] == [Blocker.UNSATISFIABLE]
    return took


def _waiting(demand: Demand, tasks: int = 0) -> Waiting:
    every: Iterable[int | None] = range(tasks) if tasks else (None,)
    return Waiting(JobId("j000000001"), demand, 0, AT_NS, tasks=tuple(every), room=max(1, tasks))


def _memory_figures() -> list[Figure]:
    arrays, objects = measure_capacity(12_500)
    four = JobRequest.model_validate({"run": ["sleep", "3600"], "resources": {"gpu": 4}})
    all_nodes = {"run": ["true"], "nodes": 140, "resources": {"gpu": 8}}
    server = measure_idle_memory(
        "dgx-a100:140", (four, 200), (JobRequest.model_validate(all_nodes), 1000)
    )
    return [
        Figure(
            "100k GPUs in memory, the arrays",
            f"{arrays:.0f} B/GPU",
            "< 1024 B",
            holds=arrays < 1024,
        ),
        Figure(
            "… with nodes, GPUs and rooms as objects",
            f"{objects:.0f} B/GPU",
            "< 1024 B",
            holds=objects < 1024,
        ),
        Figure(
            "server with 1,120 GPUs, 200 running and 1,000 queued jobs",
            f"{server / 1e6:.0f} MB",
            "< 200 MB",
            holds=server < 200e6,
        ),
    ]


def _fine_ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f} ms"
