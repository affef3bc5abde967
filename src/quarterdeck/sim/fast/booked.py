"""The calendar of a fast run: what binds now, whose time is used, and which nodes are drained."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Kind, Repeat
from quarterdeck.core.calendar.window import DAYS_AHEAD, Window
from quarterdeck.core.calendar.zones import instant_of, zone_of
from quarterdeck.core.scheduling.booked import Bookings, Held
from quarterdeck.core.scheduling.bookings import find_unmarked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from quarterdeck.core.calendar.booking import Booking
    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.sim.fast.attempts import JobRun

NEVER_S: Final = float("inf")
DAY_S: Final = 86_400


class Booked:
    """See the module. Seconds of the run count from the epoch."""

    def __init__(self, bookings: Sequence[Booking], release_after_s: float) -> None:
        self._release_after_s = release_after_s
        self._bookings = {one.id: one for one in bookings}
        self._window = Window(bookings)
        self._idle_since_s: float | None = None
        once = [one.when for one in bookings if one.when.repeat is Repeat.NONE]
        ends = (instant_of(when.end, zone_of(when.zone)) for when in once)
        self._last_s = max(ends, default=0) / NS_PER_S

    def bind(self, now_s: float, site: str, running: Iterable[JobRun]) -> Bookings:
        """What of it a plan depends on now."""
        now_ns = round(now_s * NS_PER_S)
        if not self._bookings or not self._window.times(now_ns):
            return Bookings()
        held = (one for job in running for one in _held(job, site))
        return Bookings(self._window.times(now_ns), tuple(held))

    def note_started(self, site: str, one: JobRun) -> None:
        """A job has started: perhaps somebody uses what is booked for them."""
        now_ns = round(one.began_s * NS_PER_S)
        times = self._window.times(now_ns) if self._bookings else ()
        for time in find_unmarked(times, _held(one, site), now_ns, self._release_after_s):
            used = replace(self._bookings[time.booking_id], used_ns=time.start_ns)
            self._bookings[used.id] = used
            self._window = Window(self._bookings.values())

    def drained(self, now_s: float) -> Iterator[str]:
        """The nodes that are in maintenance now."""
        now_ns = round(now_s * NS_PER_S)
        for time in self._maintenances(now_ns):
            if time.start_ns <= now_ns < time.end_ns:
                yield from time.nodes

    def drains_next_s(self, now_s: float) -> float:
        """When a maintenance begins next."""
        if not self._bookings or now_s == -NEVER_S:
            return NEVER_S
        now_ns = round(now_s * NS_PER_S)
        starts = (time.start_ns for time in self._maintenances(now_ns) if time.start_ns > now_ns)
        return min(starts, default=NEVER_S * NS_PER_S) / NS_PER_S

    def is_in_vain(self, now_s: float, *, is_idle: bool) -> bool:
        """Whether only the calendar has turned for so long that who waits will not start: what
        comes back every week would turn it for ever."""
        if not is_idle or not self._bookings:
            self._idle_since_s = None
            return False
        if self._idle_since_s is None:
            self._idle_since_s = now_s
        return now_s > max(self._idle_since_s, self._last_s) + 2 * DAYS_AHEAD * DAY_S

    def _maintenances(self, now_ns: int) -> list[Occurrence]:
        times = self._window.times(now_ns) if self._bookings else ()
        return [time for time in times if time.kind is Kind.MAINTENANCE]


def _held(one: JobRun, site: str) -> list[Held]:
    job = one.job
    ends_s = None if job.limit_s is None else one.began_s + job.limit_s
    return [
        Held(
            site,
            grant.node,
            job.team,
            job.user,
            round(one.began_s * NS_PER_S),
            None if ends_s is None else round(ends_s * NS_PER_S),
        )
        for grant in one.grants
    ]
