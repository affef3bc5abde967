"""Why a gang lies where it lies, in words, and how fast its all-reduce should be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.core.cluster.demand import GpuUnit, Level
from quarterdeck.core.cluster.parts import gpu_of, parse_part
from quarterdeck.core.scheduling.bandwidth import allreduce_gbytes_s
from quarterdeck.core.scheduling.devices import worst_link

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.core.cluster.demand import Demand, Grant
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.core.scheduling.fleet import Fleet
    from quarterdeck.core.scheduling.gangs import Chosen
    from quarterdeck.core.scheduling.groups import Taken

NEXT_LARGER = {Level.UNIT: Level.RACK, Level.POD: Level.UNIT, Level.SITE: Level.POD}


def grounds_of(
    fleet: Fleet, demand: Demand, taken: Sequence[Taken], nodes_free: int
) -> tuple[tuple[str, ...], float | None]:
    """Sentences, and the bus bandwidth in GB/s as far as it can be foretold: of the first group."""
    said, speed = _grounds_of_first(fleet, demand, *taken[0], nodes_free)
    for part, other in zip(demand.parts[1:], taken[1:], strict=True):
        names = ", ".join(grant.node for grant in other.grants)
        said = (*said, f"beside it {part} on {names}: as near to it as there is room")
    return said, speed


def _grounds_of_first(
    fleet: Fleet, demand: Demand, chosen: Chosen, grants: Sequence[Grant], nodes_free: int
) -> tuple[tuple[str, ...], float | None]:
    nodes = [fleet.nodes[row] for row in chosen.rows]
    said = [_where(demand, chosen, nodes, nodes_free)]
    wanted = demand.resources
    if not wanted.gpus:
        return tuple(said), None
    is_whole = wanted.gpu_unit is GpuUnit.WHOLE
    places = [
        tuple(range(wanted.gpus))
        if is_whole and wanted.gpus == len(node.devices)
        else _places(node, grant)
        for node, grant in zip(nodes, grants, strict=True)
    ]
    if not is_whole:
        return (*said, *_cuts(grants[0], places[0], wanted.gpu_unit)), None
    if wanted.gpus < len(nodes[0].devices):
        said.append(_neighbours(nodes[0], places[0], grants[0]))
    replicas = [(node.topology, place) for node, place in zip(nodes, places, strict=True)]
    speed = allreduce_gbytes_s(replicas)
    if speed is not None:
        said.append(f"its all-reduce should reach {speed:g} GB/s (bus bandwidth)")
    return tuple(said), speed


def _where(demand: Demand, chosen: Chosen, nodes: Sequence[Node], nodes_free: int) -> str:
    if len(nodes) == 1:
        also = f"of {nodes_free} nodes with room it" if nodes_free > 1 else "it"
        return f"{nodes[0].name}: {also} is the one that leaves most for other jobs"
    count = len(nodes)
    if demand.topology.spread is not None:
        return f"{count} nodes, spread over as many {demand.topology.spread.value}s as could be"
    if chosen.level is not Level.SITE:
        best = "the fullest"
        if chosen.level is not Level.RACK:
            best = "the one that they need fewest parts of"
        return (
            f"{count} nodes in {chosen.level.value} {chosen.domain}: it is the nearest that all "
            f"of them can be, and of those with room {best} ({chosen.domain_free} had room)"
        )
    known = nodes[0].location.unit or nodes[0].location.rack or nodes[0].location.pod
    because = "no part of it has room for all of them" if known else "nothing is known of its racks"
    return f"{count} nodes anywhere at site {chosen.domain}: {because}"


def _places(node: Node, grant: Grant) -> tuple[int, ...]:
    at = {device.id: place for place, device in enumerate(node.devices)}
    return tuple(at[gpu_of(device)] for device in grant.devices)


def _neighbours(node: Node, places: tuple[int, ...], grant: Grant) -> str:
    listed = f"GPU{'s'[: len(places) > 1]} {', '.join(map(str, places))} of {node.name}"
    topology = node.topology
    if topology is None:
        return f"{listed}: nothing is known of how its GPUs are joined"
    told = []
    if topology.numa:
        count = len({topology.numa[place] for place in places})
        told.append("one NUMA node" if count == 1 else f"{count} NUMA nodes, the fewest that do")
    if len(places) > 1:
        told.append(f"{worst_link(topology, places):g} GB/s between them")
    if grant.nics:
        told.append(f"nearest to {', '.join(grant.nics)}")
    return f"{listed}: {', '.join(told) or 'the lowest numbers that are free'}"


def _cuts(grant: Grant, places: Sequence[int], unit: GpuUnit) -> list[str]:
    if unit is GpuUnit.SHARE:
        gpus = ", ".join(map(str, sorted(set(places))))
        return [f"a share of GPU {gpus} of {grant.node}; nobody enforces it"]
    said = []
    for device, place in zip(grant.devices, places, strict=True):
        part = parse_part(device)
        if part.is_whole:
            said.append(f"GPU {place} of {grant.node} as a whole: no slice there is large enough")
        else:
            said.append(
                f"GPU {place} of {grant.node} is cut: {part.profile} from memory slice "
                f"{part.start}, where it leaves most room for others"
            )
    return said
