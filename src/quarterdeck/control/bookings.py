"""Book nodes, approve what was asked for, change a lease, and cancel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Conflict, Invalid, NotFound
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Amendment, Kind, Repeat, State
from quarterdeck.core.calendar.occurrences import binding, occurrences
from quarterdeck.core.calendar.window import DAY_NS, DAYS_AHEAD
from quarterdeck.core.calendar.zones import instant_of, say_when, zone_of
from quarterdeck.core.scheduling.allotment import NEVER_NS
from quarterdeck.core.scheduling.booked import Bookings
from quarterdeck.core.scheduling.bookings import Bound
from quarterdeck.core.scheduling.conflicts import find_conflict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from quarterdeck.control.agenda import Agenda
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.calendar.booking import Booking
    from quarterdeck.core.calendar.occurrences import Occurrence

LOOKED_AHEAD_NS: Final = 400 * 86_400 * NS_PER_S
"""For so long conflicts of what is repeated are looked for; what is not is looked at to its end."""
BOOKINGS_MAX: Final = 10_000


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks: by name, whether what they ask for is approved at once, and how a booking of others
    is called before them."""

    name: str
    may_approve: bool
    says: Callable[[Booking], str]


def agenda_of(plane: ControlPlane) -> Agenda:
    """The calendar; `NotFound` on a server without one."""
    if plane.agenda is None:
        raise NotFound("this server has no calendar", code="no_calendar", hint="ask an operator")
    return plane.agenda


def book(plane: ControlPlane, draft: Booking, asker: Asker, *, is_dry_run: bool = False) -> Booking:
    """A new booking. It binds at once if its asker may approve it; a lease never does. `Conflict`
    if others have what it needs, also for one that is only asked for."""
    agenda, now_ns = agenda_of(plane), plane.clock.now_ns()
    is_approved = asker.may_approve and draft.kind is not Kind.LEASE
    made = replace(
        draft,
        id="" if is_dry_run else agenda.new_id(),
        asked_by=asker.name,
        state=State.APPROVED if is_approved else State.ASKED,
        approved_by=asker.name if is_approved else "",
        created_at_ns=now_ns,
    )

    def work(bookings: Mapping[str, Booking]) -> tuple[list[Booking], Booking]:
        if len(bookings) >= BOOKINGS_MAX:
            raise Conflict(
                f"there are {BOOKINGS_MAX} bookings", code="too_many_bookings", hint="cancel some"
            )
        _check_nodes(plane, made)
        _check_fits(plane, made, bookings, asker, now_ns)
        return [made], made

    return agenda.change(work, is_dry_run=is_dry_run)


def cancel(plane: ControlPlane, booking_id: str, *, is_dry_run: bool = False) -> Booking:
    """It binds no more. Cancelling twice is cancelling once."""

    def work(bookings: Mapping[str, Booking]) -> tuple[list[Booking], Booking]:
        known = agenda_of(plane).get(booking_id)
        if known.state is State.CANCELLED:
            return [], known
        cancelled = replace(bookings[booking_id], state=State.CANCELLED)
        return [cancelled], cancelled

    return agenda_of(plane).change(work, is_dry_run=is_dry_run)


def approve(
    plane: ControlPlane, booking_id: str, asker: Asker, *, is_dry_run: bool = False
) -> Booking:
    """It binds from now on; of a lease that does already, what was asked to be changed of it. What
    there was room for when it was asked may have been booked meanwhile: then `Conflict`."""
    now_ns = plane.clock.now_ns()

    def work(bookings: Mapping[str, Booking]) -> tuple[list[Booking], Booking]:
        known = agenda_of(plane).get(booking_id)
        if known.state is State.CANCELLED:
            raise _cancelled(known)
        approved = _approved(known, asker.name)
        if approved == known:
            return [], known
        _check_fits(plane, approved, bookings, asker, now_ns)
        return [approved], approved

    return agenda_of(plane).change(work, is_dry_run=is_dry_run)


def amend(
    plane: ControlPlane,
    booking_id: str,
    change: tuple[datetime, int],
    asker: Asker,
    *,
    is_dry_run: bool = False,
) -> Booking:
    """Ask for another number of nodes of a lease from a time on; somebody else has to approve."""
    now_ns = plane.clock.now_ns()
    start, nodes = change

    def work(bookings: Mapping[str, Booking]) -> tuple[list[Booking], Booking]:
        known = agenda_of(plane).get(booking_id)
        if known.state is State.CANCELLED:
            raise _cancelled(known)
        amendment = Amendment(start, nodes, asker.name)
        amended = replace(known, amendments=(*known.amendments, amendment))
        # As if it were approved, to say now what is in its way.
        imagined = replace(
            amended,
            amendments=(*known.amendments, replace(amendment, approved_by="(imagined)")),
        )
        _check_fits(plane, imagined, bookings, asker, now_ns)
        return [amended], amended

    return agenda_of(plane).change(work, is_dry_run=is_dry_run)


