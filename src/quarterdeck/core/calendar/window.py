"""The times of all bookings in the coming days, reckoned once for many plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.occurrences import binding

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.core.calendar.booking import Booking
    from quarterdeck.core.calendar.occurrences import Occurrence

DAY_NS: Final = 86_400 * NS_PER_S
DAYS_AHEAD: Final = 35
"""So far ahead a plan looks, to the end of a day in UTC: a job without a time limit starts on nodes
that are booked later than that."""


class Window:
    """See the module. The same object is answered for as long as nothing of it has changed, so that
    what is kept for every plan need be kept once."""

    def __init__(self, bookings: Iterable[Booking]) -> None:
        self._bookings = tuple(bookings)
        self._times: tuple[Occurrence, ...] = ()
        self._from_ns = self._until_ns = 0

    def times(self, now_ns: int) -> tuple[Occurrence, ...]:
        """Those that bind now or will within the days ahead."""
        if not self._from_ns <= now_ns < self._until_ns:
            end_ns = (now_ns // DAY_NS + DAYS_AHEAD + 1) * DAY_NS
            times = binding(self._bookings, now_ns, end_ns)
            if times != self._times:
                self._times = times
            turns = [time.end_ns for time in times if time.end_ns > now_ns]
            self._from_ns = now_ns
            self._until_ns = min([(now_ns // DAY_NS + 1) * DAY_NS, *turns])
        return self._times

    def next_ns(self, now_ns: int) -> int | None:
        """When one of them begins or ends next."""
        turns = (at_ns for time in self.times(now_ns) for at_ns in (time.start_ns, time.end_ns))
        return min((at_ns for at_ns in turns if at_ns > now_ns), default=None)
