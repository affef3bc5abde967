"""Puts one gang after the other where it fits best, and says where one would fit."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.core.cluster.demand import GpuUnit, Level, Wish
from quarterdeck.core.scheduling.capacity import FREE
from quarterdeck.core.scheduling.caps import note_placed, within_caps
from quarterdeck.core.scheduling.devices import CHOICES_MAX, columns_of
from quarterdeck.core.scheduling.free import Free
from quarterdeck.core.scheduling.gangs import LADDER, choose_nodes, has_room
from quarterdeck.core.scheduling.grounds import grounds_of
from quarterdeck.core.scheduling.groups import Taken, take_groups
from quarterdeck.core.scheduling.nearness import (
    ON_NOTHING,
    TooFar,
    best_reach,
    may_insist,
    reach_of,
    too_far_of,
)
from quarterdeck.core.scheduling.plan import Placement
from quarterdeck.core.scheduling.terms import (
    as_one_gang,
    find_obstacle,
    needs_same_gpus,
    split_gang,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from numpy.typing import NDArray

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Demand, Grant
    from quarterdeck.core.scheduling.bookings import Bars
    from quarterdeck.core.scheduling.caps import Capped
    from quarterdeck.core.scheduling.gangs import Chosen
    from quarterdeck.core.scheduling.nearness import Insists
    from quarterdeck.core.scheduling.snapshot import Waiting

    Rows = NDArray[np.bool_] | None

Sites = frozenset[str] | None
"""The sites that a job may be placed at; None is any."""

SAME_TRIED_MAX: Final = 70
"""Of the ways to take the same GPUs on each node: as many as there are of 4 of 8."""
WEIGHT_DATA: Final = 4.0
"""What it is worth, in GPUs that are not fragmented, to run where all of the job's data is."""


