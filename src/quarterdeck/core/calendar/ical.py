"""Bookings as iCalendar (RFC 5545), for any calendar program.

What happens once is in UTC. What is repeated is in local time with its rule and its zone, so that
09:00 stays 09:00 when clocks change; of the zone every change of the offset is written out for as
long as the rule lasts, ten years at most.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from quarterdeck.core.calendar.booking import Repeat
from quarterdeck.core.calendar.occurrences import occurrences, starts_of
from quarterdeck.core.calendar.zones import EPOCH, instant_of, local_of, zone_of
from quarterdeck.core.cluster.hostlist import compress_hostlist

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

    from quarterdeck.core.calendar.booking import Booking, When

OCTETS_MAX: Final = 75
"""The longest line, without its end (RFC 5545, 3.1)."""
END_OF_LINE: Final = "\r\n"
WEEKDAYS: Final = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
YEARS_MAX: Final = 10
ALL_NS: Final = 2**62
_LOCAL: Final = "%Y%m%dT%H%M%S"


def to_ical(bookings: Iterable[Booking], now_ns: int) -> str:
    """One calendar with an event for every booking, and for each count of nodes of a lease."""
    listed = list(bookings)
    zones: dict[str, tuple[int, int]] = {}
    for one in listed:
        if one.when.repeat is not Repeat.NONE:
            first, last = _span_of(one.when)
            known = zones.get(one.when.zone, (first, last))
            zones[one.when.zone] = (min(first, known[0]), max(last, known[1]))
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Quarterdeck//Calendar//EN",
        "CALSCALE:GREGORIAN",
        *(line for name in sorted(zones) for line in _zone_lines(name, *zones[name])),
        *(line for one in listed for line in _event_lines(one, now_ns)),
        "END:VCALENDAR",
    ]
    return "".join(fold(line) + END_OF_LINE for line in lines)


def escape(text: str) -> str:
    """Text as the value of a property (RFC 5545, 3.3.11)."""
    escaped = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return escaped.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n")


def fold(line: str) -> str:
    """The line in pieces of at most 75 octets, none of which cuts a character."""
    pieces, piece, size = [], "", 0
    for sign in line:
        octets = len(sign.encode("utf-8", "replace"))
        if size + octets > OCTETS_MAX:
            pieces.append(piece)
            # The blank that begins what goes on counts.
            piece, size = " ", 1
        piece += sign
        size += octets
    return END_OF_LINE.join([*pieces, piece])


def _event_lines(booking: Booking, now_ns: int) -> Iterator[str]:
    if booking.when.repeat is not Repeat.NONE:
        yield from _repeated(booking, now_ns)
        return
    for number, time in enumerate(occurrences(booking, 0, ALL_NS)):
        times = [f"DTSTART:{_utc(time.start_ns)}", f"DTEND:{_utc(time.end_ns)}"]
        uid = booking.id if number == 0 else f"{booking.id}-{number}"
        yield from _event(booking, uid, time.count, times, now_ns)


def _repeated(booking: Booking, now_ns: int) -> Iterator[str]:
    when = booking.when
    # The start has to be the first time of the rule (RFC 5545, 3.8.5.3).
    start = _first_start(when)
    if start is None:
        return
    rule = f"FREQ={when.repeat.value.upper()}"
    if when.repeat is Repeat.WEEKLY:
        rule += f";BYDAY={','.join(WEEKDAYS[day] for day in sorted(when.days))}"
    if when.until is not None:
        last = datetime.combine(when.until, when.start.time())
        rule += f";UNTIL={_utc(instant_of(last, zone_of(when.zone)))}"
    end = start + when.length
    times = [
        f"DTSTART;TZID={when.zone}:{start.strftime(_LOCAL)}",
        f"DTEND;TZID={when.zone}:{end.strftime(_LOCAL)}",
        f"RRULE:{rule}",
    ]
    yield from _event(booking, booking.id, booking.count, times, now_ns)


def _first_start(when: When) -> datetime | None:
    begins_ns = instant_of(when.start, zone_of(when.zone))
    week_ns = 8 * 86_400 * 10**9
    return next((one for one in starts_of(when, begins_ns, begins_ns + week_ns)), None)


def _event(booking: Booking, uid: str, count: int, times: list[str], now_ns: int) -> Iterator[str]:
    plain = f"{count} node{'s'[: count != 1]}"
    nodes = compress_hostlist(booking.nodes) if booking.nodes else plain
    whom = " and ".join(filter(None, [booking.team, ", ".join(booking.people)]))
    title = booking.title or f"{booking.kind}{f' for {whom}' if whom else ''}"
    state = {"asked": "TENTATIVE", "approved": "CONFIRMED", "cancelled": "CANCELLED"}
    yield "BEGIN:VEVENT"
    yield f"UID:{uid}@quarterdeck"
    yield f"DTSTAMP:{_utc(now_ns)}"
    yield from times
    yield f"SUMMARY:{escape(f'{title}: {nodes}')}"
    yield f"DESCRIPTION:{escape(f'{booking.kind} {booking.id} of {nodes}')}"
    yield f"CATEGORIES:{booking.kind.value.upper()}"
    yield f"STATUS:{state[booking.state]}"
    yield "END:VEVENT"


def _utc(at_ns: int) -> str:
    return (EPOCH + timedelta(microseconds=at_ns // 1000)).strftime(f"{_LOCAL}Z")


def _span_of(when: When) -> tuple[int, int]:
    """From a year before it begins, so that its offset is known then, until it has ended."""
    zone = zone_of(when.zone)
    last = datetime.combine(when.until, when.start.time()) if when.until else None
    longest = when.start + timedelta(days=366 * YEARS_MAX)
    end = longest if last is None else min(last, longest)
    first = when.start - timedelta(days=366)
    return instant_of(first, zone), instant_of(end + when.length, zone)


def _zone_lines(name: str, first_ns: int, last_ns: int) -> Iterator[str]:
    zone = zone_of(name)
    yield "BEGIN:VTIMEZONE"
    yield f"TZID:{name}"
    before = _offset(first_ns, zone)
    yield from _observance(local_of(first_ns, zone), before, before, zone, first_ns)
    day_ns = 86_400 * 10**9
    at_ns = first_ns
    while at_ns < last_ns:
        following_ns = at_ns + day_ns
        offset = _offset(following_ns, zone)
        if offset != before:
            turn_ns = _turn(at_ns, following_ns, zone)
            # It begins at what the clock showed with the offset from before.
            shown = EPOCH + timedelta(microseconds=turn_ns // 1000) + before
            yield from _observance(shown.replace(tzinfo=None), before, offset, zone, turn_ns)
            before = offset
        at_ns = following_ns
    yield "END:VTIMEZONE"


def _turn(low_ns: int, high_ns: int, zone: ZoneInfo) -> int:
    """The first second at which the offset is the later one."""
    low, high = low_ns // 10**9, high_ns // 10**9
    before = _offset(low * 10**9, zone)
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(middle * 10**9, zone) == before:
            low = middle
        else:
            high = middle
    return high * 10**9


def _observance(
    start: datetime, before: timedelta, after: timedelta, zone: ZoneInfo, at_ns: int
) -> Iterator[str]:
    there = (EPOCH + timedelta(microseconds=at_ns // 1000)).astimezone(zone)
    kind = "DAYLIGHT" if there.dst() else "STANDARD"
    yield f"BEGIN:{kind}"
    yield f"DTSTART:{start.strftime(_LOCAL)}"
    yield f"TZOFFSETFROM:{_sign(before)}"
    yield f"TZOFFSETTO:{_sign(after)}"
    yield f"TZNAME:{escape(there.tzname() or 'LMT')}"
    yield f"END:{kind}"


def _offset(at_ns: int, zone: ZoneInfo) -> timedelta:
    there = datetime.fromtimestamp(at_ns // 10**9, UTC).astimezone(zone)
    return there.utcoffset() or timedelta()


def _sign(offset: timedelta) -> str:
    seconds = int(offset.total_seconds())
    minutes = abs(seconds) // 60
    return f"{'-' if seconds < 0 else '+'}{minutes // 60:02}{minutes % 60:02}"