def foresee(plane: ControlPlane, made: Booking, now_ns: int) -> str:
    """What of the first time of a booking may not be there when it begins, as things stand; empty
    if all of it will. Nobody is stopped for it, so who books at the last minute should know."""
    first = next(iter(occurrences(made, now_ns, now_ns + DAYS_AHEAD * DAY_NS)), None)
    if first is None or made.kind is Kind.MAINTENANCE:
        return ""
    times = [one for one in plane.times(now_ns) if one.booking_id != made.id]
    plane.board.catch_up()
    ordered = tuple(sorted([*times, first], key=lambda time: time.start_ns))
    bookings = Bookings(ordered, tuple(plane.board.list_held(now_ns)))
    bound = Bound(bookings, plane.board.list_free(), now_ns, plane.policy.release_after_s)
    claim = next((one for one in bound.claims if one.time is first), None)
    if claim is None or not (claim.late or claim.lacking):
        return ""
    if claim.lacking:
        return f"{claim.lacking} of its {first.size} nodes are down or cordoned now"
    until = "jobs there have no time limit"
    if claim.ready_ns < NEVER_NS:
        until = f"until {say_when(claim.ready_ns, first.zone)} at the latest"
    return (
        f"{claim.late} of its {first.size} node{'s'[: first.size != 1]} may still be held when it "
        f"begins: {until}"
    )


def nodes_at(plane: ControlPlane, now_ns: int) -> dict[tuple[str, int], list[str]]:
    """Which nodes each time of the coming days has or would have now, by booking and start."""
    times = plane.times(now_ns)
    if not times:
        return {}
    plane.board.catch_up()
    bookings = Bookings(times, tuple(plane.board.list_held(now_ns)))
    bound = Bound(bookings, plane.board.list_free(), now_ns, plane.policy.release_after_s)
    return {
        (claim.time.booking_id, claim.time.start_ns): bound.names_of(claim)
        for claim in bound.claims
    }


def _approved(known: Booking, by: str) -> Booking:
    changes = tuple(
        one if one.approved_by else replace(one, approved_by=by) for one in known.amendments
    )
    if known.state is State.APPROVED:
        return replace(known, amendments=changes)
    return replace(known, state=State.APPROVED, approved_by=by, amendments=changes)


def _check_nodes(plane: ControlPlane, made: Booking) -> None:
    """Nodes that are named have to be there: a misspelt one would be booked in vain."""
    plane.board.catch_up()
    capacity = plane.board.list_free()
    there = {name for site, name in capacity.fleet.rows if made.site in ("", site)}
    missing = [name for name in made.nodes if name not in there]
    if missing:
        raise NotFound(
            f"there is no node {missing[0][:80]!a}",
            code="unknown_node",
            field="nodes",
            hint="`qd node` lists those there are",
        )


def _check_fits(
    plane: ControlPlane,
    made: Booking,
    bookings: Mapping[str, Booking],
    asker: Asker,
    now_ns: int,
) -> None:
    until_ns = now_ns + LOOKED_AHEAD_NS
    if made.when.repeat is Repeat.NONE:
        until_ns = instant_of(made.when.end, zone_of(made.when.zone))
    times = occurrences(made, now_ns, until_ns)
    if not times:
        raise Invalid(
            "it is over already, or begins in more than a year",
            field="end",
            hint="choose a time that is still to come",
        )
    end_ns = max(time.end_ns for time in times)
    beside = binding(_others(bookings.values(), made), now_ns, end_ns)
    plane.board.catch_up()

    def name(time: Occurrence) -> str:
        return asker.says(bookings[time.booking_id])

    conflict = find_conflict(times, beside, plane.board.list_free().fleet, name)
    if conflict is not None:
        raise Conflict(conflict.message, code="booking_conflict", field="when", hint=conflict.hint)


def _others(bookings: Iterable[Booking], made: Booking) -> list[Booking]:
    return [one for one in bookings if one.id != made.id]


def _cancelled(known: Booking) -> Conflict:
    return Conflict(
        f"booking {known.id} is cancelled",
        code="booking_cancelled",
        field="booking",
        hint="book anew",
    )
