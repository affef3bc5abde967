"""Whom nothing that is started may make later in one plan, and what they were promised before.

Under EASY that is the first job in the order that has waited for the policy's patience. Under
conservative backfill it is each of the first `PROTECTED_MAX` of them (Mu'alem and Feitelson,
"Utilization, Predictability, Workloads, and User Runtime Estimates in Scheduling the IBM SP2 with
Backfilling", TPDS 2001). What the plan before promised stays in place while each is looked at in
the order, whether it could start sooner beside all others; reckoned anew, one that moves forward
into the gap of another would make that one later. So a promise moves later only if what it relied
on has changed: nodes went, a run outlasted its time limit, a job of a higher priority came.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.allotment import NEVER_NS
from quarterdeck.core.scheduling.backfill import (
    Future,
    find_shadow,
    over_ns,
    shadow_of,
)
from quarterdeck.core.scheduling.endings import Ending, Endings, endings_of
from quarterdeck.core.scheduling.promised import Promised
from quarterdeck.core.scheduling.snapshot import Backfill
from quarterdeck.core.scheduling.survey import could_start

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence

    from numpy.typing import NDArray

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.scheduling.backfill import Shadow
    from quarterdeck.core.scheduling.bookings import Bound
    from quarterdeck.core.scheduling.nearness import Insists
    from quarterdeck.core.scheduling.placer import Placer, Sites
    from quarterdeck.core.scheduling.plan import Placement
    from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting

    Rows = NDArray[np.bool_] | None

PROTECTED_MAX: Final = 16
"""So many jobs keep their promised starts at most."""


class Shadows:
    """See the module."""

    def __init__(self, snapshot: Snapshot, policy: Policy, bound: Bound) -> None:
        self._is_conservative = policy.backfill is Backfill.CONSERVATIVE
        self._patience_s = policy.patience_s
        self._snapshot = snapshot
        self._bound = bound
        self._known_endings: Endings | None = None
        self._known: dict[JobId, Shadow] = {}
        self._seen: set[JobId] = set()
        self.has_started = False
        """Whether one that was promised its start has started; whoever looks says that it has."""
        self.ahead: Waiting | None = None
        """The first in the order that nothing may make later."""

    @property
    def is_shut(self) -> bool:
        """Whether nothing passes the first any more, since time limits do not tell its start."""
        return self.ahead is not None and self.ahead.job_id not in self._known

    @property
    def head(self) -> tuple[JobId, int] | None:
        """The first, and when it starts at the latest."""
        shadow = None if self.ahead is None else self._known.get(self.ahead.job_id)
        return None if shadow is None else (shadow.waiting.job_id, shadow.start_ns)

    @property
    def promised(self) -> tuple[Promised, ...]:
        """What the next plan has to keep."""
        if not self._is_conservative:
            return ()
        return tuple(
            Promised(one.waiting.job_id, one.start_ns, one.site, _nodes_of(one))
            for one in self._in_order()
        )

    def restore(self, placer: Placer, settled: Container[JobId] = ()) -> None:
        """Put in place what was promised before, as far as it can still be kept, to jobs of which
        something is ready and that are not settled otherwise."""
        promised = self._snapshot.promised if self._is_conservative else ()
        if not promised:
            return
        now_ns = self._snapshot.now_ns
        ready = (one for one in self._snapshot.waiting if one.ready(now_ns))
        waiting = {one.job_id: one for one in ready if one.job_id not in settled}
        kept = [(waiting[one.job_id], one) for one in promised if one.job_id in waiting]
        placer.bar(None)
        self._put(placer, kept)

    def take(self, waiting: Waiting, *, is_ready: bool) -> None:
        """It is this job's turn. One that is kept back by something else is promised nothing."""
        self._seen.add(waiting.job_id)
        if not is_ready:
            self._known.pop(waiting.job_id, None)

    def rows_for(self, waiting: Waiting, within: Rows) -> Rows:
        """Where it may lie of these rows so that nobody starts later."""
        blocking = self._blocking(waiting)
        if not blocking:
            return within
        rows = self._beside(waiting, blocking)
        return rows if within is None else within & rows

    def rows_of_nobody_else(self, job_id: JobId, within: Rows) -> Rows:
        """Where of these rows nobody is to start who may not become later, but this job."""
        rows = within
        for key, one in self._known.items():
            if key != job_id:
                rows = ~one.rows if rows is None else rows & ~one.rows
        return rows

    def give_way(self, waiting: Waiting) -> bool:
        """Jobs of a lower priority that come after it keep nothing back from it; says whether there
        were any."""
        after = [
            job_id
            for job_id, one in self._known.items()
            if job_id not in self._seen and one.waiting.priority < waiting.priority
        ]
        for job_id in after:
            del self._known[job_id]
        return bool(after)

    def note(self, placer: Placer, waiting: Waiting, placements: Sequence[Placement]) -> None:
        """These of a job start."""
        if not self._is_conservative or not placements:
            return
        at_ns = over_ns(waiting, self._snapshot.now_ns)
        if at_ns is not None:
            for one in placements:
                self._endings(placer).add(Ending(at_ns, one.site, one.grants))
        if self._known.pop(waiting.job_id, None) is not None:
            self.has_started = True
            # It may have got other GPUs of its nodes than it was thought to.
            kept = [(one.waiting, promised) for one, promised in self._list_kept()]
            self._known.clear()
            self._put(placer, kept)

    def protect(self, placer: Placer, waiting: Waiting, where: tuple[Sites, Insists]) -> None:
        """From now on nothing may make it later, if time limits tell when it starts; but for one
        that the nodes that are up would not do for, if nothing of ours ran on them, as it would
        keep others waiting for nothing."""
        if not self._could_start(placer, waiting, where[0], self._snapshot.now_ns):
            return
        known = self._known.get(waiting.job_id)
        others = [one for one in self._in_order() if one is not known]
        future = Future(placer, self._endings(placer), others, self._bound)
        until_ns = None if known is None else known.start_ns
        found = find_shadow(future, waiting, where, until_ns) or known
        if found is None and not self._could_start(placer, waiting, where[0], NEVER_NS - 1):
            return
        if self.ahead is None:
            self.ahead = waiting
        if found is not None:
            self._known[waiting.job_id] = found

    def may_protect(self, waiting: Waiting) -> bool:
        """Whether it has waited for so long, and one more may be kept from becoming later, or this
        one is."""
        waited_s = (self._snapshot.now_ns - waiting.submitted_at_ns) / NS_PER_S
        if waited_s < self._patience_s:
            return False
        if self.ahead is None:
            return True
        is_known = waiting.job_id in self._known
        return self._is_conservative and (is_known or len(self._known) < PROTECTED_MAX)

    def find_start_ns(self, waiting: Waiting) -> int | None:
        """When it starts at the latest itself, if it is promised that."""
        known = self._known.get(waiting.job_id) if self._is_conservative else None
        return None if known is None else known.start_ns

    def in_the_way(
        self, waiting: Waiting, placer: Placer, sites: Sites, within: Rows
    ) -> tuple[Shadow | None, bool]:
        """Who would start later by it, and whether it would start now if it were over before that:
        of several, the last before whose start it has to be over."""
        blocking = sorted(self._blocking(waiting), key=lambda one: -one.start_ns)
        if blocking and placer.could_place(waiting.demand, sites, within=within):
            low, high = -1, len(blocking) - 1
            while high - low > 1:
                middle = (low + high) // 2
                rows = self._beside(waiting, blocking[middle + 1 :])
                rows = rows if within is None else within & rows
                if placer.could_place(waiting.demand, sites, within=rows):
                    high = middle
                else:
                    low = middle
            return blocking[high], True
        if self.ahead is not None:
            return self._known.get(self.ahead.job_id), False
        return (blocking[-1] if blocking else None), False

    def is_before(self, shadow: Shadow) -> bool:
        """Whether that job has had its turn already."""
        return shadow.waiting.job_id in self._seen

    def _could_start(self, placer: Placer, waiting: Waiting, sites: Sites, at_ns: int) -> bool:
        """Whether what is up and not booked then would do."""
        barred = placer.free.barred
        bars = self._bound.bars(waiting, at_ns=at_ns)
        placer.free.barred = None if bars is None else bars.rows
        known = placer.sites_for(waiting.demand, sites)
        could = could_start(placer.free, waiting.demand, known)
        placer.free.barred = barred
        return could

    def _blocking(self, waiting: Waiting) -> list[Shadow]:
        """Before whose start it would not be over."""
        now_ns = self._snapshot.now_ns
        return [
            one
            for job_id, one in self._known.items()
            if job_id != waiting.job_id and not one.lets_pass(waiting, now_ns)
        ]

    def _beside(self, waiting: Waiting, blocking: Iterable[Shadow]) -> NDArray[np.bool_]:
        """The rows of none of these; its own are its own where they were reckoned with it."""
        own = self._known.get(waiting.job_id)
        rows = np.ones(len(self._snapshot.rooms), bool)
        for one in blocking:
            if own is not None and own.start_ns <= one.start_ns:
                rows &= ~one.rows | own.rows
            else:
                rows &= ~one.rows
        return rows

    def _endings(self, placer: Placer) -> Endings:
        if self._known_endings is None:
            given, now_ns = endings_of(self._snapshot.running), self._snapshot.now_ns
            self._known_endings = Endings(placer.free.capacity, given, now_ns)
        return self._known_endings

    def _in_order(self) -> list[Shadow]:
        return sorted(self._known.values(), key=lambda one: (one.start_ns, one.waiting.job_id))

    def _list_kept(self) -> list[tuple[Shadow, Promised]]:
        return list(zip(self._in_order(), self.promised, strict=True))

    def _put(self, placer: Placer, kept: Iterable[tuple[Waiting, Promised]]) -> None:
        """Each in its place, the first to start first, and who has none there any more nowhere."""
        now_ns = self._snapshot.now_ns
        fleet = placer.free.fleet
        for waiting, one in sorted(kept, key=lambda pair: (pair[1].start_ns, pair[1].job_id)):
            start_ns = max(one.start_ns, now_ns + 1)
            others = list(self._known.values())
            future = Future(placer, self._endings(placer), others, self._bound)
            then, beside = future.at(start_ns, waiting)
            own = np.zeros(len(beside), bool)
            own[[fleet.rows[one.site, n] for n in one.nodes if (one.site, n) in fleet.rows]] = True
            sites = frozenset([one.site])
            made = then.place(waiting.job_id, waiting.demand, sites, within=own & beside)
            if made is not None:
                self._known[waiting.job_id] = shadow_of(waiting, start_ns, made, then)


def _nodes_of(shadow: Shadow) -> tuple[str, ...]:
    return tuple(sorted({grant.node for grant in shadow.grants}))
