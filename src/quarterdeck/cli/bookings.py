"""What the verbs of the calendar share: how a booking is asked for, told and printed."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from quarterdeck.cli.output import print_pairs, print_short, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.wire.v1.bookings import BookingView

F = TypeVar("F", bound="Callable[..., Any]")
LOCALTIME: Final = "/etc/localtime"


def local_zone() -> str:
    """The IANA name of this machine's time zone: `TZ`, else where its clock's rules are linked
    to, else UTC."""
    named = os.environ.get("TZ", "").lstrip(":")
    if named and not named.startswith("/"):
        return named
    _, found, name = os.path.realpath(named or LOCALTIME).partition("/zoneinfo/")
    return name.removeprefix("posix/") if found else "UTC"


def zone_option(function: F) -> F:
    """`--zone`, of times as they are written; this machine's if it is not said."""
    help_text = "IANA time zone [this machine's]."
    return click.option("--zone", default=None, metavar="NAME", help=help_text)(function)


def print_booking(view: BookingView, told: str, output: str) -> None:
    """The booking as JSON, its id, or a sentence and what there is to know."""
    if not print_short(output, view, view.id):
        say(told)
    if view.warning:
        say(f"warning: {view.warning}", err=True)


def print_step(view: BookingView, done: str, output: str, *, dry_run: bool) -> None:
    """What was done with a booking, or would be: approved, cancelled."""
    would = "would be" if dry_run else "is"
    print_booking(view, f"{view.kind} {view.id} {would} {done}: {describe(view)}", output)


def describe(view: BookingView) -> str:
    """What of it is booked, for whom and when, for example `2 nodes for team vision, …`."""
    times = f"{short(view.start)} to {_end_of(view)} {view.zone}"
    if view.repeat == "daily":
        times += ", daily"
    elif view.repeat == "weekly":
        times += f", weekly on {', '.join(view.weekdays)}"
    if view.until is not None:
        times += f" until {view.until}"
    return f"{what_of(view)} for {whom_of(view)}, {times}"


def what_of(view: BookingView) -> str:
    """The nodes, by name or number."""
    if view.nodes:
        return view.nodes
    model = f" with {view.gpu_model}" if view.gpu_model else ""
    return f"{view.count} node{'s'[: view.count > 1]}{model}"


def whom_of(view: BookingView) -> str:
    """For whom it is."""
    if view.is_hidden:
        return "others"
    if view.kind == "maintenance":
        return "nobody"
    team = f"team {view.team}" if view.team else ""
    people = ", ".join(view.people)
    return f"{people} in {team}" if team and people else team or people


def short(local: str) -> str:
    """A local time without seconds that are none."""
    return local.removesuffix(":00")


def print_details(view: BookingView) -> None:
    """Everything about a booking, a line each."""
    print_pairs(
        [
            ("id", view.id),
            ("kind", view.kind),
            ("state", view.state),
            ("title", view.title),
            ("for", whom_of(view)),
            ("nodes", what_of(view)),
            ("site", view.site),
            ("start", f"{short(view.start)} {view.zone}"),
            ("end", f"{short(view.end)} {view.zone}"),
            ("repeat", "" if view.repeat == "none" else view.repeat),
            ("on", ", ".join(view.weekdays)),
            ("until", view.until),
            ("asked by", view.asked_by),
            ("approved by", view.approved_by),
        ]
    )
    for one in view.amendments:
        state = f"approved by {one.approved_by}" if one.approved_by else "not approved yet"
        nodes = f"{one.nodes} node{'s'[: one.nodes != 1]}"
        say(f"from {short(one.start)}: {nodes}, asked by {one.asked_by}, {state}")


def _end_of(view: BookingView) -> str:
    """Its end, without the day where that is the same."""
    day, _, clock = short(view.end).partition(" ")
    return clock if day == view.start.partition(" ")[0] else f"{day} {clock}"
