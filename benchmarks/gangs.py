"""Jobs of traces as gangs on nodes of eight GPUs, for our scheduler and the rules of others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.baselines.queueing import WIDTH, Gang
from quarterdeck.adapters.sites.catalogue import load_catalogue
from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.cluster.hardware import Location
from quarterdeck.core.cluster.nodetype import nodes_of

if TYPE_CHECKING:
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.sim.fast.workload import SimJob


def demand_of(gpus: int) -> Demand:
    """On one node up to a node's GPUs; more of them take whole nodes."""
    return Demand(-(-gpus // WIDTH), Resources(min(gpus, WIDTH)))


def gang_of(job: SimJob) -> Gang:
    """The same job for a rule of others."""
    return Gang(job.submit_s, job.duration_s, round(job.gpus))


def build_cluster(nodes: int) -> tuple[Node, ...]:
    """So many nodes with eight GPUs each, all alike near to each other."""
    names = [f"n{number:03}" for number in range(nodes)]
    return nodes_of(load_catalogue()["dgx-a100"], names, [Location()] * nodes)
