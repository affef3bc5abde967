"""What a replica would cost on each node, from what is free there: where it breaks least is best.

Only the nodes where it fits are reckoned: on a full cluster they are few.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.scheduling.capacity import FREE
from quarterdeck.core.scheduling.fleet import MIXED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from quarterdeck.core.scheduling.fleet import Fleet
    from quarterdeck.core.scheduling.fragments import Typical
    from quarterdeck.core.scheduling.wants import Want

WEIGHT_LEFT_OVER: Final = 0.05
"""Among nodes that fragment alike the fuller one is taken; this is per GPU left over."""
WEIGHT_CPUS_LEFT: Final = 0.01
"""Then the one with fewer CPUs left, as a share of the most that any node has."""
WEIGHT_STRANDED: Final = 3.0
"""A GPU without CPUs or memory beside it is lost to all jobs, and not only to some as one that is
fragmented. From 1 to 10 the packing benchmark gives the same within a tenth or so."""
WEIGHT_SUSPECT: Final = 100.0
"""A GPU that has shown errors is taken when there is no other."""
WEIGHT_PREFERENCE: Final = 10.0
"""The second choice of GPU model is taken when there is no room on the first."""


class WhatIsFree(Protocol):
    """What is free of each node of a fleet, and what is typically asked for: a `Free`."""

    fleet: Fleet
    typical: Typical
    is_open: NDArray[np.bool_]
    cpus: NDArray[np.int64]
    memory_bytes: NDArray[np.int64]
    gpus_free: NDArray[np.int64]
    gpus_idle: NDArray[np.float64]
    state: NDArray[np.int16]


def find_fitting(free: WhatIsFree, want: Want, rows: NDArray[np.int64] | None) -> NDArray[np.bool_]:
    """On which of these rows, or of all, a replica fits now."""
    at = slice(None) if rows is None else rows
    wanted = want.resources
    fits = free.is_open[at] & (free.cpus[at] >= wanted.cpus)
    fits &= free.memory_bytes[at] >= wanted.memory_bytes
    if wanted.gpus:
        fits &= count_gpus(free, want, rows) >= wanted.gpus
    return fits


def reckon(
    free: WhatIsFree, want: Want, fits: NDArray[np.bool_], rows: NDArray[np.int64] | None = None
) -> NDArray[np.float64]:
    """The costs of these rows, or of all; `inf` where it does not fit."""
    here = fits.nonzero()[0]
    found = np.full(len(fits), np.inf)
    if len(here):
        at = here if rows is None else rows[here]
        # Nodes that a gang takes whole are mostly alike, and one of them tells for all.
        at = at[:1] if want.is_whole and _are_alike(free, at) else at
        found[here] = _costs_where_it_fits(free, want, at)
    return found


def count_gpus(free: WhatIsFree, want: Want, rows: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """How many of the wanted GPUs each of these rows could give, or each of all."""
    fleet, at = free.fleet, slice(None) if rows is None else rows
    kind_of_node = fleet.kind_of_node[at]
    if not want.is_whole or fleet.has_mixed:
        return want.count(kind_of_node, fleet.kind[at], free.state[at])
    # Of nodes with GPUs of one kind it is known without looking at each GPU.
    gpus_free: NDArray[np.int64] = free.gpus_free[at] * want.is_able[kind_of_node]
    return gpus_free


def _costs_where_it_fits(
    free: WhatIsFree, want: Want, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    fleet, typical, wanted = free.fleet, free.typical, want.resources
    cpus, memory, gpus = free.cpus[rows], free.memory_bytes[rows], free.gpus_free[rows]
    cost = (WEIGHT_CPUS_LEFT / fleet.cpus_most) * (cpus - wanted.cpus)
    cost += WEIGHT_LEFT_OVER * (gpus - wanted.gpus if want.is_whole else gpus)
    left = gpus
    if wanted.gpus:
        cost += WEIGHT_PREFERENCE * _preference(fleet, want, rows)
        if want.is_whole:
            left = gpus - wanted.gpus
        else:
            state = free.state[rows]
            costs = want.costs[fleet.kind[rows], state]
            cheapest = costs.min(axis=1)
            cost += np.where(np.isfinite(cheapest), cheapest, 0.0)
            if want.resources.gpu_unit is GpuUnit.SHARE:
                # One that it opens is whole no more.
                left = gpus - (state[np.arange(len(state)), costs.argmin(axis=1)] == FREE)
        if fleet.has_suspect:
            able = want.counts[fleet.kind[rows], free.state[rows]] * ~fleet.is_suspect[rows]
            cost += WEIGHT_SUSPECT * np.maximum(0, wanted.gpus - able.sum(axis=1))
    cpus_after, memory_after = cpus - wanted.cpus, memory - wanted.memory_bytes
    before = typical.fragments(gpus, cpus, memory)
    cost += typical.fragments(left, cpus_after, memory_after) - before
    idle = free.gpus_idle[rows]
    stranded = typical.stranded(idle - wanted.gpus * want.part, cpus_after, memory_after)
    cost += WEIGHT_STRANDED * (stranded - typical.stranded(idle, cpus, memory))
    return cost.astype(np.float64, copy=False)


def _are_alike(free: WhatIsFree, rows: NDArray[np.int64]) -> bool:
    """Whether there is as much of everything on all of these, of which none may be suspect."""
    fleet = free.fleet
    if fleet.has_suspect or len(rows) == 1:
        return False
    held = (free.gpus_free, free.cpus, free.memory_bytes, free.gpus_idle, fleet.kind_of_node)
    for values in held:
        here = values[rows]
        if np.count_nonzero(here != here[0]):
            return False
    return not fleet.has_mixed or fleet.kind_of_node[rows[0]] != MIXED


def _preference(fleet: Fleet, want: Want, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """How far the GPUs of each node are from the first choice; of a node of several kinds the
    best."""
    kind_of_node = fleet.kind_of_node[rows]
    found = want.preference[kind_of_node]
    if fleet.has_mixed:
        mixed = kind_of_node == MIXED
        found[mixed] = want.preference[fleet.kind[rows[mixed]]].min(axis=1)
    return found
