"""Which nodes a gang gets: near to each other, and so that large neighbourhoods stay whole.

The lowest level with a domain that has room for all of it wins, and of its domains the one that it
needs fewest parts of, then the one that is filled best. Inside, the same again: the smallest part
that holds what is left, or else the largest part whole and then on. Slurm's `topology/tree` and
Kueue's best fit do so, too, but take the fullest domain, however scattered its room is
(https://slurm.schedmd.com/topology.html, https://kueue.sigs.k8s.io/docs/concepts/topology_aware_scheduling/).

What leaves all nodes alike goes where least is broken: into the rack, unit and pod that have fewest
of such nodes left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from quarterdeck.core.cluster.demand import Level
from quarterdeck.core.scheduling.fleet import DOMAIN_LEVELS, NOT_THERE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Demand, Wish
    from quarterdeck.core.scheduling.fleet import Fleet

LADDER: Final = (Level.RACK, Level.UNIT, Level.POD, Level.SITE)
"""From near to far. Same rails lie in one unit."""
SAME: Final = 1e-9
"""Costs that differ by less are the same: they are sums of small parts."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Rows of a fleet, the level within which they lie, and how much that domain had free."""

    rows: tuple[int, ...]
    level: Level
    domain: str
    domain_free: int


def choose_nodes(
    fleet: Fleet, site: str, costs: NDArray[np.float64], demand: Demand
) -> Chosen | None:
    """The nodes of a site for all of the gang, or None. `costs` has every row of the fleet, `inf`
    where a replica does not fit."""
    part = fleet.sites[site]
    if demand.most_nodes == 1:
        row = _cheapest(fleet, costs, part)
        return None if row is None else Chosen((row,), Level.NODE, "", 1)
    rows = (costs[part] < np.inf).nonzero()[0] + part.start
    if len(rows) < demand.nodes:
        return None
    wish = demand.topology
    if wish.spread is not None:
        count = min(demand.most_nodes, len(rows))
        return _spread(fleet, site, rows, costs, count, rung(wish.spread))
    return _pack(fleet, site, rows, costs, demand)


def has_room(fleet: Fleet, site: str, fits: NDArray[np.bool_], demand: Demand) -> bool:
    """Whether `choose_nodes` finds nodes for all of the gang, where a replica `fits`."""
    part = fleet.sites[site]
    if demand.most_nodes == 1:
        return bool(np.count_nonzero(fits[part]))
    rows = fits[part].nonzero()[0] + part.start
    if len(rows) < demand.nodes or demand.topology.spread is not None:
        return len(rows) >= demand.nodes
    return largest_gang(fleet, site, rows, demand.topology)[0] >= demand.nodes


def largest_gang(fleet: Fleet, site: str, rows: NDArray[np.int64], wish: Wish) -> tuple[int, str]:
    """How many of these nodes stand within one domain of the required level at most, and in
    which."""
    level = rung(wish.require) if wish.require is not None else Level.SITE
    if level is Level.SITE:
        return len(rows), site
    numbers = fleet.domains[level][rows]
    if not _are_named(fleet, level, numbers):
        numbers = numbers[numbers != NOT_THERE]
    counts = np.bincount(numbers, minlength=1)
    best = int(counts.argmax())
    names = fleet.domain_names[level]
    return int(counts[best]), names[best] if names else ""


def _are_named(fleet: Fleet, level: Level, numbers: NDArray[np.int32]) -> bool:
    """Whether all of these domains of a level are known."""
    return level in fleet.all_named or bool((numbers != NOT_THERE).all())


def rung(level: Level) -> Level:
    """The level whose domains are looked at: the same rails of nodes are those of one unit."""
    return {Level.RAIL: Level.UNIT, Level.NODE: Level.RACK}.get(level, level)


def _cheapest(fleet: Fleet, costs: NDArray[np.float64], part: slice) -> int | None:
    """The cheapest node; of those that cost the same the one with fewest of them around it."""
    here = costs[part]
    least = here.min(initial=np.inf)
    if least == np.inf:
        return None
    alike = (here <= least + SAME).nonzero()[0] + part.start
    left = alike
    for level in DOMAIN_LEVELS:
        if len(left) == 1:
            break
        numbers = fleet.domains[level]
        if _are_named(fleet, level, numbers[alike]):
            left = _least(left, np.bincount(numbers[alike])[numbers[left]])
    return int(left[0])


def _least(of: NDArray[np.int64], values: NDArray[Any]) -> NDArray[np.int64]:
    """Those with the smallest value, in their order."""
    found: NDArray[np.int64] = of[values <= values.min() + SAME]
    return found


