"""Which GPUs of a node a replica gets: those that are best joined, and that are missed least.

Whole GPUs: first none that is suspect, then the best link between the worst joined two of them,
then as few NUMA nodes as may be, then each with a network interface of its own; what is left over
should still be large neighbourhoods; then the lowest numbers.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Final

from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.cluster.mig import best_start, profiles_of
from quarterdeck.core.cluster.parts import Part
from quarterdeck.core.scheduling.capacity import CLOSED, FREE, SHARED, state_with
from quarterdeck.core.scheduling.fleet import NOT_THERE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from quarterdeck.core.cluster.hardware import Node, NodeTopology
    from quarterdeck.core.scheduling.fleet import Fleet
    from quarterdeck.core.scheduling.wants import Want

CHOICES_MAX: Final = 13_000
"""More ways than this to choose GPUs of one node (16 of them have up to 12,870) are not gone
through: then the lowest numbers of each NUMA node are taken."""


def choose_parts(
    fleet: Fleet, row: int, state: NDArray[np.int16], want: Want, only: int | None = None
) -> list[tuple[int, Part]]:
    """The parts that a replica gets of the node, each with the GPU's place on it."""
    if want.resources.gpus == 0:
        return []
    node = fleet.nodes[row]
    kinds, states = fleet.kind[row].tolist(), state.tolist()
    if not want.is_whole:
        return _choose_small(node, kinds, states, want)
    free = [column for column, held in enumerate(states) if held == FREE]
    if only is not None:
        free = [column for column in free if only >> column & 1]
    count = want.resources.gpus
    by_kind: dict[int, list[int]] = {}
    for column in free:
        by_kind.setdefault(kinds[column], []).append(column)
    enough = [
        kind
        for kind, columns in by_kind.items()
        if kind != NOT_THERE and len(columns) >= count and want.preference[kind] < float("inf")
    ]
    kind = min(enough, key=lambda one: (want.preference[one], len(by_kind[one]), one))
    mask = sum([1 << column for column in by_kind[kind]])
    suspects = sum([1 << n for n, device in enumerate(node.devices) if device.is_suspect])
    chosen = choose_gpus(node.topology, mask, count, suspects & mask)
    return [(column, Part(node.devices[column].id)) for column in columns_of(chosen)]


def columns_of(mask: int) -> list[int]:
    """The bits that are set, lowest first."""
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]


@lru_cache(maxsize=65536)
def choose_gpus(topology: NodeTopology | None, free: int, count: int, suspects: int = 0) -> int:
    """So many of the free GPUs, both as bit masks."""
    columns = columns_of(free)
    trusted = columns_of(free & ~suspects)
    if len(trusted) >= count:
        columns = trusted
    if count == len(columns):
        return sum(1 << column for column in columns)
    if comb(len(columns), count) > CHOICES_MAX:
        numa = topology.numa if topology is not None else ()
        columns.sort(key=lambda column: (numa[column] if numa else 0, column))
        return sum(1 << column for column in columns[:count])
    best = min(
        combinations(columns, count),
        key=lambda chosen: (*_merit(topology, chosen, suspects, free), chosen),
    )
    return sum(1 << column for column in best)


def _merit(
    topology: NodeTopology | None, chosen: tuple[int, ...], suspects: int, free: int
) -> tuple[float, ...]:
    """Less is better; see the module."""
    bad = sum(suspects >> column & 1 for column in chosen)
    if topology is None:
        return (bad,)
    numa = topology.numa or (0,) * free.bit_length()
    homes = {numa[column] for column in chosen}
    broken = {numa[column] for column in columns_of(free) if column not in chosen} & homes
    own = len({topology.nics[column] for column in chosen}) if topology.nics else 0
    return (bad, -worst_link(topology, chosen), len(homes), -own, len(broken))


def worst_link(topology: NodeTopology, chosen: tuple[int, ...]) -> float:
    """GB/s between the two of these GPUs that are joined worst."""
    return min(
        (link_between(topology, one, other) for one, other in combinations(chosen, 2)),
        default=0.0,
    )


def link_between(topology: NodeTopology, one: int, other: int) -> float:
    """GB/s each way between two GPUs of a node, by what was measured or else by their islands."""
    if topology.links:
        return topology.links[one][other]
    islands = topology.islands
    if islands and islands[one] == islands[other]:
        return topology.island_gbytes_s
    return topology.host_gbytes_s


def _choose_small(
    node: Node, kinds: list[int], states: list[int], want: Want
) -> list[tuple[int, Part]]:
    """Slices or shares, one after the other, each where it costs least."""
    chosen = []
    for _ in range(want.resources.gpus):
        column = min(
            (column for column, state in enumerate(states) if want.counts[kinds[column], state]),
            key=lambda column: (
                want.preference[kinds[column]],
                node.devices[column].is_suspect,
                want.costs[kinds[column], states[column]],
                column,
            ),
        )
        part = _part_of(node, column, states[column], want, kinds[column])
        states[column] = state_with(states[column], part, node.devices[column])
        chosen.append((column, part))
    return chosen


def _part_of(node: Node, column: int, state: int, want: Want, kind: int) -> Part:
    device, profile = node.devices[column], want.profiles[kind]
    if profile is not None:
        assert state < SHARED
        start = best_start(profiles_of(device.model, device.memory_bytes), state, profile)
        assert start is not None, (node.name, column, state, profile)
        return Part(device.id, profile.name, start)
    assert state != CLOSED
    is_share = want.resources.gpu_unit is GpuUnit.SHARE
    return Part(device.id, percent=want.resources.gpu_percent if is_share else 100)
