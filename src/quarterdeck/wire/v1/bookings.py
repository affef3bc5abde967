"""Bookings: who has which nodes when."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from quarterdeck.wire.v1.base import Answer, Count, Request

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
LocalTime = Annotated[
    str,
    Field(
        max_length=40,
        description="What the clock in the zone shows, for example `2026-12-07 09:00`; or `now`, "
        "or `+2h` for two hours from now.",
    ),
]


class BookingRequest(Request):
    """A reservation, a maintenance or a lease."""

    kind: Literal["reservation", "maintenance", "lease"] = Field(
        default="reservation", description="A maintenance is for nobody."
    )
    title: str = Field(default="", max_length=128)
    team: str = Field(default="", max_length=128, description="For the jobs of this team.")
    people: list[str] = Field(
        default=[], max_length=100, description="For the jobs of these people (in that team)."
    )
    nodes: str = Field(
        default="",
        max_length=20_000,
        description="These nodes, for example `dgx-[01-04]`; or say `count`.",
    )
    count: Count = Field(default=0, ge=0, le=10_000, description="So many whole nodes.")
    gpu_model: str = Field(
        default="", max_length=80, description="Of `count` nodes with GPUs of this model."
    )
    site: str = Field(default="", max_length=128, description="Of this site only.")
    zone: str = Field(default="UTC", max_length=80, description="An IANA time zone.")
    start: LocalTime
    end: LocalTime | None = Field(default=None, description="Give this or `span`.")
    span: str | None = Field(
        default=None, max_length=40, description="How long, for example `8h`; or give `end`."
    )
    repeat: Literal["none", "daily", "weekly"] = "none"
    weekdays: list[Weekday] = Field(
        default=[], max_length=7, description="Of a weekly one; left out, that of the start."
    )
    until: str | None = Field(
        default=None, max_length=10, description="The last day it may begin on, `2027-03-31`."
    )


class AmendRequest(Request):
    """Another number of nodes for a lease."""

    start: LocalTime
    nodes: Count = Field(ge=0, le=10_000, description="How many from then on.")


class AmendmentView(Answer):
    """What was or is to be changed of a lease."""

    start: str = Field(description="As the clock in the lease's zone shows it.")
    nodes: int
    asked_by: str
    approved_by: str = Field(description="Empty until somebody has approved it.")


class BookingView(Answer):
    """A booking. Of one that is for others than the caller may know of only what and when."""

    id: str = Field(description="Empty in a dry run.")
    kind: str
    state: str = Field(description="asked, approved or cancelled; only an approved one binds.")
    title: str
    team: str
    people: list[str]
    nodes: str = Field(description="The nodes that are named; empty where `count` says how many.")
    count: int
    gpu_model: str
    site: str
    zone: str
    start: str = Field(description="As the clock in the zone shows it.")
    end: str
    repeat: str
    weekdays: list[str]
    until: str | None
    asked_by: str
    approved_by: str
    amendments: list[AmendmentView]
    is_hidden: bool = Field(description="Whether for whom it is was left out.")
    warning: str = Field(
        default="", description="Of a new one: what may not be there when it begins."
    )


class TimeView(Answer):
    """One time of a booking that binds."""

    booking: str
    start: str = Field(description="In UTC.")
    end: str
    told: str = Field(description="From when to when, for people, in the booking's zone.")
    count: int = Field(description="How many nodes.")
    nodes: list[str] = Field(
        description="Which; where none are named those that it would have as things stand now."
    )
    is_given_back: bool = Field(
        description="Whether others may use the nodes until its next time, as nobody it is for did."
    )


class CalendarView(Answer):
    """The bookings that are not over, and their times in the days that were asked for, in order."""

    now: str
    bookings: list[BookingView]
    times: list[TimeView]
