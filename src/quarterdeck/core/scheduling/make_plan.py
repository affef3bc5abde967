"""Snapshot in, plan out: the one function that schedules, plans and explains.

The order is the policy's (`order`). A job that does not fit now lets later ones pass, but only
until it has waited `policy.patience_s`: from then on nothing passes it that could make it start
later (`backfill`), so what comes free collects for it; the policy says of how many that holds
(`shadows`). A job whose needs could not be met by the
nodes that are up, even if those were empty, does not hold the queue: waiting behind it would help
nobody. Nor does a gang that has room and waits to lie nearer (`nearness`). Where the policy may
evict, running jobs that come after one make room for it (`evictions`), and what they leave is kept
for it.

Before all others those go on that gave up some of their nodes, with what they kept (`kept`), or
that moved out of the way of others, for whom what they leave is kept. At last it is looked whether
somebody may move so that one of those fits that lack room (`moving`).

Where teams are guaranteed something, what that covers is placed first, on what is free or on what
those leave who have borrowed it (`guarantees`); then all others in the same order.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.core.scheduling.allowances import Tally
from quarterdeck.core.scheduling.bookings import Bound
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.caps import Caps, note_placed
from quarterdeck.core.scheduling.evictions import Clearing
from quarterdeck.core.scheduling.explaining import explain_gated, explain_left
from quarterdeck.core.scheduling.fragments import typical_of
from quarterdeck.core.scheduling.free import Free
from quarterdeck.core.scheduling.gates import (
    at_limit,
    behind,
    behind_shadow,
    kept_for_others,
    making_room,
    not_ready,
    with_promise,
)
from quarterdeck.core.scheduling.kept import Keeping
from quarterdeck.core.scheduling.moving import Moving
from quarterdeck.core.scheduling.nearness import (
    ends_at_ns,
    insists_at_first,
    insists_of,
    not_near,
)
from quarterdeck.core.scheduling.order import order_of
from quarterdeck.core.scheduling.owed import Owed
from quarterdeck.core.scheduling.placer import Placer
from quarterdeck.core.scheduling.plan import Placement, Plan, Verdict
from quarterdeck.core.scheduling.shadows import Shadows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.scheduling.caps import Capped
    from quarterdeck.core.scheduling.nearness import Insists
    from quarterdeck.core.scheduling.placer import Sites
    from quarterdeck.core.scheduling.reclaim import Reclaimed
    from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
    from quarterdeck.core.scheduling.standing import Keeper

    Rows = NDArray[np.bool_] | None


def make_plan(
    snapshot: Snapshot, policy: Policy, *, explains: bool = True, keeper: Keeper | None = None
) -> Plan:
    """Place what fits, in order, and say of every other job why not.

    Without `explains` the same is placed and evicted, and jobs for which there is no room hear
    nothing: most of a plan's time goes into what would help them. The plan is the same with a
    `keeper` of the plans before, and made sooner.
    """
    planning = _Planning(snapshot, policy, keeper)
    ordered = sorted(snapshot.waiting, key=order_of(snapshot, policy))
    planning.take_kept(ordered)
    planning.take_owed(ordered)
    planning.go_on()
    planning.restore_promises()
    for waiting in ordered:
        planning.take(waiting)
    planning.take_kept_back()
    planning.settle()
    planning.move()
    if explains:
        planning.explain()
    return planning.plan()


class _Planning:
    """One plan as it is made."""

    def __init__(self, snapshot: Snapshot, policy: Policy, keeper: Keeper | None) -> None:
        capacity = capacity_of(snapshot.rooms)
        free = Free(capacity, typical_of(snapshot.asked))
        self._bound = Bound(snapshot.bookings, capacity, snapshot.now_ns, policy.release_after_s)
        self._snapshot = snapshot
        self._policy = policy
        self._placer = Placer(free, insists_at_first(policy))
        self._tally = Tally(snapshot.allowances)
        self._caps = Caps(snapshot, policy.pools, capacity.fleet)
        self._clearing = Clearing(snapshot, policy)
        self._keeping = Keeping(snapshot.now_ns, self._tally, self._bound, self._caps)
        self._moving = Moving(snapshot, policy, self._tally, self._bound, self._caps)
        self._owed: Owed | None = None
        self._keeper = keeper
        self._placements: list[Placement] = []
        self._verdicts: dict[JobId, Verdict] = {}
        self._left: list[Waiting] = []
        self._gated: list[tuple[Waiting, int]] = []
        self._next_ready: list[int] = []
        self._shadows = Shadows(snapshot, policy, self._bound)
        self._kept_back: list[tuple[Waiting, Rows]] = []

    def take_kept(self, ordered: Sequence[Waiting]) -> None:
        """Who gave up some of its nodes has the others, and who moves what was told to it."""
        self._placer = self._keeping.hold(ordered, self._placer)
        self._placer = self._moving.hold(ordered, self._placer)
        if self._policy.guarantees:
            snapshot, held = self._keeping.joined(self._snapshot), self._keeping.held
            self._owed = Owed(snapshot, self._policy, self._placer.free, held, self._keeper)

    def go_on(self) -> None:
        """They go on there, as far as nobody was owed more of it."""
        self._placements += [*self._keeping.placements(), *self._moving.placements]
        self._verdicts |= self._moving.verdicts

    def take(self, waiting: Waiting) -> None:
        """The next job in the order."""
        if waiting.job_id in self._keeping or waiting.job_id in self._moving:
            return
        now_ns, tally, verdicts = self._snapshot.now_ns, self._tally, self._verdicts
        owed = self._owed.count(waiting) if self._owed is not None else 0
        capped = self._caps.find(waiting)
        waiting = waiting if capped is None else capped.waiting
        ready = self._ready_of(waiting, owed)
        own = self._bound.own(waiting)
        shadows = self._shadows
        shadows.take(waiting, is_ready=bool(ready) and (capped is None or not capped.is_shut))
        if shadows.ahead is not None and shadows.is_shut and ready and own is None:
            verdicts[waiting.job_id] = behind(waiting, shadows.ahead)
            return
        sites = tally.sites(waiting.team, waiting.owner)
        insists = insists_of(waiting, now_ns, self._policy)
        within = self._owed.rows_for(waiting) if self._owed is not None else None
        placed = self._place_own(waiting, ready, sites, insists, capped)
        self._placer.bar(self._bound.bars(waiting))
        if not shadows.is_shut:
            left = ready[len(placed) :]
            others = self._place_beside(waiting, left, (sites, insists), within, capped)
            if self._owed is not None and within is not None:
                self._owed.note_stayers(others)
            placed += others
        self._note_placed(waiting, placed)
        if len(placed) < len(ready) and capped is not None and capped.is_shut:
            verdicts[waiting.job_id] = capped.verdict()
        elif len(placed) < len(ready) and self._is_behind(waiting, sites, within):
            self._keep_back(waiting, sites, insists, within)
        elif len(placed) < len(ready):
            if within is not None and self._placer.could_place(waiting.demand, sites):
                verdicts[waiting.job_id] = kept_for_others(waiting)
                return
            self._keep_waiting(waiting, sites, insists)
        elif len(placed) + owed < len(waiting.tasks) and waiting.job_id not in verdicts:
            verdicts[waiting.job_id] = not_ready(waiting, len(placed) + owed, now_ns)
        if shadows.ahead is None and len(placed) == len(ready) < len(waiting.tasks) - owed:
            self._gated.append((waiting, len(placed) + owed))

    def _ready_of(self, waiting: Waiting, owed: int) -> Sequence[int | None]:
        """What of it may start, without so many that are owed their place: as far as limits go."""
        now_ns = self._snapshot.now_ns
        ready = waiting.ready(now_ns)[owed:]
        narrowest = self._tally.narrowest(waiting.team, waiting.owner, waiting.demand)
        if narrowest is not None and len(ready) > narrowest[0]:
            self._verdicts[waiting.job_id] = at_limit(waiting, narrowest)
            spent = narrowest[2].spent
            if spent is not None and spent.until_ns is not None:
                self._next_ready.append(spent.until_ns)
            ready = ready[: max(0, narrowest[0])]
        if waiting.waits and (at_ns := waiting.next_ready_ns(now_ns)) is not None:
            self._next_ready.append(at_ns)
        return ready

    def take_owed(self, ordered: Sequence[Waiting]) -> None:
        """All of these, as far as the guarantees of their teams cover them."""
        if self._owed is None:
            return
        for waiting in self._owed.order(ordered):
            if waiting.job_id not in self._keeping and self._owed.is_open_to(waiting):
                self._take_owed(waiting, self._owed)

    def _take_owed(self, waiting: Waiting, owed: Owed) -> None:
        now_ns, tally = self._snapshot.now_ns, self._tally
        capped = self._caps.find(waiting)
        waiting = waiting if capped is None else capped.waiting
        ready = waiting.ready(now_ns)
        narrowest = tally.narrowest(waiting.team, waiting.owner, waiting.demand)
        if narrowest is not None:
            ready = ready[: max(0, narrowest[0])]
        sites = tally.sites(waiting.team, waiting.owner)
        insists = insists_of(waiting, now_ns, self._policy)
        booked = self._place_own(waiting, ready, sites, insists, capped)
        self._placements += booked
        tally.start(waiting.team, waiting.owner, len(booked))
        owed.note_booked(waiting, len(booked))
        bars = self._bound.bars(waiting)
        self._placer.bar(bars)
        for task in ready[len(booked) :]:
            owed.bar(None if bars is None else bars.rows, capped)
            placement = owed.place(self._placer, waiting, task, sites, insists)
            if placement is not None:
                self._placements.append(placement)
                note_placed(capped, placement)
            else:
                found = owed.make_room(self._placer, waiting, sites, insists)
                if found is None:
                    break
                self._follow(waiting, task, found, (sites, insists))
                if capped is not None:
                    capped.take(found.clearance.site, found.clearance.nodes)
            tally.start(waiting.team, waiting.owner, 1)

    def _follow(
        self, waiting: Waiting, task: int | None, found: Reclaimed, where: tuple[Sites, Insists]
    ) -> None:
        """Others make room for a job that is owed it; what is only kept for them it has at once."""
        found, placement = self._keeping.give(found, self._placer)
        self._placer = found.placer
        if placement is not None:
            self._placements.append(replace(placement, task=task, is_owed=True))
            return
        self._clearing.note_reclaimed(waiting, *where, found)
        verdict = making_room(waiting, found.victims, found.lost_gpu_s)
        self._verdicts.setdefault(waiting.job_id, verdict)

    def _place_own(
        self,
        waiting: Waiting,
        ready: Sequence[int | None],
        sites: Sites,
        insists: Insists,
        capped: Capped | None,
    ) -> list[Placement]:
        """What of it fits on what is booked for it, where nobody is before it."""
        own = self._bound.own(waiting)
        if own is None:
            return []
        self._placer.bar(own)
        return self._placer.place_tasks(waiting, ready, (sites, insists), None, capped)

    def _keep_waiting(self, waiting: Waiting, sites: Sites, insists: Insists) -> None:
        """Something of it is ready, and was not placed: it waits to lie nearer, others make room
        for it, or it just waits."""
        too_far = self._placer.find_too_far(waiting.demand, sites, insists)
        if too_far is not None:
            until_ns = ends_at_ns(waiting, too_far.level, self._policy)
            verdict = not_near(waiting, too_far, until_ns, self._snapshot.now_ns)
            self._verdicts[waiting.job_id] = verdict
            self._next_ready.append(until_ns)
            return
        cleared = self._clearing.make_room(self._placer, waiting, sites, insists)
        if cleared is not None:
            self._placer = cleared.placer
            self._tally.start(waiting.team, waiting.owner, 1)
            self._verdicts[waiting.job_id] = making_room(waiting, cleared.victims)
            return
        self._left.append(waiting)
        self._protect(waiting, sites, insists)

    def _protect(self, waiting: Waiting, sites: Sites, insists: Insists) -> None:
        """Nothing makes it later from now on, if it has waited for so long, and could be placed."""
        if self._shadows.may_protect(waiting):
            self._shadows.protect(self._placer, waiting, (sites, insists))

    def _place_beside(
        self,
        waiting: Waiting,
        ready: Sequence[int | None],
        where: tuple[Sites, Insists],
        within: Rows,
        capped: Capped | None,
    ) -> list[Placement]:
        """Where nobody starts later by it who is not to."""
        shadows, placer = self._shadows, self._placer
        rows = shadows.rows_for(waiting, within)
        placed = placer.place_tasks(waiting, ready, where, rows, capped)
        if len(placed) < len(ready) and rows is not within and shadows.give_way(waiting):
            rows, left = shadows.rows_for(waiting, within), ready[len(placed) :]
            placed += placer.place_tasks(waiting, left, where, rows, capped)
        return placed

    def _is_behind(self, waiting: Waiting, sites: Sites, within: Rows) -> bool:
        """Whether others keep it back: who is before it, or who was promised a start."""
        if self._shadows.ahead is not None:
            return True
        if self._shadows.rows_for(waiting, within) is within:
            return False
        return self._placer.could_place(waiting.demand, sites, within=within)

    def _keep_back(self, waiting: Waiting, sites: Sites, insists: Insists, within: Rows) -> None:
        self._protect(waiting, sites, insists)
        self._verdicts[waiting.job_id] = self._behind(waiting, sites, within)
        if waiting.array is None and self._shadows.find_start_ns(waiting) is not None:
            self._kept_back.append((waiting, within))

    def _behind(self, waiting: Waiting, sites: Sites, within: Rows) -> Verdict:
        shadows, ahead = self._shadows, self._shadows.ahead
        shadow, has_room = shadows.in_the_way(waiting, self._placer, sites, within)
        if shadow is None:
            assert ahead is not None
            return behind(waiting, ahead)
        now_ns, starts_ns = self._snapshot.now_ns, shadows.find_start_ns(waiting)
        is_before = shadows.is_before(shadow)
        told = behind_shadow(waiting, shadow, now_ns, would_start=has_room, is_before=is_before)
        return told if starts_ns is None else with_promise(told, starts_ns, now_ns)

    def restore_promises(self) -> None:
        """What was promised before is kept, as far as it can be."""
        self._shadows.restore(self._placer, self._moving)

    def _note_placed(self, waiting: Waiting, placed: Sequence[Placement]) -> None:
        self._placements += placed
        self._shadows.note(self._placer, waiting, placed)
        self._tally.start(waiting.team, waiting.owner, len(placed))
        self._clearing.note_started(waiting, len(placed))

    def take_kept_back(self) -> None:
        """Who was kept back by one that has started meanwhile, and was promised a start beside it,
        may start, too: nothing else may happen that would let it start in time."""
        tally = self._tally
        while self._shadows.has_started:
            self._shadows.has_started = False
            kept_back, self._kept_back = self._kept_back, []
            for waiting, within in kept_back:
                narrowest = tally.narrowest(waiting.team, waiting.owner, waiting.demand)
                sites = tally.sites(waiting.team, waiting.owner)
                insists = insists_of(waiting, self._snapshot.now_ns, self._policy)
                self._placer.bar(self._bound.bars(waiting))
                left = (None,) * (1 if narrowest is None else min(1, max(0, narrowest[0])))
                capped = self._caps.find(waiting)
                placed = self._place_beside(waiting, left, (sites, insists), within, capped)
                if not placed:
                    self._kept_back.append((waiting, within))
                    continue
                self._note_placed(waiting, placed)
                del self._verdicts[waiting.job_id]

    def settle(self) -> None:
        """Nobody is stopped for a job that the next plan would not start."""
        if self._clearing.is_empty:
            return
        before = Placer(self._placer.free.untouched(), self._placer.insists)
        for waiting in self._clearing.settle(before, self._placements):
            del self._verdicts[waiting.job_id]
            self._left.append(waiting)

    def move(self) -> None:
        """Others may move for one that lacks room, so that nobody starts later by it."""
        moved = self._moving.make_room(self._left, self._placer, self._shadows.rows_of_nobody_else)
        if moved is not None:
            self._placer = moved.placer
            self._left.remove(moved.waiting)
            self._verdicts[moved.waiting.job_id] = moved.verdict

    def explain(self) -> None:
        """What would help those that wait."""
        now_ns, placer, tally = self._snapshot.now_ns, self._placer, self._tally
        bound = self._bound
        self._verdicts |= explain_gated(self._gated, self._verdicts, placer, tally, now_ns, bound)
        begun = {one.job_id for one in self._placements}
        self._verdicts |= explain_left(self._left, begun, placer, self._snapshot, tally, bound)

    def plan(self) -> Plan:
        """All of it."""
        turns = self._clearing.turns_ns() if self._left else []
        if self._owed is not None and (at_ns := self._owed.next_turn_ns()) is not None:
            turns.append(at_ns)
        if self._bound.next_ns is not None:
            turns.append(self._bound.next_ns)
        return Plan(
            self._snapshot.as_of,
            tuple(self._placements),
            self._verdicts,
            min([*self._next_ready, *self._moving.turns_ns, *turns], default=None),
            (*self._clearing.evictions, *self._moving.evictions),
            self._clearing.clearances | self._moving.clearances,
            self._shadows.head,
            self._shadows.promised,
        )
