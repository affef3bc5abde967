"""Does to a demand what a verdict says would start it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.demand import Demand, Level, Wish
from quarterdeck.core.cluster.gpus import parse_gpus

if TYPE_CHECKING:
    from quarterdeck.core.scheduling.plan import Verdict


def changed_as_promised(demand: Demand, verdict: Verdict) -> Demand | None:
    """The demand that the verdict says would start now; None when it says no such thing."""
    assert bool(verdict.change) == ("would start now" in verdict.hint)
    if not verdict.change:
        return None
    for key, value in verdict.change:
        wanted = demand.resources
        if key == "nodes":
            demand = replace(demand, nodes=int(value), nodes_max=None)
        elif key == "topology":
            demand = replace(demand, topology=Wish(prefer=Level(value.removeprefix("prefer: "))))
        elif key == "resources.gpu":
            gpus = parse_gpus(value)
            wanted = replace(gpus, cpus=wanted.cpus, memory_bytes=wanted.memory_bytes)
            demand = replace(demand, resources=wanted)
        elif key == "resources.cpu":
            demand = replace(demand, resources=replace(wanted, cpus=int(value)))
        else:
            assert key == "resources.memory"
            size_bytes = int(value.removesuffix("GiB")) * GIB
            demand = replace(demand, resources=replace(wanted, memory_bytes=size_bytes))
    return demand
