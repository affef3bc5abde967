"""The calendar: reservations, maintenances and leases."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from quarterdeck.api.access import Access, may, not_allowed
from quarterdeck.api.booking_views import (
    booking_view,
    discreet,
    is_listed,
    may_know,
    name_of,
    parse_booking,
    parse_local,
    time_view,
)
from quarterdeck.api.routers.depends import DryRun, answer
from quarterdeck.basics.times import NS_PER_S, to_iso
from quarterdeck.control.agenda import unknown_booking
from quarterdeck.control.bookings import (
    Asker,
    agenda_of,
    amend,
    approve,
    book,
    cancel,
    foresee,
    nodes_at,
)
from quarterdeck.core.calendar.booking import State
from quarterdeck.core.calendar.ical import to_ical
from quarterdeck.core.calendar.occurrences import binding, over_ns
from quarterdeck.core.calendar.zones import zone_of
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.bookings import AmendRequest, BookingRequest, BookingView, CalendarView

router = APIRouter(prefix="/v1", tags=["calendar"])

DAYS_MAX: Final = 400
DAY_NS: Final = 86_400 * NS_PER_S
BookingId = Annotated[str, Path(max_length=40, description="The booking's id.")]
Reader = Annotated[Access, may(Verb.READ, Noun.BOOKING)]
Maker = Annotated[Access, may(Verb.CREATE, Noun.BOOKING)]
Canceller = Annotated[Access, may(Verb.CANCEL, Noun.BOOKING)]
Approver = Annotated[Access, may(Verb.APPROVE, Noun.BOOKING)]


@router.get(
    "/bookings", operation_id="show_calendar", summary="Show the calendar",
    response_model=CalendarView,
)  # fmt: skip
def show_calendar(
    access: Reader,
    days: Annotated[int, Query(ge=1, le=DAYS_MAX, description="So many days from now.")] = 7,
    past: Annotated[bool, Query(description="Also what is over or cancelled.")] = False,
) -> Response:
    """Bookings that are not over, and the times of those that bind in the coming days. Of those
    that are for others than the caller may know of it says that nodes are booked and when."""
    plane = access.context.plane
    now_ns = plane.clock.now_ns()
    listed = [
        one
        for one in agenda_of(plane).bookings.values()
        if is_listed(access, one) or (past and may_know(access, one))
    ]
    times = binding(listed, now_ns, now_ns + days * DAY_NS)
    coming = [one for one in listed if past or (over_ns(one) or now_ns + 1) > now_ns]
    nodes = nodes_at(plane, now_ns)
    release_s = plane.policy.release_after_s
    return answer(
        CalendarView(
            now=to_iso(now_ns),
            bookings=[booking_view(one, is_hidden=not may_know(access, one)) for one in coming],
            times=[time_view(one, nodes, now_ns, release_s) for one in times],
        )
    )


@router.get(
    "/calendar.ics",
    operation_id="export_calendar",
    summary="Export the calendar",
    response_class=Response,
    responses={200: {"content": {"text/calendar": {"schema": {"type": "string"}}}}},
)
def export_calendar(access: Reader) -> Response:
    """The bookings as iCalendar (RFC 5545), for any calendar program."""
    plane = access.context.plane
    shown = [
        one if may_know(access, one) else discreet(one)
        for one in agenda_of(plane).bookings.values()
        if is_listed(access, one)
    ]
    text = to_ical(shown, plane.clock.now_ns())
    return Response(text, media_type="text/calendar; charset=utf-8")


@router.post(
    "/bookings",
    operation_id="add_booking",
    summary="Book nodes",
    status_code=201,
    response_model=BookingView,
    responses={200: {"model": BookingView, "description": "What a dry run would have booked."}},
)
def add_booking(body: BookingRequest, access: Maker, dry_run: DryRun = False) -> Response:
    """A reservation or a maintenance of who may approve them binds at once; what others ask for,
    and every lease, when somebody has approved it."""
    if body.kind == "maintenance" or not body.team:
        # For nobody, or for people of any team: that is no lead's to ask for.
        if not access.extent.is_all:
            raise not_allowed(Verb.CREATE, Noun.BOOKING, "that is not for a team of yours")
    else:
        access.get_team(body.team)
    for name in body.people:
        if access.extent.is_all:
            access.context.roster.people.get_user(name)
        else:
            access.get_user(name)
    plane = access.context.plane
    draft = parse_booking(body, plane.clock.now_ns())
    made = book(plane, draft, _asker(access), is_dry_run=dry_run)
    warning = foresee(plane, made, plane.clock.now_ns())
    view = booking_view(made, is_hidden=False).model_copy(update={"warning": warning})
    return answer(view, 200 if dry_run else 201)


@router.get(
    "/bookings/{booking_id}", operation_id="show_booking", summary="Show a booking",
    response_model=BookingView,
)  # fmt: skip
def show_booking(booking_id: BookingId, access: Reader) -> Response:
    """One booking; of one for others what and when."""
    found = agenda_of(access.context.plane).get(booking_id)
    known = may_know(access, found)
    if not known and found.state is not State.APPROVED:
        raise unknown_booking(booking_id)
    return answer(booking_view(found, is_hidden=not known))


@router.post(
    "/bookings/{booking_id}/cancel", operation_id="cancel_booking", summary="Cancel a booking",
    response_model=BookingView,
)  # fmt: skip
def cancel_booking(booking_id: BookingId, access: Canceller, dry_run: DryRun = False) -> Response:
    """It binds no more, now and at all its coming times."""
    _check_covered(access, booking_id)
    gone = cancel(access.context.plane, booking_id, is_dry_run=dry_run)
    return answer(booking_view(gone, is_hidden=False))


@router.post(
    "/bookings/{booking_id}/approve", operation_id="approve_booking", summary="Approve a booking",
    response_model=BookingView,
)  # fmt: skip
def approve_booking(booking_id: BookingId, access: Approver, dry_run: DryRun = False) -> Response:
    """It binds from now on, and so does what was asked to be changed of it. Whoever asked for a
    lease, or for a change of it, does not approve that."""
    approved = approve(access.context.plane, booking_id, _asker(access), is_dry_run=dry_run)
    return answer(booking_view(approved, is_hidden=False))


@router.post(
    "/bookings/{booking_id}/amend", operation_id="amend_lease", summary="Amend a lease",
    response_model=BookingView,
)  # fmt: skip
def amend_lease(
    booking_id: BookingId, body: AmendRequest, access: Maker, dry_run: DryRun = False
) -> Response:
    """Ask for another number of nodes from a time on. It binds when somebody else has approved."""
    _check_covered(access, booking_id)
    plane = access.context.plane
    known = agenda_of(plane).get(booking_id)
    zone = zone_of(known.when.zone)
    start = parse_local(body.start, zone, plane.clock.now_ns(), "start")
    amended = amend(plane, booking_id, (start, body.nodes), _asker(access), is_dry_run=dry_run)
    return answer(booking_view(amended, is_hidden=False))


def _asker(access: Access) -> Asker:
    may_approve = access.reach(Verb.APPROVE, Noun.BOOKING).is_all
    return Asker(access.name, may_approve, lambda booking: name_of(access, booking))


def _check_covered(access: Access, booking_id: str) -> None:
    """Whether the caller may do to the booking what the route does."""
    found = agenda_of(access.context.plane).get(booking_id)
    if access.extent.is_all or (found.team and access.extent.covers_team(found.team)):
        return
    if not may_know(access, found) and found.state is not State.APPROVED:
        raise unknown_booking(booking_id)
    raise not_allowed(access.verb, access.noun, "that is not of a team of yours")
