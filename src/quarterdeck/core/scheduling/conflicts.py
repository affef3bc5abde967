"""What stands in the way of a booking: other bookings of the same nodes at the same time.

Jobs are not looked at: those that run are over by then or are not, and those that come are kept
from running into it. Told is the first time at which it does not fit, with the numbers, and the
next one at which all of it would.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.core.calendar.zones import say_span, say_when
from quarterdeck.core.cluster.hostlist import compress_hostlist
from quarterdeck.core.scheduling.allotment import Readiness, allot, fits_of, rows_named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.core.scheduling.allotment import Allotted
    from quarterdeck.core.scheduling.fleet import Fleet

SHOWN_MAX: Final = 5
TRIES_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class Conflict:
    """Why a booking cannot be: in words, when first, with which others, and when it could be
    instead, in words; empty where no other time was found."""

    message: str
    start_ns: int
    others: tuple[str, ...]
    hint: str


def find_conflict(
    asked: Sequence[Occurrence],
    booked: Sequence[Occurrence],
    fleet: Fleet,
    name: Callable[[Occurrence], str],
) -> Conflict | None:
    """The first time of `asked` for which there are not enough nodes beside `booked`, or None.
    `name` says in a few words whose a booking is, as the asker may hear it."""
    most_alone = -1
    for time in asked:
        beside = [other for other in booked if other.overlaps(time)]
        if not beside:
            if time.count <= most_alone:
                continue  # of the hundreds of times of what is repeated
            most_alone = time.count
        short = _shortage(time, beside, fleet)
        if short is not None:
            others, left = short
            later = _next_that_fits(asked, time, booked, fleet)
            said = say_when(later, time.zone) if later is not None else ""
            hint = f"all of it would fit from {said}" if said else _hint_of(left)
            message = _say(time, others, left, fleet, name)
            return Conflict(message, time.start_ns, tuple(one.booking_id for one in others), hint)
    return None


def _shortage(
    time: Occurrence, beside: Sequence[Occurrence], fleet: Fleet
) -> tuple[list[Occurrence], int] | None:
    """Who is in the way, and how many nodes would be left for it; None if all have enough."""
    before = _lacking(beside, fleet)
    with_it = _lacking([*beside, time], fleet)
    if (
        with_it[-1].lacking == 0
        and not _worse(before, with_it[:-1])
        and not _named_twice(time, beside)
    ):
        return None
    if time.nodes:
        others = _named_twice(time, beside) or list(beside)
        taken = {node for other in others for node in other.nodes}
        return others, len([node for node in time.nodes if node not in taken])
    least = 0
    for count in range(time.count - 1, 0, -1):
        fewer = _lacking([*beside, replace(time, count=count)], fleet)
        if fewer[-1].lacking == 0 and not _worse(before, fewer[:-1]):
            least = count
            break
    return list(beside), least


def _lacking(times: Sequence[Occurrence], fleet: Fleet) -> list[Allotted]:
    """Who would get what if nobody held anything and every node were up."""
    rows = len(fleet.nodes)
    ready = Readiness(np.zeros(rows, np.int64), np.zeros(rows, bool))
    return allot(times, fleet, np.ones(rows, bool), lambda _: ready)


def _worse(before: Iterable[Allotted], after: Iterable[Allotted]) -> bool:
    """Whether somebody would have less than without it."""
    return any(new.lacking > old.lacking for old, new in zip(before, after, strict=True))


def _named_twice(time: Occurrence, beside: Iterable[Occurrence]) -> list[Occurrence]:
    """Other bookings that name one of its nodes."""
    named = set(time.nodes)
    return [
        other
        for other in beside
        if named.intersection(other.nodes) and (not time.site or other.site in ("", time.site))
    ]


def _next_that_fits(
    asked: Sequence[Occurrence],
    time: Occurrence,
    booked: Sequence[Occurrence],
    fleet: Fleet,
) -> int | None:
    """The first end of another booking from which on all times of it would fit, moved as far as the
    one that does not."""
    turns = sorted({other.end_ns for other in booked if other.end_ns > time.start_ns})
    for end_ns in turns[:TRIES_MAX]:
        by_ns = end_ns - time.start_ns
        moved = [
            replace(one, start_ns=one.start_ns + by_ns, end_ns=one.end_ns + by_ns) for one in asked
        ]
        if all(
            _shortage(one, [other for other in booked if other.overlaps(one)], fleet) is None
            for one in moved
        ):
            return end_ns
    return None


def _say(
    time: Occurrence,
    others: Sequence[Occurrence],
    left: int,
    fleet: Fleet,
    name: Callable[[Occurrence], str],
) -> str:
    span = say_span(time.start_ns, time.end_ns, time.zone)
    shown = "; ".join(_say_other(time, other, name) for other in others[:SHOWN_MAX])
    more = f"; and {len(others) - SHOWN_MAX} more" if len(others) > SHOWN_MAX else ""
    if time.nodes:
        there = len(rows_named(time, fleet))
        if there < len(time.nodes) and not others:
            return f"{len(time.nodes)} nodes are named, and {there} of them are there"
        return f"{left} of the {len(time.nodes)} nodes {_are(left)} left {span}: {shown}{more}"
    there = int(fits_of(time, fleet).sum())
    model = f" with {time.gpu_model}" if time.gpu_model else ""
    asked = f"{time.count} node{'s'[: time.count != 1]}{model} {_are(time.count)} asked for"
    if not others:
        return f"{asked}, and there {_are(there)} {there}"
    return f"{asked}, and {left} of {there} would be left {span}: {shown}{more}"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _say_other(time: Occurrence, other: Occurrence, name: Callable[[Occurrence], str]) -> str:
    """Who has what when."""
    if other.nodes:
        same = [node for node in other.nodes if node in time.nodes]
        what = compress_hostlist(same or other.nodes)
    else:
        what = f"{other.count} node{'s'[: other.count > 1]}"
    return f"{name(other)} has {what} {say_span(other.start_ns, other.end_ns, time.zone)}"


def _hint_of(left: int) -> str:
    return (
        f"ask for {left} node{'s'[: left != 1]}{' or fewer' if left > 1 else ''}"
        if left
        else "ask for other nodes, or another time"
    )
