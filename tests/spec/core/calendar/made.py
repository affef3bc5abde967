"""Short ways to bookings, for the tests of the calendar."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Booking, Kind, State, When
from quarterdeck.core.calendar.zones import instant_of, zone_of

BERLIN = "Europe/Berlin"
HOUR_NS = 3600 * NS_PER_S


def at(text: str) -> datetime:
    """A local time."""
    return datetime.fromisoformat(text)


def ns(text: str, zone: str = BERLIN) -> int:
    """The instant of a local time."""
    return instant_of(at(text), zone_of(zone))


def when(start: str, end: str, zone: str = BERLIN, **more: Any) -> When:
    return When(zone, at(start), at(end), **more)


def a_booking(name: str = "b1", times: When | None = None, **changes: Any) -> Booking:
    """An approved reservation of one node for team red, unless told otherwise."""
    given: dict[str, Any] = {
        "id": name,
        "kind": Kind.RESERVATION,
        "title": "",
        "when": times or when("2026-12-07 09:00", "2026-12-07 17:00"),
        "asked_by": "ada",
        "team": "red",
        "state": State.APPROVED,
        "approved_by": "olga",
    }
    if "nodes" not in changes:
        given["count"] = 1
    return Booking(**{**given, **changes})
