"""What each team is owed in one plan, and who must go for it.

A job that its team's cells cover goes before all that only borrow. Where it finds no room, those
that borrow make some for it: as cheaply as can be, and only if it starts by that. What cannot be
made to go (a job that may not be preempted, or not so soon) gets no node that somebody's cells
need. So whatever a team could run alone on its cells it can run here, one grace period later at
most.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.borrowers import Borrowers, key_of, loss_gpu_s
from quarterdeck.core.scheduling.cover import Cover
from quarterdeck.core.scheduling.lent import must_stay
from quarterdeck.core.scheduling.nearness import ON_NOTHING
from quarterdeck.core.scheduling.placer import Placer
from quarterdeck.core.scheduling.reclaim import Seeker, find_cheapest, giving_up_for, kept_after_all
from quarterdeck.core.scheduling.shapes import EPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Demand, Grant
    from quarterdeck.core.scheduling.borrowers import Key
    from quarterdeck.core.scheduling.fleet import Fleet
    from quarterdeck.core.scheduling.free import Free
    from quarterdeck.core.scheduling.nearness import Insists
    from quarterdeck.core.scheduling.placer import Sites
    from quarterdeck.core.scheduling.plan import Placement
    from quarterdeck.core.scheduling.reclaim import Reclaimed
    from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot, Waiting
    from quarterdeck.core.scheduling.standing import Keeper

OUTRANKED_TRIED_MAX: Final = 8
"""So many jobs of a lower priority are tried to be let off."""


class Guarantees:
    """See the module."""

    def __init__(
        self,
        free: Free,
        snapshot: Snapshot,
        policy: Policy,
        kept: Sequence[tuple[str, Grant]],
        keeper: Keeper | None,
    ) -> None:
        self._policy = policy
        self._kept = kept
        self._rest: dict[Key, Running] = {}
        self._gone: list[Running] = []
        self._now_ns = snapshot.now_ns
        self._cover = Cover(free.capacity, snapshot, policy, keeper)
        self._capacity = free.capacity
        self._going = self._cover.leaving
        self._cleared = _cleared_rows(free.capacity.fleet, snapshot.waiting)
        self._counted_on = _counted_on(snapshot.waiting, self.pool_of)
        self._borrowers: Borrowers | None = None
        self._left: Free | None = None
        self._in_vain: set[tuple[str, Demand, Sites, Insists, int, int]] = set()
        self.barred: NDArray[np.bool_] | None = None
        """Rows that the job which is looked at may not use: somebody has booked them."""

    def pool_of(self, one: Waiting | Running) -> str:
        """The pool whose cells are for it: its team's, or its owner's own."""
        return self._cover.book.pool_of(one)

    def covers(self, waiting: Waiting) -> bool:
        """Whether its team is guaranteed anything."""
        return self._cover.book.has(self.pool_of(waiting))

    def could_cover(self, waiting: Waiting) -> bool:
        """Whether its team's cells would do if nothing else of the team ran."""
        return self._cover.book.has_cells_for(self.pool_of(waiting), waiting.demand)

    def must_stay(self, waiting: Waiting) -> bool:
        """Whether it could not be made to go as soon as somebody is owed what it runs on."""
        return must_stay(waiting, self._policy.reclaim_after_s)

    def place(
        self, placer: Placer, waiting: Waiting, task: int | None, sites: Sites, insists: Insists
    ) -> Placement | None:
        """A placement that its team's cells cover, on what is free; None if there is none."""
        data_at, team = dict(waiting.data_at), self.pool_of(waiting)
        for demand, mask in self._ways(placer, waiting, sites, insists):
            placement = placer.place(
                waiting.job_id, demand, sites, task, data_at, insists,
                within=mask,
                accepts=lambda site, grants: self._cover.grant(team, site, grants),
            )  # fmt: skip
            if placement is not None:
                self._left = None
                return placement
        return None

    def make_room(
        self, placer: Placer, waiting: Waiting, sites: Sites, insists: Insists
    ) -> Reclaimed | None:
        """Room for a job that its team's cells would cover; None if nobody is in its way, or
        stopping those who may be stopped would not help."""
        team = self.pool_of(waiting)
        key = (team, waiting.demand, sites, insists, waiting.priority, id(self.barred))
        if key in self._in_vain:
            return None
        found = self._reclaim(placer, waiting, sites, insists, ())
        if found is None:
            found = self._over_own(placer, waiting, sites, insists)
        if found is None:
            self._in_vain.add(key)
            return None
        self._going += found.victims
        self._gone += [one for one in found.victims if not one.keeps]
        rest = {key_of(one): one.rest for one in found.victims if one.keeps}
        if rest:
            self._rest |= rest
            self._borrowers = None
        self._left = found.left
        return found

    def mask_for_stayer(self, demand: Demand) -> NDArray[np.bool_]:
        """Where a job may lie that cannot be made to go: on what nobody's cells need."""
        book = self._cover.book
        mask: NDArray[np.bool_] = book.spare() >= book.largest_replica(demand) - EPS
        return mask

    def note_stayer(self, placement: Placement) -> None:
        """It was placed there."""
        self._cover.note_stayer(placement.site, placement.grants)

    def next_turn_ns(self) -> int | None:
        """When the next of those that borrow has run so long that it may be made to go."""
        return self._cover.next_turn_ns()

    def _ways(
        self, placer: Placer, waiting: Waiting, sites: Sites, insists: Insists
    ) -> Iterator[tuple[Demand, NDArray[np.bool_]]]:
        """What it asks for and where, in the order in which it is tried: of a gang that takes what
        is free the most first, then the least. Only where room is made for it while others of its
        team count on the cells that it takes there: these had somebody stopped for a place that is
        theirs with these cells alone."""
        least = _least(waiting.demand)
        for number, mask in enumerate(self._masks(waiting, waiting.demand)):
            yield waiting.demand, mask
            if waiting.demand.nodes_max is not None:
                yield least, mask
            if number == 0 and waiting.job_id in self._counted_on:
                going = Placer(self._free_when_gone(placer, ()), placer.insists)
                if going.could_place(least, sites, insists, within=mask):
                    return

    def _masks(self, waiting: Waiting, demand: Demand) -> Iterator[NDArray[np.bool_]]:
        """Where it may lie to be covered. For whom room was made that is there first, and nowhere
        where room was made for somebody else."""
        shut = np.zeros(len(self._capacity), bool)
        if self.barred is not None:
            shut |= self.barred
        if waiting.clearance is not None:
            own = self._cleared[waiting.job_id]
            yield own & ~shut
            for job_id, rows in self._cleared.items():
                if job_id != waiting.job_id:
                    shut |= rows
        for mask in self._cover.book.masks(self.pool_of(waiting), demand):
            yield mask & ~shut

    def _reclaim(
        self,
        placer: Placer,
        waiting: Waiting,
        sites: Sites,
        insists: Insists,
        gone: Sequence[Running],
    ) -> Reclaimed | None:
        """Room made by those that borrow, after these of its own team have gone in any case."""
        demand, team = _least(waiting.demand), self.pool_of(waiting)
        borrowers = self._list_borrowers() if gone or self._borrowers is None else self._borrowers
        if not gone:
            self._borrowers = borrowers
        borrowers.drop((*self._gone, *gone))
        going = self._free_when_gone(placer, gone)
        best: tuple[bool, float, int] | None = None
        masks = list(self._masks(waiting, demand))

        def find_in(mask: NDArray[np.bool_]) -> Reclaimed | None:
            found = find_cheapest(
                (placer, going),
                Seeker(replace(waiting, demand=demand), sites, insists, mask),
                borrowers,
                lambda site, grants: self._cover.grant(team, site, grants),
                self._now_ns,
            )
            if found is None:
                return None
            return replace(found, clearance=replace(found.clearance, cells=self._cover.cells_last))

        for number, mask in enumerate(masks):
            if not gone and placer.could_place(demand, sites, ON_NOTHING, within=mask):
                continue  # It has room, and waits for a nearer one.
            found = find_in(mask)
            if found is None:
                continue
            if not found.victims or (best is None and number == len(masks) - 1):
                return found
            self._cover.take_back(team)
            cost = (not found.is_gentle, found.lost_gpu_s, number)
            best = cost if best is None else min(best, cost)
        return None if best is None else find_in(masks[best[2]])

    def _list_borrowers(self) -> Borrowers:
        """Those that borrow, and may go now."""
        has_elastic = self._cover.has_elastic
        return Borrowers(
            self._cover.borrowed_on,
            self._now_ns,
            self._may_oust,
            self._rest,
            has_elastic=has_elastic,
        )

    def _free_when_gone(self, placer: Placer, gone: Sequence[Running]) -> Free:
        """What will be free once these and all that are going have gone, without what this plan
        gives away and promises of it."""
        if self._left is not None and not gone:
            return self._left
        leaving = (*self._going, *gone)
        freed = [(one.site, grant) for one in leaving for grant in one.leaves]
        going = placer.free.untouched()
        going.hold(self._kept)
        going.give_back(freed)
        going.hold(self._cover.granted)
        return going

    def _over_own(
        self, placer: Placer, waiting: Waiting, sites: Sites, insists: Insists
    ) -> Reclaimed | None:
        """The same on cells of jobs of its own team that have a lower priority: these go first, as
        few as will do, then those that borrow."""
        team = self.pool_of(waiting)
        gone: list[Running] = []
        found = None
        for one in self._outranked(waiting):
            gone.append(one)
            self._cover.go_without(team, gone)
            found = self._reclaim(placer, waiting, sites, insists, gone)
            if found is not None:
                break
        if found is None:
            if gone:
                self._cover.go_without(team, ())
            return None
        self._borrowers = None
        for one in gone[:OUTRANKED_TRIED_MAX]:
            fewer = [other for other in gone if other is not one]
            if not fewer:
                break
            self._cover.take_back(team)
            self._cover.go_without(team, fewer)
            other = self._reclaim(placer, waiting, sites, insists, fewer)
            if other is not None:
                gone, found = fewer, other
            else:
                self._cover.go_without(team, gone)
                found = self._reclaim(placer, waiting, sites, insists, gone)
                assert found is not None
        whole, gone = gone, [giving_up_for(found.proof, one) for one in gone]
        self._cover.drop(team, gone)
        kept = kept_after_all(gone, whole)
        lost = found.lost_gpu_s + sum(loss_gpu_s(one, self._now_ns) for one in gone)
        return replace(
            found,
            victims=(*gone, *found.victims),
            lost_gpu_s=lost,
            left=found.left.granted(kept) if kept else found.left,
        )

    def _may_oust(self, waiting: Waiting, one: Running) -> bool:
        """Whether one that borrows may be made to go for a job that is owed its room. Within a team
        it is priority that counts."""
        return self.pool_of(one) != self.pool_of(waiting) or one.priority < waiting.priority

    def _outranked(self, waiting: Waiting) -> list[Running]:
        """Those of its team that its cells cover and that it may oust, the cheapest first."""
        least_s = self._policy.min_runtime_s
        found = [
            one
            for one in self._cover.covered_of(self.pool_of(waiting))
            if one.priority < waiting.priority
            and one.is_preemptible
            and (self._now_ns - one.started_at_ns) / NS_PER_S >= max(one.min_runtime_s, least_s)
        ]
        return sorted(found, key=lambda one: (one.priority, loss_gpu_s(one, self._now_ns)))


