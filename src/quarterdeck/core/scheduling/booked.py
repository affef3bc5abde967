"""What of the calendar a plan depends on: the times of bookings, and who holds which nodes."""

from __future__ import annotations

from dataclasses import dataclass

from quarterdeck.core.calendar.occurrences import Occurrence


@dataclass(frozen=True, slots=True)
class Held:
    """A node of which somebody's attempt holds something, since when, and when its time limit and
    grace are over at the latest; None without a limit."""

    site: str
    node: str
    team: str
    owner: str
    since_ns: int
    ends_at_ns: int | None


@dataclass(frozen=True, slots=True)
class Bookings:
    """What of the calendar a plan depends on: the times of the coming days, in order, and who holds
    which nodes. `held` may be left empty where there are no times."""

    times: tuple[Occurrence, ...] = ()
    held: tuple[Held, ...] = ()
