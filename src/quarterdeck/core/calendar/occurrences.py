"""The times at which a booking binds, as instants: what wall time and recurrence come to.

An hour that a clock skips is not there to be booked: an occurrence that would lie within it alone
is left out, and one that reaches into it is so much shorter. One over the hour that a clock shows
twice is so much longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from quarterdeck.core.calendar.booking import DAY, Kind, Repeat, State
from quarterdeck.core.calendar.zones import instant_of, local_of, zone_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quarterdeck.core.calendar.booking import Booking, When


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One time of a booking, from `start_ns` up to, not including, `end_ns`.

    `team` and `people` say whose jobs it is for, as of a booking; `nodes`, or else `count` whole
    ones. `is_used`: its owner has had something of it. `zone` is the one that it is told in.
    `called` is set for what a site has reserved for others by itself, beside the calendar; of that
    some `spares_unlimited`: it binds only jobs that have a time limit before it begins.
    """

    booking_id: str
    kind: Kind
    start_ns: int
    end_ns: int
    team: str = ""
    people: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    count: int = 0
    gpu_model: str = ""
    site: str = ""
    zone: str = "UTC"
    is_used: bool = False
    called: str = ""
    spares_unlimited: bool = False

    @property
    def title(self) -> str:
        """What it is called: nothing that only its owner may know."""
        return self.called or f"{self.kind} {self.booking_id}"

    def is_for(self, team: str, owner: str) -> bool:
        """Whether a job of this owner in this team may use it."""
        if self.kind is Kind.MAINTENANCE:
            return False
        return self.team in ("", team) and (not self.people or owner in self.people)

    def meets(self, at_ns: int, over_ns: int | None) -> bool:
        """Whether a job that starts then could still run at an instant of it. `over_ns`: when that
        is over at the latest; None: it has no time limit."""
        if over_ns is None:
            begins = not self.spares_unlimited or self.start_ns <= at_ns
        else:
            begins = self.start_ns < over_ns
        return begins and self.end_ns > at_ns

    def overlaps(self, other: Occurrence) -> bool:
        """Whether there is an instant that is in both."""
        return self.start_ns < other.end_ns and other.start_ns < self.end_ns

    @property
    def size(self) -> int:
        """How many nodes it is of."""
        return len(self.nodes) or self.count


def occurrences(booking: Booking, from_ns: int, to_ns: int) -> tuple[Occurrence, ...]:
    """The times of a booking that have an instant from `from_ns` up to `to_ns`, in order. Its state
    is not looked at; of a lease each count of nodes is a time of its own."""
    spans = _lease_spans(booking) if booking.kind is Kind.LEASE else _spans(booking, from_ns, to_ns)
    return tuple(
        Occurrence(
            booking.id,
            booking.kind,
            start_ns,
            end_ns,
            booking.team,
            booking.people,
            booking.nodes,
            count,
            booking.gpu_model,
            booking.site,
            booking.when.zone,
            is_used=booking.used_ns == start_ns,
        )
        for start_ns, end_ns, count in spans
        if start_ns < end_ns and start_ns < to_ns and end_ns > from_ns and (count or booking.nodes)
    )


def binding(bookings: Iterable[Booking], from_ns: int, to_ns: int) -> tuple[Occurrence, ...]:
    """The times of all approved bookings, in the order in which they begin; of those that begin
    together the one that was made first goes first."""
    approved = sorted(
        (one for one in bookings if one.state is State.APPROVED),
        key=lambda one: (one.created_at_ns, one.id),
    )
    found = [time for one in approved for time in occurrences(one, from_ns, to_ns)]
    return tuple(sorted(found, key=lambda time: time.start_ns))


def over_ns(booking: Booking) -> int | None:
    """When it is over for good; None for what comes back for ever."""
    when, last = booking.when, booking.when.end
    if when.repeat is not Repeat.NONE:
        if when.until is None:
            return None
        last = datetime.combine(when.until, when.start.time()) + when.length
    return instant_of(last, zone_of(when.zone))


def _spans(booking: Booking, from_ns: int, to_ns: int) -> Iterator[tuple[int, int, int]]:
    when = booking.when
    zone = zone_of(when.zone)
    for start in starts_of(when, from_ns, to_ns):
        end = start + when.length
        yield instant_of(start, zone), instant_of(end, zone), booking.count


def starts_of(when: When, from_ns: int, to_ns: int) -> Iterator[datetime]:
    """The local times at which one begins that may reach into this span, and few others."""
    if when.repeat is Repeat.NONE:
        yield when.start
        return
    zone = zone_of(when.zone)
    # Two days more on either side than any offset of a zone, or change of it, could make out.
    first = local_of(from_ns, zone).date() - when.length - 2 * DAY
    last = local_of(to_ns, zone).date() + 2 * DAY
    day = max(when.start.date(), first)
    end = last if when.until is None else min(last, when.until)
    while day <= end:
        if when.repeat is Repeat.DAILY or day.weekday() in when.days:
            yield datetime.combine(day, when.start.time())
        day += timedelta(days=1)


def _lease_spans(booking: Booking) -> Iterator[tuple[int, int, int]]:
    """From one approved amendment to the next; of two from the same time the later word counts."""
    zone = zone_of(booking.when.zone)
    counts = {booking.when.start: booking.count}
    for change in booking.amendments:
        if change.approved_by:
            counts[change.start] = change.nodes
    turns = sorted(counts)
    for start, end in zip(turns, (*turns[1:], booking.when.end), strict=True):
        yield instant_of(start, zone), instant_of(end, zone), counts[start]
