"""Where a fast run has the times of its calendar from: bookings, or what was recorded of them."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Repeat
from quarterdeck.core.calendar.window import Window
from quarterdeck.core.calendar.zones import instant_of, zone_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.core.calendar.booking import Booking
    from quarterdeck.core.calendar.occurrences import Occurrence

NEVER_S: Final = float("inf")


class Agenda(Protocol):
    """Times that bind."""

    last_s: float
    """When the last of them is over, of what does not come back."""
    is_empty: bool
    """Whether there never are any."""

    def times(self, now_ns: int) -> tuple[Occurrence, ...]:
        """Those that bind now or will."""
        ...

    def note_used(self, time: Occurrence) -> None:
        """Its owner uses one of them."""
        ...

    def changes_next_s(self, now_s: float) -> float:
        """When other ones bind than was known before; infinite for never."""
        ...


class Planned:
    """Bookings from the beginning on. Seconds count from the epoch."""

    def __init__(self, bookings: Sequence[Booking]) -> None:
        self._bookings = {one.id: one for one in bookings}
        self._window = Window(bookings)
        self.is_empty = not bookings
        once = [one.when for one in bookings if one.when.repeat is Repeat.NONE]
        ends = (instant_of(when.end, zone_of(when.zone)) for when in once)
        self.last_s = max(ends, default=0) / NS_PER_S

    def times(self, now_ns: int) -> tuple[Occurrence, ...]:
        """See `Agenda`."""
        return self._window.times(now_ns) if self._bookings else ()

    def note_used(self, time: Occurrence) -> None:
        """See `Agenda`."""
        used = replace(self._bookings[time.booking_id], used_ns=time.start_ns)
        self._bookings[used.id] = used
        self._window = Window(self._bookings.values())

    def changes_next_s(self, now_s: float) -> float:  # noqa: ARG002 - others do look at it
        """See `Agenda`."""
        return NEVER_S


@dataclass(frozen=True, slots=True)
class BookedFrom:
    """What bound plans from a second on, in nanoseconds of the run."""

    at_s: float
    times: tuple[Occurrence, ...] = ()


class Recorded:
    """What was known when plans were really made. Who uses what is seen anew, but for what had
    begun before the run did."""

    def __init__(self, booked: Sequence[BookedFrom]) -> None:
        self._booked = tuple(booked)
        self.is_empty = not any(one.times for one in booked)
        self._turns_s = [one.at_s for one in booked]
        first = booked[0].times if booked else ()
        self._used = {_key(time) for time in first if time.is_used and time.start_ns < 0}
        ends = (time.end_ns for one in booked for time in one.times)
        self.last_s = max(ends, default=0) / NS_PER_S

    def times(self, now_ns: int) -> tuple[Occurrence, ...]:
        """See `Agenda`."""
        place = bisect_right(self._turns_s, now_ns / NS_PER_S) - 1
        known = self._booked[max(0, place)].times if self._booked else ()
        return tuple(
            replace(time, is_used=_key(time) in self._used)
            for time in known
            if time.end_ns > now_ns
        )

    def note_used(self, time: Occurrence) -> None:
        """See `Agenda`."""
        self._used.add(_key(time))

    def changes_next_s(self, now_s: float) -> float:
        """See `Agenda`."""
        place = bisect_right(self._turns_s, now_s)
        return self._turns_s[place] if place < len(self._turns_s) else NEVER_S


def agenda_of(given: Sequence[Booking] | Sequence[BookedFrom]) -> Agenda:
    """What has the times of these, all of one kind."""
    recorded = [one for one in given if isinstance(one, BookedFrom)]
    if recorded:
        return Recorded(recorded)
    return Planned([one for one in given if not isinstance(one, BookedFrom)])


def _key(time: Occurrence) -> tuple[str, int]:
    return time.booking_id, time.start_ns
