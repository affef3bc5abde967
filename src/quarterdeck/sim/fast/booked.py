"""The calendar of a fast run: what binds now, whose time is used, and which nodes are drained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Kind
from quarterdeck.core.calendar.window import DAYS_AHEAD
from quarterdeck.core.scheduling.booked import Bookings, Held
from quarterdeck.core.scheduling.bookings import find_unmarked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.sim.fast.agendas import Agenda
    from quarterdeck.sim.fast.attempts import JobRun

NEVER_S: Final = float("inf")
DAY_S: Final = 86_400


class Booked:
    """See the module."""

    def __init__(self, agenda: Agenda, release_after_s: float) -> None:
        self._agenda = agenda
        self._release_after_s = release_after_s
        self._idle_since_s: float | None = None

    def bind(self, now_s: float, site: str, running: Iterable[JobRun]) -> Bookings:
        """What of it a plan depends on now."""
        now_ns = round(now_s * NS_PER_S)
        times = self._agenda.times(now_ns)
        if not times:
            return Bookings()
        held = (one for job in running for one in _held(job, site))
        return Bookings(times, tuple(held))

    def note_started(self, site: str, one: JobRun) -> None:
        """A job has started: perhaps somebody uses what is booked for them."""
        now_ns = round(one.began_s * NS_PER_S)
        times = self._agenda.times(now_ns)
        for time in find_unmarked(times, _held(one, site), now_ns, self._release_after_s):
            self._agenda.note_used(time)

    def drained(self, now_s: float) -> Iterator[str]:
        """The nodes that are in maintenance now."""
        now_ns = round(now_s * NS_PER_S)
        for time in self._maintenances(now_ns):
            if time.start_ns <= now_ns < time.end_ns:
                yield from time.nodes

    def drains_next_s(self, now_s: float) -> float:
        """When a maintenance begins next."""
        if now_s == -NEVER_S:
            return NEVER_S
        now_ns = round(now_s * NS_PER_S)
        starts = (time.start_ns for time in self._maintenances(now_ns) if time.start_ns > now_ns)
        return min(starts, default=NEVER_S * NS_PER_S) / NS_PER_S

    def changes_next_s(self, now_s: float) -> float:
        """When other bookings bind than was known before."""
        return self._agenda.changes_next_s(now_s)

    def is_in_vain(self, now_s: float, *, is_idle: bool) -> bool:
        """Whether only the calendar has turned for so long that who waits will not start: what
        comes back every week would turn it for ever."""
        if not is_idle or self._agenda.is_empty:
            self._idle_since_s = None
            return False
        if self._idle_since_s is None:
            self._idle_since_s = now_s
        return now_s > max(self._idle_since_s, self._agenda.last_s) + 2 * DAYS_AHEAD * DAY_S

    def _maintenances(self, now_ns: int) -> list[Occurrence]:
        times = self._agenda.times(now_ns)
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
