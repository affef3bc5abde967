"""The verdict of a job that has room but for bookings, and what would start it now.

It says that there is a booking, of how many nodes and when, by its id; for whom it is and what it
is called stays with the calendar, which knows who may hear it (`discretion`). What the site has
reserved for others by itself goes by the name that the site tells everybody.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.quantities import format_span, parse_span_s
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.zones import say_when
from quarterdeck.core.scheduling.allotment import NEVER_NS
from quarterdeck.core.scheduling.latency import START_S
from quarterdeck.core.scheduling.plan import Blocker, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.core.scheduling.allotment import Allotted
    from quarterdeck.core.scheduling.bookings import Bars, Bound
    from quarterdeck.core.scheduling.placer import Placer, Sites
    from quarterdeck.core.scheduling.snapshot import Waiting

SLACK_PARTS: Final = 20
SLACK_S_MAX: Final = 60.0
"""A proposed time limit is shorter by a twentieth, up to a minute: whoever reads it has to type."""
LIMIT_S_MIN: Final = 1.0


def explain_reserved(
    waiting: Waiting, verdict: Verdict, bars: Bars, placer: Placer, sites: Sites, bound: Bound
) -> Verdict:
    """The verdict, `verdict` being what would be said with nothing but these bars in mind."""
    placer.bar(None)
    has_room = placer.could_place(waiting.demand, sites)
    fitting = placer.free.fits(waiting.demand.resources)
    kept = int((bars.rows & fitting).sum())
    if not has_room:
        placer.bar(bars)
        if not kept or verdict.blocked_by is Blocker.UNSATISFIABLE:
            return verdict
        message = f"{verdict.message}; {_nodes(kept)} with room {_are(kept)} kept for bookings"
        return replace(verdict, message=message, numbers={**verdict.numbers, "nodes_booked": kept})
    in_the_way = [one for one in bars.claims if fitting[one.rows].any()]
    found = _find_limit(waiting, bars, placer, sites, bound)
    placer.bar(bars)
    change, until_ns = found if found is not None else (None, 0)
    # The one that it would have to be over before; of all that begin then the first.
    claim = next((one for one in in_the_way if one.time.start_ns >= until_ns), in_the_way[0])
    is_known = claim.time.end_ns < NEVER_NS
    later = "it can start"
    if is_known:
        later += f" {say_when(claim.time.end_ns, claim.time.zone)} at the earliest"
    if change is not None:
        hint = f"with time_limit: {change} it would start now"
        changes: tuple[tuple[str, str], ...] = (("time_limit", change),)
    elif verdict.change:
        hint, changes = verdict.hint, verdict.change
    else:
        hint, changes = f"once that is over {later}", ()
    numbers = {
        "nodes_booked": kept,
        "nodes_wanted": waiting.demand.nodes,
        "booking_starts_s": max(0, (claim.time.start_ns - bound.now_ns) // NS_PER_S),
    }
    if is_known:
        numbers["booking_ends_s"] = max(0, (claim.time.end_ns - bound.now_ns) // NS_PER_S)
    message = f"waiting for {waiting.demand}: {_say_claim(waiting, claim, bound)}"
    return Verdict(waiting.job_id, Blocker.RESERVED, message, hint, numbers, (), changes)


def _say_claim(waiting: Waiting, claim: Allotted, bound: Bound) -> str:
    time = claim.time
    if time.start_ns <= bound.now_ns:
        until = f"until {say_when(time.end_ns, time.zone)}" if time.end_ns < NEVER_NS else "for now"
        return f"{time.title} keeps the nodes that have room {until}"
    runs = (
        "it has no time limit"
        if waiting.limit_s is None
        else f"it may run for {format_span(waiting.limit_s + waiting.grace_s)}, its grace included"
    )
    return (
        f"{time.title} needs nodes that have room from {say_when(time.start_ns, time.zone)}; {runs}"
    )


def _find_limit(
    waiting: Waiting, bars: Bars, placer: Placer, sites: Sites, bound: Bound
) -> tuple[str, int] | None:
    """The longest time limit, by these bookings, with which it would start now, and the start of
    the one that it would be over before."""
    for limit, start_ns in _limits(waiting, bars, bound):
        limit_s = parse_span_s(limit, field="time_limit")
        placer.bar(bound.bars(waiting, limit_s))
        if placer.could_place(waiting.demand, sites):
            return limit, start_ns
    return None


def _limits(waiting: Waiting, bars: Bars, bound: Bound) -> Iterator[tuple[str, int]]:
    starts = {one.time.start_ns for one in bars.claims}
    for start_ns in sorted(starts, reverse=True):
        left_s = (start_ns - bound.now_ns) / NS_PER_S - START_S - waiting.grace_s
        limit_s = left_s - min(SLACK_S_MAX, left_s / SLACK_PARTS)
        if limit_s >= LIMIT_S_MIN:
            yield format_span(limit_s), start_ns


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
