"""How the calendar binds a plan: on which nodes a job may not start, because somebody booked them.

A job that a booking is not for does not start on a node of it if it could still run when the
booking begins: a job without a time limit always could. So long jobs are not started into a
booking, and short ones are. While it goes on only those start there whom it is for; for these it is
as if nobody were before them in the queue. A reservation that its owner has not used some time
after it began is given back until its next time.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Kind
from quarterdeck.core.scheduling.allotment import NEVER_NS, Allotted, Readiness, allot
from quarterdeck.core.scheduling.latency import START_S
from quarterdeck.core.scheduling.others import loans_of, reservations_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.core.scheduling.booked import Bookings, Held
    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.core.scheduling.snapshot import Waiting


class Bars(NamedTuple):
    """Rows that a job may not use, as a mask over the fleet, and the bookings that say so. Jobs
    that have the same have the same object."""

    rows: NDArray[np.bool_]
    claims: tuple[Allotted, ...]


def is_given_back(time: Occurrence, now_ns: int, release_after_s: float) -> bool:
    """Whether it is over before its end, as nobody has used it. What is rented stays rented."""
    after_ns = time.start_ns + int(release_after_s * NS_PER_S)
    return time.kind is Kind.RESERVATION and not time.is_used and now_ns >= after_ns


def find_unmarked(
    times: Iterable[Occurrence], held: Iterable[Held], now_ns: int, release_after_s: float
) -> list[Occurrence]:
    """The reservations that go on and of which it is not known yet that their owner uses them:
    somebody whom it is for has started something since it began; where nodes are named, on one of
    these. What was given back stays so until its next time."""
    using = tuple(held)
    return [
        time
        for time in times
        if time.kind is Kind.RESERVATION
        and not time.is_used
        and time.start_ns <= now_ns < time.end_ns
        and not is_given_back(time, now_ns, release_after_s)
        and any(_is_use(time, one) and (not time.nodes or one.node in time.nodes) for one in using)
    ]


class Bound:
    """The bookings of one plan, on its nodes."""

    def __init__(
        self, bookings: Bookings, capacity: Capacity, now_ns: int, release_after_s: float
    ) -> None:
        """With what the site has reserved for others by itself."""
        self._capacity = capacity
        self.now_ns = now_ns
        self._held = bookings.held
        self._release_after_s = release_after_s
        self._times = [
            time
            for time in _in_order(bookings.times, reservations_of(capacity))
            if time.end_ns > now_ns and not is_given_back(time, now_ns, release_after_s)
        ]
        self._bars: dict[tuple[int, ...], Bars] = {}
        self._ready: dict[object, Readiness] = {}
        self._only: dict[tuple[int, ...], Bars | None] = {}

    @cached_property
    def claims(self) -> list[Allotted]:
        """The nodes of each booking, in the order of their times."""
        capacity = self._capacity
        return allot(self._times, capacity.fleet, capacity.is_open, self._readiness)

    def bars(
        self, waiting: Waiting, limit_s: float | None = None, at_ns: int | None = None
    ) -> Bars | None:
        """What the job may not use if it starts now, or then, with its own time limit or another
        one; None if nothing."""
        if not self._times:
            return None
        at_ns = self.now_ns if at_ns is None else at_ns
        runs_s = waiting.runs_s if limit_s is None else limit_s + waiting.grace_s
        over_ns = None if runs_s is None else at_ns + int((runs_s + START_S) * NS_PER_S)
        key = tuple(
            index
            for index, time in enumerate(self._times)
            if time.meets(at_ns, over_ns) and not time.is_for(waiting.team, waiting.owner)
        )
        return self._bars_of(key) if key else None

    def lasts_ns(self, waiting: Waiting, runs_ns: int) -> list[int]:
        """The last starts with which a job that runs for so long is over before each of these that
        is not for it, in order."""
        return sorted(
            {
                time.start_ns - runs_ns
                for time in self._times
                if time.start_ns - runs_ns > self.now_ns
                and not time.is_for(waiting.team, waiting.owner)
            }
        )

    @property
    def ends_ns(self) -> list[int]:
        """When something of it is over, as far as that is known."""
        return [time.end_ns for time in self._times if time.end_ns < NEVER_NS]

    def own(self, waiting: Waiting) -> Bars | None:
        """Everything but what is booked for the job now; None where nothing is."""
        key = tuple(
            index
            for index, time in enumerate(self._times)
            if time.start_ns <= self.now_ns and time.is_for(waiting.team, waiting.owner)
        )
        if not key:
            return None
        if key not in self._only:
            rows = np.ones(len(self._capacity), bool)
            for index in key:
                rows[self.claims[index].rows] = False
            # What somebody else has booked as well is not to be had either.
            bars = self.bars(waiting)
            rows = rows if bars is None else rows | bars.rows
            self._only[key] = Bars(rows, ()) if not rows.all() else None
        return self._only[key]

    def names_of(self, claim: Allotted) -> list[str]:
        """The nodes of one of the claims."""
        return [self._capacity.fleet.nodes[row].name for row in claim.rows.tolist()]

    @property
    def next_ns(self) -> int | None:
        """When something of it begins, ends or may be given back next."""
        after_ns = int(self._release_after_s * NS_PER_S)
        turns = [
            at_ns
            for time in self._times
            for at_ns in (time.start_ns, time.end_ns, time.start_ns + after_ns)
            if self.now_ns < at_ns < NEVER_NS
        ]
        return min(turns, default=None)

    def _bars_of(self, key: tuple[int, ...]) -> Bars:
        known = self._bars.get(key)
        if known is None:
            claims = tuple(self.claims[index] for index in key)
            rows = np.zeros(len(self._capacity), bool)
            for claim in claims:
                rows[claim.rows] = True
            known = self._bars[key] = Bars(rows, claims)
        return known

    def _readiness(self, time: Occurrence) -> Readiness:
        """The same for all reservations that are still to come, as nobody uses them yet, and for
        all times of those who rent."""
        key: object = "to come" if time.start_ns > self.now_ns else id(time)
        if time.kind is Kind.LEASE:
            key = (time.team, time.people)
        if key not in self._ready:
            self._ready[key] = self._reckon(time)
        return self._ready[key]

    def _reckon(self, time: Occurrence) -> Readiness:
        count = len(self._capacity)
        free_at_ns, is_own = np.zeros(count, np.int64), np.zeros(count, bool)
        for one in self._held:
            row = self._capacity.fleet.rows.get((one.site, one.node))
            if row is None:
                continue
            if _is_use(time, one):
                is_own[row] = True
            else:
                # What is overdue is still there.
                ends_at_ns = max(one.ends_at_ns or NEVER_NS, self.now_ns + 1)
                free_at_ns[row] = max(free_at_ns[row], ends_at_ns)
        for loan in loans_of(self._capacity):
            ends_at_ns = max(loan.ends_at_ns or NEVER_NS, self.now_ns + 1)
            free_at_ns[loan.row] = max(free_at_ns[loan.row], ends_at_ns)
        return Readiness(free_at_ns, is_own)


def _in_order(times: tuple[Occurrence, ...], reserved: list[Occurrence]) -> Iterable[Occurrence]:
    return sorted((*times, *reserved), key=lambda time: time.start_ns) if reserved else times


def _is_use(time: Occurrence, one: Held) -> bool:
    """Whether what is held is held as part of the booking: of a reservation what was started since
    it began, of what is rented everything."""
    is_since = time.kind is Kind.LEASE or one.since_ns >= time.start_ns
    return is_since and time.is_for(one.team, one.owner)