def _cleared_rows(fleet: Fleet, waiting: Iterable[Waiting]) -> dict[JobId, NDArray[np.bool_]]:
    """The rows that were cleared for each job that waits for them."""
    found = {}
    for one in waiting:
        if one.clearance is not None:
            rows = np.zeros(len(fleet.nodes), bool)
            for node in one.clearance.nodes:
                row = fleet.rows.get((one.clearance.site, node))
                if row is not None:
                    rows[row] = True
            found[one.job_id] = rows
    return found


def _counted_on(waiting: Iterable[Waiting], pool_of: Callable[[Waiting], str]) -> set[JobId]:
    """Those for whom room was made on cells that were free, where others of their pool that need
    fewer cells than nodes have room made as well: the cells may be the same. So it is with tasks of
    one array, of which it is not known how many share a cell."""
    taking: dict[tuple[str, str, str], set[JobId]] = defaultdict(set)
    counting: dict[tuple[str, str, str], set[JobId]] = defaultdict(set)
    arrays: set[JobId] = set()
    for one in waiting:
        if (given := one.clearance) is not None:
            if given.cells and len(one.tasks) > 1:
                arrays.add(one.job_id)
            for node in given.nodes:
                place = (pool_of(one), given.site, node)
                if given.cells:
                    taking[place].add(one.job_id)
                if given.cells < len(given.nodes):
                    counting[place].add(one.job_id)
    found = {
        job_id for place, ids in taking.items() for job_id in ids if counting[place] - {job_id}
    }
    return found | arrays


def _least(demand: Demand) -> Demand:
    """As few nodes as it takes."""
    return demand if demand.nodes_max is None else replace(demand, nodes_max=None)
