"""Which nodes a gang gets: near to each other, and so that large neighbourhoods stay whole.

The lowest level with a domain that has room for all of it wins, and of its domains the one that is
filled best. Inside, the same again: the smallest part that holds what is left, or else the largest
part whole and then on. This is the rule of Slurm's `topology/tree` and of Kueue's best fit
(https://slurm.schedmd.com/topology.html, https://kueue.sigs.k8s.io/docs/concepts/topology_aware_scheduling/).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.core.cluster.demand import Level
from quarterdeck.core.scheduling.fleet import NOT_THERE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Demand, Wish
    from quarterdeck.core.scheduling.fleet import Fleet

LADDER: Final = (Level.RACK, Level.UNIT, Level.POD, Level.SITE)
"""From near to far. Same rails lie in one unit."""


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
        row = int(costs[part].argmin()) + part.start
        return Chosen((row,), Level.NODE, "", 1) if costs[row] < np.inf else None
    rows = np.flatnonzero(costs[part] < np.inf) + part.start
    if len(rows) < demand.nodes:
        return None
    wish = demand.topology
    if wish.spread is not None:
        count = min(demand.most_nodes, len(rows))
        return _spread(fleet, site, rows, costs, count, rung(wish.spread))
    return _pack(fleet, site, rows, costs, demand)


def largest_gang(fleet: Fleet, site: str, rows: NDArray[np.int64], wish: Wish) -> tuple[int, str]:
    """How many of these nodes stand within one domain of the required level at most, and in
    which."""
    level = rung(wish.require) if wish.require is not None else Level.SITE
    if level is Level.SITE:
        return len(rows), site
    numbers = fleet.domains[level][rows]
    counts = np.bincount(numbers[numbers != NOT_THERE], minlength=1)
    best = int(counts.argmax())
    names = fleet.domain_names[level]
    return int(counts[best]), names[best] if names else ""


def rung(level: Level) -> Level:
    """The level whose domains are looked at: the same rails of nodes are those of one unit."""
    return {Level.RAIL: Level.UNIT, Level.NODE: Level.RACK}.get(level, level)


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
    """The domain of a level that is filled best by so many nodes, and its rows."""
    if level is Level.SITE:
        return rows, ""
    numbers = fleet.domains[level][rows]
    named = numbers != NOT_THERE
    if not named.any():
        return None
    counts = np.bincount(numbers[named])
    fewest = counts[counts >= count].min(initial=np.iinfo(np.int64).max)
    candidates = np.flatnonzero(counts == fewest)
    if len(candidates) == 0:
        return None
    best = int(candidates[0])
    if len(candidates) > 1:
        sums = np.bincount(numbers[named], weights=costs[rows[named]])
        best = int(candidates[sums[candidates].argmin()])
    return rows[numbers == best], fleet.domain_names[level][best]


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
    if (numbers == NOT_THERE).any():
        # Somebody's place is not known at this level: then it says nothing.
        return _fill(fleet, rows, costs, count, rung - 1)
    counts = np.bincount(numbers)
    chosen: list[int] = []
    while len(chosen) < count:
        left = count - len(chosen)
        enough = np.flatnonzero(counts >= left)
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
