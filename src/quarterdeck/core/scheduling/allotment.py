"""Which nodes each booking gets: those that are named, or so many, chosen the same way every time.

Who names nodes goes first, then who wants a model of GPU, then who takes any; among these who
begins first. Of so many those come first that its owner uses already, then those that the booking
had before, then those that come free in time, by racks: the rack that is filled best by what is
left, or else the largest whole, so that as few as may be are broken. Nodes that come free too late
are last, the soonest first.

Where all nodes are alike that is as good as any choice: who begins later finds free all that was
free before, less what overlaps it (partitioning of intervals in the order of their starts;
Kleinberg and Tardos, Algorithm Design, 4.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.core.cluster.demand import Level
from quarterdeck.core.cluster.models import is_model
from quarterdeck.core.scheduling.fleet import NOT_THERE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.core.scheduling.fleet import Fleet

NEVER_NS: Final = 2**62
"""When a node comes free that somebody holds without an end."""


@dataclass(frozen=True, slots=True, eq=False)
class Readiness:
    """Of each row: when it comes free of those for whom a booking is not, 0 if it is; and whether
    those for whom it is use it."""

    free_at_ns: NDArray[np.int64]
    is_own: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Allotted:
    """The rows that a booking gets. `ready_ns` is when the last of them comes free, its start at
    the earliest; `late` counts those that do after its start, `lacking` those that there are not
    at all."""

    time: Occurrence
    rows: NDArray[np.int64]
    ready_ns: int
    late: int
    lacking: int


def allot(
    times: Sequence[Occurrence],
    fleet: Fleet,
    is_open: NDArray[np.bool_],
    readiness: Callable[[Occurrence], Readiness],
) -> list[Allotted]:
    """The nodes of each booking, in the order given. `is_open`: rows that may be chosen."""
    found: dict[int, Allotted] = {}
    for index in sorted(range(len(times)), key=lambda index: _order(times[index], index)):
        time = times[index]
        others = list(found.values())
        ready = readiness(time)
        if time.nodes:
            rows = rows_named(time, fleet)
        else:
            may = is_open & fits_of(time, fleet)
            for other in others:
                if time.overlaps(other.time):
                    may[other.rows] = False
            before = [one.rows for one in others if one.time.booking_id == time.booking_id]
            rows = _choose(time, fleet, may, ready, before)
        free_at_ns = ready.free_at_ns[rows]
        ready_ns = max(time.start_ns, int(free_at_ns.max(initial=0)))
        late = int((free_at_ns > time.start_ns).sum())
        found[index] = Allotted(time, rows, ready_ns, late, time.size - len(rows))
    return [found[index] for index in range(len(times))]


def rows_named(time: Occurrence, fleet: Fleet) -> NDArray[np.int64]:
    """The rows of the nodes that it names, of one site or any."""
    named = set(time.nodes)
    rows = [
        row for (site, name), row in fleet.rows.items() if name in named and time.site in ("", site)
    ]
    return np.array(sorted(rows), np.int64)


def fits_of(time: Occurrence, fleet: Fleet) -> NDArray[np.bool_]:
    """Of which rows a booking of so many nodes may have some."""
    fits = np.ones(len(fleet.nodes), bool)
    if time.site:
        fits[:] = False
        if time.site in fleet.sites:
            fits[fleet.sites[time.site]] = True
    if time.gpu_model:
        kinds = [is_model(kind.model, time.gpu_model) for kind in fleet.kinds]
        # The last one stands for a node without GPUs or with several kinds: -1 and -2 mean it.
        fits &= np.array([*kinds, False, False])[fleet.kind_of_node]
    return fits


def _order(time: Occurrence, index: int) -> tuple[int, int, int]:
    narrowness = 0 if time.nodes else 1 if time.gpu_model or time.site else 2
    return narrowness, time.start_ns, index


def _choose(
    time: Occurrence,
    fleet: Fleet,
    may: NDArray[np.bool_],
    ready: Readiness,
    before: Sequence[NDArray[np.int64]],
) -> NDArray[np.int64]:
    in_time = may & (ready.free_at_ns <= time.start_ns)
    chosen: list[int] = np.flatnonzero(in_time & ready.is_own)[: time.count].tolist()
    for rows in reversed(before):
        known = set(chosen)
        again = [row for row in rows[in_time[rows]].tolist() if row not in known]
        chosen += again[: time.count - len(chosen)]
    left = in_time.copy()
    left[chosen] = False
    chosen += _by_racks(fleet, np.flatnonzero(left), time.count - len(chosen))
    late = np.flatnonzero(may & ~in_time)
    late = late[np.argsort(ready.free_at_ns[late], kind="stable")]
    chosen += late[: time.count - len(chosen)].tolist()
    return np.array(sorted(chosen), np.int64)


def _by_racks(fleet: Fleet, rows: NDArray[np.int64], count: int) -> list[int]:
    """So many of these rows, or all, in as few racks as may be."""
    if count >= len(rows):
        return [int(row) for row in rows]
    racks = fleet.domains[Level.RACK][rows]
    groups: dict[int, list[int]] = {}
    for row, rack in zip(rows.tolist(), racks.tolist(), strict=True):
        groups.setdefault(rack, []).append(row)
    # Nodes that name no rack are no rack: they are taken one by one, at last.
    loose = groups.pop(NOT_THERE, [])
    chosen: list[int] = []
    while groups and len(chosen) < count:
        left = count - len(chosen)
        enough = [rack for rack, inside in groups.items() if len(inside) >= left]
        if enough:
            rack = min(enough, key=lambda rack: (len(groups[rack]), rack))
        else:
            rack = max(groups, key=lambda rack: (len(groups[rack]), -rack))
        chosen += groups.pop(rack)[:left]
    return chosen + loose[: count - len(chosen)]