class Placer:
    """See the module. What did not fit once is not tried again: things only become fewer.
    `insists` is what a gang insists on that has only just come."""

    def __init__(self, free: Free, insists: Insists = ON_NOTHING) -> None:
        self.free = free
        self.insists = insists
        self._failed: dict[tuple[Demand, Sites, Insists, int], TooFar | None] = {}
        self._bars: Bars | None = None

    def bar(self, bars: Bars | None) -> None:
        """From now on it is about a job that may not use these rows."""
        self._bars = bars
        self.free.barred = None if bars is None else bars.rows

    def place(
        self,
        job_id: JobId,
        demand: Demand,
        sites: Sites,
        task: int | None = None,
        data_at: Mapping[str, float] | None = None,
        insists: Insists = ON_NOTHING,
        *,
        within: Rows = None,
        accepts: Callable[[str, tuple[Grant, ...]], bool] | None = None,
    ) -> Placement | None:
        """The whole gang gets its grants at the first site that fits it, or nothing is taken.
        `data_at` is the share of the job's input that is at a node already. Only rows that are
        `within` come into question, and only what `accepts` takes, given the site and the
        grants."""
        key = (demand, sites, insists, id(self._bars))
        if key in self._failed:
            return None
        too_far: TooFar | None = None
        for site in self.sites_for(demand, sites):
            nodes_free = int(np.count_nonzero(self.free.fits(demand.resources)))
            if accepts is not None:
                self.free.mark()
            taken = self._take_all(site, demand, data_at, insists, within)
            grants: tuple[Grant, ...] = ()
            if isinstance(taken, TooFar):
                too_far, taken = too_far or taken, None
            elif taken is not None:
                grants = tuple(grant for one in taken for grant in one.grants)
                if accepts is not None and not accepts(site, grants):
                    self.free.go_back()
                    taken = None
            self.free.keep()
            if taken is not None:
                said, speed = grounds_of(self.free.fleet, demand, taken, nodes_free)
                said = (*said, *_with_data(grants, data_at or {}))
                return Placement(job_id, site, grants, task, said, speed)
        if within is None and accepts is None:
            self._failed[key] = too_far
        return None

    def place_tasks(
        self,
        waiting: Waiting,
        ready: Iterable[int | None],
        where: tuple[Sites, Insists],
        within: Rows = None,
        capped: Capped | None = None,
    ) -> list[Placement]:
        """As many of these tasks as fit, in order, on these rows or any, and not beyond a cap."""
        placed = []
        data_at = dict(waiting.data_at)
        for task in ready:
            rows = within_caps(within, capped)
            placement = self.place(
                waiting.job_id, waiting.demand, where[0], task, data_at, where[1], within=rows
            )
            if placement is None:
                break
            placed.append(placement)
            note_placed(capped, placement)
        return placed

    def find_too_far(self, demand: Demand, sites: Sites, insists: Insists) -> TooFar | None:
        """Why it was not placed though it has room; None if it has not, or was placed."""
        return self._failed.get((demand, sites, insists, id(self._bars)))

    def _take_all(
        self,
        site: str,
        demand: Demand,
        data_at: Mapping[str, float] | None = None,
        insists: Insists = ON_NOTHING,
        within: Rows = None,
    ) -> tuple[Taken, ...] | TooFar | None:
        """What each group of the gang gets, or nothing is taken."""
        if demand.beside and self.free.fleet.gang_terms[site].is_alike:
            return self._take_alike(site, demand, within)
        if demand.beside:
            return take_groups(self.free, site, demand, partial(self._take, site, within))
        found = self._choose(site, demand, data_at, within)
        if found is None:
            return None
        too_far = self._find_too_far(site, demand, found[0], insists)
        return too_far or (self._take_chosen(demand, *found),)

    def _take_alike(self, site: str, demand: Demand, within: Rows) -> tuple[Taken, ...] | None:
        """What each group gets where all are given the same, on nodes of their own."""
        gang = as_one_gang(demand)
        found = self._choose(site, gang, None, within)
        return None if found is None else split_gang(demand, self._take_chosen(gang, *found))

    def _take(self, site: str, within: Rows, demand: Demand, near: Rows) -> Taken | None:
        """What one group gets of the rows that are in both, where any may do."""
        both = near if within is None else within if near is None else within & near
        found = self._choose(site, demand, None, both)
        return None if found is None else self._take_chosen(demand, *found)

    def _take_chosen(self, demand: Demand, chosen: Chosen, mask: int | None) -> Taken:
        return Taken(chosen, self.free.take(chosen.rows, demand.resources, mask))

    def _find_too_far(
        self, site: str, demand: Demand, chosen: Chosen, insists: Insists
    ) -> TooFar | None:
        if not insists or not may_insist(demand):
            return None
        lies = reach_of(self.free.fleet, chosen.rows)
        if max(lies) <= 1:
            return None
        return too_far_of(lies, best_reach(self.free, site, demand), insists)

    def could_place(
        self,
        demand: Demand,
        sites: Sites,
        insists: Insists | None = None,
        *,
        within: Rows = None,
    ) -> bool:
        """Whether it would start now, had it only just come; or with what else it insists on, or
        only on rows that are `within`."""
        insists = self.insists if insists is None else insists
        for site in self.sites_for(demand, sites):
            if not demand.beside:
                has_room = self._has_room(site, demand, insists, within)
            else:
                has_room = self._take_all(site, demand, within=within) is not None
                self.free.go_back()
            if has_room:
                return True
        return False

    def _has_room(self, site: str, demand: Demand, insists: Insists, within: Rows) -> bool:
        """Whether there is room at a site, near enough: where neither that matters nor which GPUs
        it would be nobody needs to know the nodes."""
        wish = demand.topology
        has_to_match = needs_same_gpus(demand, self.free.fleet.gang_terms[site])
        if Level.RAIL not in (wish.require, wish.prefer) and not has_to_match:
            if not has_room(self.free.fleet, site, self._fits(demand, within), demand):
                return False
            if not insists or not may_insist(demand):
                return True
        found = self._choose(site, demand, None, within)
        return found is not None and self._find_too_far(site, demand, found[0], insists) is None

    def _fits(self, demand: Demand, within: Rows) -> NDArray[np.bool_]:
        fits = self.free.fits(demand.resources)
        return fits if within is None else fits & within

    def sites_for(self, demand: Demand, sites: Sites) -> Iterator[str]:
        """The sites that come into question, by name."""
        for site, terms in self.free.fleet.gang_terms.items():
            if (
                demand.site in (None, site)
                and (sites is None or site in sites)
                and find_obstacle(demand, terms, site) is None
            ):
                yield site

    def _choose(
        self,
        site: str,
        demand: Demand,
        data_at: Mapping[str, float] | None,
        within: Rows = None,
    ) -> tuple[Chosen, int | None] | None:
        fleet, wish = self.free.fleet, demand.topology
        is_on_rails = Level.RAIL in (wish.require, wish.prefer) and demand.most_nodes > 1
        if not is_on_rails and not has_room(fleet, site, self._fits(demand, within), demand):
            return None
        costs = self.free.costs(demand.resources, within)
        if data_at:
            costs = costs.copy()
            for node, share in data_at.items():
                row = fleet.rows.get((site, node))
                if row is not None:
                    costs[row] -= WEIGHT_DATA * share
        if is_on_rails:
            for mask in self._rails(costs, demand):
                same = np.where(self._can_give(mask, demand), costs, np.inf)
                chosen = choose_nodes(fleet, site, same, _on_one_rail(demand))
                if chosen is not None:
                    return chosen, mask
            if wish.require is Level.RAIL:
                return None
        if needs_same_gpus(demand, fleet.gang_terms[site]):
            return self._choose_same(site, demand, costs)
        chosen = choose_nodes(fleet, site, costs, demand)
        return None if chosen is None else (chosen, None)

    def _choose_same(
        self, site: str, demand: Demand, costs: NDArray[np.float64]
    ) -> tuple[Chosen, int] | None:
        """Nodes that can all give the same GPUs, and which: of some ways the nearest, then the
        largest."""
        here = np.full(len(costs), np.inf)
        part = self.free.fleet.sites[site]
        here[part] = costs[part]
        found = []
        for mask in self._rails(here, demand):
            able = np.where(self._can_give(mask, demand), here, np.inf)
            chosen = choose_nodes(self.free.fleet, site, able, demand)
            if chosen is not None:
                found.append((chosen, mask))
            if len(found) == SAME_TRIED_MAX:
                break
        return min(found, key=_by_nearness, default=None)

    def _rails(self, costs: NDArray[np.float64], demand: Demand) -> Iterator[int]:
        """The sets of GPUs, as bit masks, that all nodes of a gang could have alike: those next to
        each other first."""
        count, width = demand.resources.gpus, self.free.state.shape[1]
        if count == 0 or demand.resources.gpu_unit is not GpuUnit.WHOLE:
            return
        if comb(width, count) > CHOICES_MAX:
            yield (1 << count) - 1
            return
        masks = [sum(1 << one for one in chosen) for chosen in combinations(range(width), count)]
        fits = costs < np.inf
        free = self._free_bits()[fits]
        common = {mask for mask in masks if int(((free & mask) == mask).sum()) >= demand.nodes}
        yield from sorted(common, key=lambda mask: (_breadth(mask), mask))

    def _free_bits(self) -> NDArray[np.int64]:
        bits = np.left_shift(1, np.arange(self.free.state.shape[1], dtype=np.int64))
        is_there = self.free.fleet.kind >= 0
        found: NDArray[np.int64] = ((self.free.state == FREE) & is_there) @ bits
        return found

    def _can_give(self, mask: int, demand: Demand) -> NDArray[np.bool_]:
        """Which nodes have all of these GPUs free, and of one kind that will do."""
        kinds = self.free.fleet.kind[:, columns_of(mask)]
        able = self.free.want_of(demand.resources).is_able[kinds[:, 0]]
        is_one = able & (kinds == kinds[:, :1]).all(axis=1)
        found: NDArray[np.bool_] = is_one & ((self._free_bits() & mask) == mask)
        return found


def _with_data(grants: Iterable[Grant], data_at: Mapping[str, float]) -> Iterator[str]:
    """How much of the job's data is where it was placed."""
    here = [data_at[grant.node] for grant in grants if grant.node in data_at]
    if here:
        nodes = "1 of its nodes has" if len(here) == 1 else f"{len(here)} of its nodes have"
        yield f"{nodes} up to {max(here):.0%} of its data already"


def _by_nearness(found: tuple[Chosen, int]) -> tuple[int, int]:
    chosen, _ = found
    return LADDER.index(chosen.level), -len(chosen.rows)


def _breadth(mask: int) -> int:
    """From the first to the last of them."""
    return mask.bit_length() - (mask & -mask).bit_length()


def _on_one_rail(demand: Demand) -> Demand:
    """The same rails meet within a unit."""
    return replace(demand, topology=Wish(require=Level.RAIL))
