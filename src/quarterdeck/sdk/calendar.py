"""The calendar over HTTP: `client.calendar.book(...)` and its siblings, waiting and not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from quarterdeck.sdk.calls import Call
from quarterdeck.sdk.methods import AsyncCalls, Calls, awaited, waiting
from quarterdeck.sdk.requests import JSON, as_model, body_of, dry
from quarterdeck.wire.v1.bookings import AmendRequest, BookingView, CalendarView

if TYPE_CHECKING:
    from quarterdeck.sdk.calls import Reply
    from quarterdeck.wire.v1.bookings import BookingRequest

PATH: Final = "/v1/bookings"


def show(*, days: int = 7, past: bool = False) -> Call[CalendarView]:
    """Bookings that are not over, or `past` ones too, and their times in the coming days."""
    query: dict[str, str | int | list[str]] = {"days": days}
    if past:
        query["past"] = "true"
    return Call("GET", PATH, as_model(CalendarView), query)


def export() -> Call[str]:
    """The bookings as iCalendar (RFC 5545)."""
    return Call("GET", "/v1/calendar.ics", _text)


def get(booking_id: str) -> Call[BookingView]:
    """One booking."""
    return Call("GET", _at(booking_id), as_model(BookingView))


def book(request: BookingRequest, *, dry_run: bool = False) -> Call[BookingView]:
    """Book nodes, or ask for it; a conflict says who has what when."""
    body, query = body_of(request), dry(dry_run)
    # Sent twice it would be booked twice.
    return Call("POST", PATH, as_model(BookingView), query, JSON, body, is_repeatable=dry_run)


def cancel(booking_id: str, *, dry_run: bool = False) -> Call[BookingView]:
    """Cancel a booking with all its coming times."""
    return Call("POST", f"{_at(booking_id)}/cancel", as_model(BookingView), dry(dry_run))


def approve(booking_id: str, *, dry_run: bool = False) -> Call[BookingView]:
    """Approve what was asked for: a booking, or what is to be changed of a lease."""
    return Call("POST", f"{_at(booking_id)}/approve", as_model(BookingView), dry(dry_run))


def amend(booking_id: str, start: str, nodes: int, *, dry_run: bool = False) -> Call[BookingView]:
    """Ask for another number of nodes of a lease, from a local time on."""
    body, query = body_of(AmendRequest(start=start, nodes=nodes)), dry(dry_run)
    path = f"{_at(booking_id)}/amend"
    return Call("POST", path, as_model(BookingView), query, JSON, body, is_repeatable=dry_run)


class CalendarCalls(Calls):
    """The calendar, for the client that waits."""

    show = waiting(show)
    export = waiting(export)
    get = waiting(get)
    book = waiting(book)
    cancel = waiting(cancel)
    approve = waiting(approve)
    amend = waiting(amend)


class AsyncCalendarCalls(AsyncCalls):
    """The calendar, for the client that awaits."""

    show = awaited(show)
    export = awaited(export)
    get = awaited(get)
    book = awaited(book)
    cancel = awaited(cancel)
    approve = awaited(approve)
    amend = awaited(amend)


def _at(booking_id: str) -> str:
    return f"{PATH}/{quote(booking_id, safe='')}"


def _text(reply: Reply) -> str:
    return reply.body.decode("utf-8", "replace")
