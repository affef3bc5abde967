"""Bookings between HTTP and the house: what a request says, and what its caller may read."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.quantities import parse_span_s
from quarterdeck.basics.times import NS_PER_S, to_iso
from quarterdeck.core.calendar.booking import Booking, Kind, Repeat, State, When
from quarterdeck.core.calendar.zones import instant_of, local_of, say_span, zone_of
from quarterdeck.core.cluster.hostlist import compress_hostlist, expand_hostlist
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.core.scheduling.bookings import is_given_back
from quarterdeck.wire.v1.bookings import AmendmentView, BookingView, TimeView

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from quarterdeck.api.access import Access
    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.wire.v1.bookings import BookingRequest

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def parse_booking(body: BookingRequest, now_ns: int) -> Booking:
    """What is asked for, without an id, a word of anybody's or an owner."""
    zone = zone_of(body.zone)
    start = parse_local(body.start, zone, now_ns, "start")
    if (body.end is None) == (body.span is None):
        raise Invalid(
            "it needs an end or a span, and not both",
            field="end",
            hint="write for example end: 2026-12-07 17:00, or span: 8h",
        )
    if body.end is not None:
        end = parse_local(body.end, zone, now_ns, "end")
    else:
        assert body.span is not None
        span_s = parse_span_s(body.span, field="span")
        # So long as a stopwatch has it: the clock on the wall may be put forward meanwhile.
        end = local_of(instant_of(start, zone) + int(span_s * NS_PER_S), zone)
    when = When(
        body.zone,
        start,
        end,
        Repeat(body.repeat),
        tuple(sorted({WEEKDAYS.index(day) for day in body.weekdays})),
        None if body.until is None else _parse_day(body.until),
    )
    return Booking(
        id="",
        kind=Kind(body.kind),
        title=body.title,
        when=when,
        asked_by="",
        team=body.team,
        people=tuple(dict.fromkeys(body.people)),
        nodes=expand_hostlist(body.nodes, field="nodes") if body.nodes else (),
        count=body.count,
        gpu_model=body.gpu_model,
        site=body.site,
    )


def parse_local(text: str, zone: ZoneInfo, now_ns: int, field: str) -> datetime:
    """What the clock in the zone shows then; `now` and `+span` count from the present second."""
    present_ns = now_ns // NS_PER_S * NS_PER_S
    if text == "now":
        return local_of(present_ns, zone)
    if text.startswith("+"):
        span_s = parse_span_s(text[1:], field=field)
        return local_of(present_ns + int(span_s * NS_PER_S), zone)
    try:
        shown = datetime.fromisoformat(text)
    except ValueError:
        shown = None
    if shown is None or shown.tzinfo is not None:
        raise Invalid(
            f"{field} is {text[:40]!a}",
            field=field,
            hint="write what the clock there shows, for example 2026-12-07 09:00, without an "
            "offset; or now, or +2h",
        )
    return shown - timedelta(microseconds=shown.microsecond)


def _parse_day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"until is {text[:40]!a}", field="until", hint="write a day, for example 2027-03-31"
        ) from None


def may_know(access: Access, booking: Booking) -> bool:
    """Whether the caller may know for whom it is: it is of a team that they see, or of themselves,
    or for nobody, or they approve bookings."""
    if booking.kind is Kind.MAINTENANCE or access.name in (booking.asked_by, *booking.people):
        return True
    if access.reach(Verb.APPROVE, Noun.BOOKING).is_all:
        return True
    sight = access.reach(Verb.READ, Noun.TEAM)
    return sight.covers_team(booking.team) if booking.team else sight.is_all


def name_of(access: Access, booking: Booking) -> str:
    """How it is called before the caller, for example `the lease b…, "demo", of team red`."""
    if not may_know(access, booking):
        return f"{booking.kind} {booking.id} of others"
    whom = f" of team {booking.team}" if booking.team else ""
    if booking.people:
        whom += f" of {', '.join(booking.people)}"
    title = f' "{booking.title}"' if booking.title else ""
    return f"{booking.kind} {booking.id}{title}{whom}"


def booking_view(booking: Booking, *, is_hidden: bool) -> BookingView:
    """The booking, without for whom it is if that is hidden."""
    when = booking.when
    changes = booking.amendments if not is_hidden else ()
    return BookingView(
        id=booking.id,
        kind=booking.kind.value,
        state=booking.state.value,
        title="" if is_hidden else booking.title,
        team="" if is_hidden else booking.team,
        people=[] if is_hidden else list(booking.people),
        nodes=compress_hostlist(booking.nodes),
        count=booking.count,
        gpu_model=booking.gpu_model,
        site=booking.site,
        zone=when.zone,
        start=_local(when.start),
        end=_local(when.end),
        repeat=when.repeat.value,
        weekdays=[WEEKDAYS[day] for day in when.days] if when.repeat is Repeat.WEEKLY else [],
        until=None if when.until is None else when.until.isoformat(),
        asked_by="" if is_hidden else booking.asked_by,
        approved_by="" if is_hidden else booking.approved_by,
        amendments=[
            AmendmentView(
                start=_local(one.start),
                nodes=one.nodes,
                asked_by=one.asked_by,
                approved_by=one.approved_by,
            )
            for one in changes
        ],
        is_hidden=is_hidden,
    )


def time_view(
    time: Occurrence,
    nodes: Mapping[tuple[str, int], list[str]],
    now_ns: int,
    release_after_s: float,
) -> TimeView:
    """One time of a booking."""
    chosen = nodes.get((time.booking_id, time.start_ns), list(time.nodes))
    return TimeView(
        booking=time.booking_id,
        start=to_iso(time.start_ns),
        end=to_iso(time.end_ns),
        told=say_span(time.start_ns, time.end_ns, time.zone),
        count=time.size,
        nodes=chosen,
        is_given_back=is_given_back(time, now_ns, release_after_s),
    )


def discreet(booking: Booking) -> Booking:
    """The booking without a word of for whom it is, for a calendar file."""
    return replace(booking, title=f"{booking.kind} of others", team="others", people=())


def is_listed(access: Access, booking: Booking) -> bool:
    """Whether it is shown: what only was asked for binds nobody, and is for who may know."""
    if booking.state is State.CANCELLED:
        return False
    return booking.state is State.APPROVED or may_know(access, booking)


def _local(at: datetime) -> str:
    return at.isoformat(" ", "seconds")
