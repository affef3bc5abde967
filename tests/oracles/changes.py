"""Does to a demand what a verdict says would start it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.demand import Demand, Level
from quarterdeck.core.cluster.gpus import parse_gpus
from quarterdeck.core.jobs.array import parse_array

if TYPE_CHECKING:
    from quarterdeck.core.scheduling.plan import Verdict
    from quarterdeck.core.scheduling.snapshot import Waiting


def changed_as_promised(demand: Demand, verdict: Verdict) -> Demand | None:
    """The demand that the verdict says would start now; None when it says no such thing."""
    assert bool(verdict.change) == ("would start now" in verdict.hint)
    if not verdict.change:
        return None
    for key, value in verdict.change:
        wanted = demand.resources
        if key == "nodes":
            demand = replace(demand, nodes=int(value), nodes_max=None)
        elif key.startswith("topology."):
            level = Level(value) if value else None
            wish = replace(demand.topology, **{key.removeprefix("topology."): level})
            demand = replace(demand, topology=wish)
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


def let_go_as_promised(waiting: Waiting, verdict: Verdict) -> Waiting | None:
    """The job that the verdict says would start now; None when it says no such thing."""
    assert bool(verdict.change) == ("would start now" in verdict.hint)
    changes = dict(verdict.change)
    if not changes:
        return None
    if changes == {"needs": ""}:
        return replace(waiting, unmet=())
    if "array" in changes:
        wider = parse_array(changes["array"])
        assert waiting.parallel is not None
        assert wider.indices == waiting.array.indices if waiting.array else True
        more = (wider.parallel or 0) - waiting.parallel
        return replace(waiting, room=waiting.room + more, parallel=wider.parallel)
    demand = changed_as_promised(waiting.demand, verdict)
    return None if demand is None else replace(waiting, demand=demand)
