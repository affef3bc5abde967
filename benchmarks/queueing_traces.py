"""The traces on which queueing is compared, each with its cluster of nodes with eight GPUs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from benchmarks import helios, itp, muri, philly
from benchmarks.baselines.queueing import WIDTH
from benchmarks.gangs import gang_of
from benchmarks.traces import find, folder

if TYPE_CHECKING:
    from benchmarks.baselines.queueing import Gang
    from quarterdeck.sim.fast.workload import SimJob

CHARGED: Final = "-charged"
USUAL: Final = ("itp02", "itp03", "itp04", "muri3", f"muri3{CHARGED}")
ITP_NODES: Final = {"02": 12, "03": 20, "04": 64}
LOAD: Final = 0.9
"""Of the mean demand, for a cluster of ITP that is not among those: about that of the others."""


@dataclass(frozen=True, slots=True)
class Trace:
    """Jobs, the same as gangs for the rules of others, and how many nodes there are. `restart_s`:
    what each start of ours after a job's first one costs."""

    name: str
    nodes: int
    jobs: tuple[SimJob, ...]
    gangs: tuple[Gang, ...]
    restart_s: float = 0.0

    @property
    def is_charged(self) -> bool:
        """Whether being placed costs something."""
        return self.name.endswith(CHARGED)


def known_names() -> list[str]:
    """The traces that there are: such as `itp02`, `muri3`, `muri3-charged`, `philly-0e4a51`,
    `helios-vc6YE`."""
    muris = [f"muri{name}" for name in _names("muri", "trace")]
    found = [f"itp{name}" for name in _names("itp", "cluster")]
    found += [name + end for name in muris for end in ("", CHARGED)]
    if find("philly/philly_vc_nodes.csv"):
        found += [f"philly-{name}" for name in philly.read_virtual_clusters()]
    found += [f"helios-{name}" for name in _names("helios", "Earth_May_")]
    return sorted(set(found))


def read_trace(name: str) -> Trace:
    """One of them; `itp03@24` is `itp03` on 24 nodes instead."""
    name, _, other = name.partition("@")
    if other:
        return replace(read_trace(name), name=f"{name}@{other}", nodes=int(other))
    if name.startswith("helios-"):
        pieces = tuple(helios.read_jobs(name.removeprefix("helios-")))
        return _plain(name, _nodes_for(pieces), pieces)
    if name.startswith("itp"):
        cluster = name.removeprefix("itp")
        jobs = tuple(itp.read_jobs(cluster))
        return _plain(name, ITP_NODES.get(cluster) or _nodes_for(jobs), jobs)
    if name.startswith("philly-"):
        virtual_cluster = name.removeprefix("philly-")
        nodes = philly.read_virtual_clusters()[virtual_cluster]
        return _plain(name, nodes, tuple(philly.read_jobs(virtual_cluster)))
    number = name.removeprefix("muri").removesuffix(CHARGED)
    jobs = tuple(muri.read_jobs(number))
    if not name.endswith(CHARGED):
        return _plain(name, muri.read_nodes(), jobs)
    gangs = tuple(muri.read_charged(number))
    slowed = tuple(
        replace(job, duration_s=gang.duration_s + gang.overhead_s)
        for job, gang in zip(jobs, gangs, strict=True)
    )
    return Trace(name, muri.read_nodes(), slowed, gangs, muri.OVERHEAD_MOST_S)


def _names(where: str, start: str) -> list[str]:
    files = (folder() / where).glob(f"{start}*.csv*")
    return [file.name.partition(".")[0].removeprefix(start) for file in files]


def _plain(name: str, nodes: int, jobs: tuple[SimJob, ...]) -> Trace:
    return Trace(name, nodes, jobs, tuple(map(gang_of, jobs)))


def _nodes_for(jobs: tuple[SimJob, ...]) -> int:
    """So many that the mean demand between the first and the last submission is `LOAD` of them, and
    that the largest job has room."""
    span_s = jobs[-1].submit_s - jobs[0].submit_s
    demand = sum(job.gpus * job.duration_s for job in jobs) / span_s
    return max(round(demand / LOAD / WIDTH), *(job.demand.nodes for job in jobs))
