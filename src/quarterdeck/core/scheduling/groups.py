"""Places a gang of several groups: all of them or none, within one domain where that is required,
and else as near to each other as there is room.

The first group chooses, the others come as near to it as they can; if one of them finds no room,
the largest of the others chooses first. A gang that fits in no other order than these is not found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from quarterdeck.core.cluster.demand import Level
from quarterdeck.core.scheduling.fleet import DOMAIN_LEVELS
from quarterdeck.core.scheduling.gangs import rung

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Demand, Grant
    from quarterdeck.core.scheduling.fleet import Fleet
    from quarterdeck.core.scheduling.free import Free
    from quarterdeck.core.scheduling.gangs import Chosen

    Rows = NDArray[np.bool_] | None


class Taken(NamedTuple):
    """Where a group lies."""

    chosen: Chosen
    grants: tuple[Grant, ...]


def take_groups(
    free: Free, site: str, demand: Demand, take: Callable[[Demand, Rows], Taken | None]
) -> tuple[Taken, ...] | None:
    """What each group gets, in their order, or None. `take` takes what a group needs of these rows,
    or of any, and is None if there is no room. After it `free.go_back` gives all of it
    back."""
    parts = demand.parts
    by_size = sorted(range(1, len(parts)), key=lambda place: -parts[place].nodes)
    orders = ([*range(len(parts))], [*by_size, 0])
    for within in _domains(free.fleet, site, demand):
        for order in orders:
            free.mark()
            found = _take_in(order, parts, free.fleet, within, take)
            if found is not None:
                return found
            free.go_back()
    return None


def _take_in(
    order: Sequence[int],
    parts: Sequence[Demand],
    fleet: Fleet,
    within: Rows,
    take: Callable[[Demand, Rows], Taken | None],
) -> tuple[Taken, ...] | None:
    found: dict[int, Taken] = {}
    for place in order:
        near = [row for taken in found.values() for row in taken.chosen.rows]
        taken = None
        for rows in _nearest_first(fleet, near, within):
            taken = take(parts[place], rows)
            if taken is not None:
                break
        if taken is None:
            return None
        found[place] = taken
    return tuple(found[place] for place in range(len(parts)))


def _domains(fleet: Fleet, site: str, demand: Demand) -> Iterator[Rows]:
    """Where all of the gang may lie: each domain of the level that it requires, by number."""
    require = demand.topology.require
    level = rung(require) if require is not None else Level.SITE
    if level is Level.SITE:
        yield None
        return
    part = fleet.sites[site]
    here = fleet.domains[level][part]
    for number in np.unique(here[here >= 0]).tolist():
        yield fleet.domains[level] == number


def _nearest_first(fleet: Fleet, near: Sequence[int], within: Rows) -> Iterator[Rows]:
    """The smaller and smaller domains that hold all of `near`, the smallest first; then any."""
    if near:
        for level in DOMAIN_LEVELS:
            numbers = {int(fleet.domains[level][row]) for row in near}
            if len(numbers) == 1 and (number := numbers.pop()) >= 0:
                rows = fleet.domains[level] == number
                yield rows if within is None else rows & within
    yield within
