"""Local time to instants and back, by the rules of the IANA time zones.

What a clock on the wall shows twice (it was put back) is the first time that it shows it; what it
never shows (it was put forward) is read with the offset from before. So says RFC 5545, 3.3.5, of
calendars, and so does Python of times with `fold=0` (PEP 495).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.times import NS_PER_S

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = (
    "Jan",
    "Feb",
    "Mar",
    "Apr",
    "May",
    "Jun",
    "Jul",
    "Aug",
    "Sep",
    "Oct",
    "Nov",
    "Dec",
)


def zone_of(name: str) -> ZoneInfo:
    """The time zone of an IANA name; `Invalid` for one that this machine has no rules of."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        has_any = _has_rules()
        raise Invalid(
            f"time zone is {name[:80]!a}, which this machine does not know",
            field="zone",
            code="unknown_zone",
            hint="write an IANA name, for example Europe/Berlin or UTC"
            if has_any
            else "the server has no time-zone rules: install the package tzdata",
        ) from None


def _has_rules() -> bool:
    try:
        ZoneInfo("Europe/London")
    except (KeyError, ValueError, OSError):
        return False
    return True


def instant_of(local: datetime, zone: ZoneInfo) -> int:
    """The instant, in nanoseconds since the epoch, at which a clock of the zone shows this."""
    assert local.tzinfo is None, local
    span = local.replace(tzinfo=zone, fold=0).astimezone(UTC) - EPOCH
    return (span.days * 86_400 + span.seconds) * NS_PER_S + span.microseconds * 1000


def local_of(at_ns: int, zone: ZoneInfo) -> datetime:
    """What a clock of the zone shows at an instant, to the microsecond."""
    shown = EPOCH + timedelta(microseconds=at_ns // 1000)
    return shown.astimezone(zone).replace(tzinfo=None, fold=0)


def say_when(at_ns: int, zone_name: str) -> str:
    """An instant for people, for example `Mon 7 Dec 2026 09:00 Europe/Berlin`; its seconds only
    where there are any."""
    local = local_of(at_ns, zone_of(zone_name))
    clock = f"{local.hour:02}:{local.minute:02}" + (f":{local.second:02}" if local.second else "")
    day = f"{_DAYS[local.weekday()]} {local.day} {_MONTHS[local.month - 1]} {local.year}"
    return f"{day} {clock} {zone_name}"


def say_span(start_ns: int, end_ns: int, zone_name: str) -> str:
    """From when to when, the day of the end only where it is another one."""
    zone = zone_of(zone_name)
    start, end = local_of(start_ns, zone), local_of(end_ns, zone)
    if start.date() == end.date():
        clock = f"{end.hour:02}:{end.minute:02}" + (f":{end.second:02}" if end.second else "")
        return say_when(start_ns, zone_name).replace(f" {zone_name}", f"–{clock} {zone_name}")
    first = say_when(start_ns, zone_name).removesuffix(f" {zone_name}")
    return f"{first} to {say_when(end_ns, zone_name)}"