def _pack(
    fleet: Fleet,
    site: str,
    rows: NDArray[np.int64],
    costs: NDArray[np.float64],
    demand: Demand,
) -> Chosen | None:
    wish = demand.topology
    count = min(demand.most_nodes, largest_gang(fleet, site, rows, wish)[0])
    if count < demand.nodes:
        return None
    nearest = rung(wish.prefer) if wish.prefer is not None else Level.RACK
    farthest = rung(wish.require) if wish.require is not None else Level.SITE
    levels = [
        level
        for level in LADDER
        if LADDER.index(level) <= LADDER.index(farthest)
        and (LADDER.index(level) >= LADDER.index(nearest) or level is farthest)
    ]
    for level in levels:
        found = _domain_for(fleet, rows, costs, count, level)
        if found is not None:
            inside, domain = found
            chosen = _fill(fleet, inside, costs, count, LADDER.index(level) - 1)
            return Chosen(tuple(sorted(chosen)), level, domain or site, len(inside))
    return None


def _domain_for(
    fleet: Fleet,
    rows: NDArray[np.int64],
    costs: NDArray[np.float64],
    count: int,
    level: Level,
) -> tuple[NDArray[np.int64], str] | None:
    """The domain of a level that so many nodes divide and break least, and its rows."""
    if level is Level.SITE:
        return rows, ""
    numbers = fleet.domains[level][rows]
    if not _are_named(fleet, level, numbers):
        rows = rows[numbers != NOT_THERE]
        numbers = fleet.domains[level][rows]
    counts = np.bincount(numbers, minlength=1)
    candidates = (counts >= count).nonzero()[0]
    if len(candidates) == 0:
        return None
    if len(candidates) > 1 and level is not Level.RACK:
        needed = _parts_needed(fleet, rows, numbers, count, level)
        candidates = _least(candidates, needed[candidates])
    candidates = _least(candidates, counts[candidates])
    if len(candidates) > 1:
        sums = np.bincount(numbers, weights=costs[rows])
        candidates = _least(candidates, sums[candidates])
    if len(candidates) > 1:
        one_of = np.zeros(len(counts), np.int64)
        one_of[numbers] = rows
        for outer in DOMAIN_LEVELS[DOMAIN_LEVELS.index(level) + 1 :]:
            around = fleet.domains[outer]
            if _are_named(fleet, outer, around[rows]):
                has = np.bincount(around[rows])
                candidates = _least(candidates, has[around[one_of[candidates]]])
    best = int(candidates[0])
    return rows[numbers == best], fleet.domain_names[level][best]


def _parts_needed(
    fleet: Fleet,
    rows: NDArray[np.int64],
    numbers: NDArray[np.int32],
    count: int,
    level: Level,
) -> NDArray[np.int64]:
    """Of how many parts of the next lower level so many nodes take room, in each domain that has
    enough: as few as its largest ones allow. All alike where the parts are not known."""
    for lower in reversed(DOMAIN_LEVELS[: DOMAIN_LEVELS.index(level)]):
        parts = fleet.domains[lower][rows]
        if not _are_named(fleet, lower, parts):
            continue
        sizes = np.bincount(parts)
        inside = np.zeros(len(sizes), np.int64)
        inside[parts] = numbers
        there = sizes.nonzero()[0]
        order = there[np.lexsort((-sizes[there], inside[there]))]
        domain, size = inside[order], sizes[order]
        total = size.cumsum()
        starts = np.searchsorted(domain, domain)
        so_far = total - (total[starts] - size[starts])
        return np.bincount(domain, weights=so_far < count, minlength=int(numbers.max()) + 1) + 1
    return np.ones(int(numbers.max()) + 1, np.int64)


def _fill(
    fleet: Fleet,
    rows: NDArray[np.int64],
    costs: NDArray[np.float64],
    count: int,
    rung: int,
) -> list[int]:
    """So many of the rows, from as few domains of the next lower level as may be."""
    if count == len(rows):
        return [int(row) for row in rows]
    if rung < 0:
        order = np.argsort(costs[rows], kind="stable")
        return [int(row) for row in rows[order[:count]]]
    numbers = fleet.domains[LADDER[rung]][rows]
    if not _are_named(fleet, LADDER[rung], numbers):
        # Somebody's place is not known at this level: then it says nothing.
        return _fill(fleet, rows, costs, count, rung - 1)
    counts = np.bincount(numbers)
    chosen: list[int] = []
    while len(chosen) < count:
        left = count - len(chosen)
        enough = (counts >= left).nonzero()[0]
        best = int(enough[counts[enough].argmin()]) if len(enough) else int(counts.argmax())
        inside = rows[numbers == best]
        chosen += _fill(fleet, inside, costs, min(left, len(inside)), rung - 1)
        counts[best] = 0
    return chosen


def _spread(
    fleet: Fleet,
    site: str,
    rows: NDArray[np.int64],
    costs: NDArray[np.float64],
    count: int,
    level: Level,
) -> Chosen:
    """One of each domain in turn, the cheapest first."""
    order = rows[np.argsort(costs[rows], kind="stable")]
    numbers = fleet.domains[level][order] if level in fleet.domains else np.zeros_like(order)
    turns: dict[int, int] = {}
    ranked = []
    for place, number in enumerate(numbers.tolist()):
        turn = turns.get(number, 0)
        turns[number] = turn + 1
        ranked.append((turn, place))
    ranked.sort()
    chosen = sorted(int(order[place]) for _, place in ranked[:count])
    return Chosen(tuple(chosen), Level.SITE, site, len(rows))
