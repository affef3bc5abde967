"""`qd calendar`: who has what in the next days, as a picture, as a table or as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from quarterdeck.cli.bookings import describe, print_booking, print_details, print_step, short
from quarterdeck.cli.output import (
    dry_run_option,
    examples,
    output_option,
    print_short,
    print_table,
    say,
)

if TYPE_CHECKING:
    from quarterdeck.wire.v1.bookings import BookingView, CalendarView


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "qd calendar",
        "qd calendar --days 14 --by node",
        "qd calendar --ical calendar.ics",
        "qd calendar cancel b7k2m9q4xw",
    ),
)
@click.option(
    "--days", default=7, show_default=True, type=click.IntRange(1, 400), help="So many days."
)
@click.option(
    "--by",
    type=click.Choice(("booking", "node")),
    default="booking",
    show_default=True,
    help="What a row of the picture is.",
)
@click.option("--ical", default=None, metavar="FILE|-", help="Write iCalendar (RFC 5545) instead.")
@output_option
@click.pass_context
def command(context: click.Context, *, days: int, by: str, ical: str | None, output: str) -> None:
    """Show who has which nodes in the next days. Of bookings of others it says what and when."""
    if context.invoked_subcommand is None:
        _show(days, by, ical, output)


@command.command(name="ls", epilog=examples("qd calendar ls", "qd calendar ls --past -o json"))
@click.option("--past", is_flag=True, help="Also what is over or cancelled.")
@output_option
def list_all(*, past: bool, output: str) -> None:
    """List bookings: those that are not over, also those that are only asked for."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        view = client.calendar.show(past=past)
    _print_list(view, view.bookings, output)


@command.command(epilog=examples("qd calendar show b7k2m9q4xw"))
@click.argument("booking")
@output_option
def show(booking: str, output: str) -> None:
    """Show everything about a booking."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        view = client.calendar.get(booking)
    if output == "table":
        print_details(view)
    else:
        print_booking(view, "", output)


@command.command(epilog=examples("qd calendar cancel b7k2m9q4xw --dry-run"))
@click.argument("booking")
@dry_run_option
@output_option
def cancel(booking: str, *, dry_run: bool, output: str) -> None:
    """Cancel a booking with all its coming times."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        view = client.calendar.cancel(booking, dry_run=dry_run)
    print_step(view, "cancelled", output, dry_run=dry_run)


@command.command(epilog=examples("qd calendar approve b7k2m9q4xw"))
@click.argument("booking")
@dry_run_option
@output_option
def approve(booking: str, *, dry_run: bool, output: str) -> None:
    """Approve a booking that somebody has asked for: from then on it binds."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        view = client.calendar.approve(booking, dry_run=dry_run)
    print_step(view, "approved", output, dry_run=dry_run)


def _show(days: int, by: str, ical: str | None, output: str) -> None:
    from quarterdeck.sdk.client import Client

    if ical is not None:
        with Client() as client:
            text = client.calendar.export()
        with click.open_file(ical, "w", encoding="utf-8") as stream:
            # Lines of it end as RFC 5545 wants them, whatever this system does.
            stream.write(text.replace("\r\n", "\n") if ical == "-" else text)
        if ical != "-" and output == "table":
            say(f"wrote {ical}")
        return
    with Client() as client:
        view = client.calendar.show(days=days)
    if not print_short(output, view, *(one.id for one in view.bookings)):
        from quarterdeck.cli.timetable import draw

        for line in draw(view, days, by_node=by == "node"):
            say(line)


def _print_list(view: CalendarView, bookings: list[BookingView], output: str) -> None:
    if not print_short(output, view, *(one.id for one in bookings)):
        rows = [
            (one.id, one.kind, one.state, short(one.start), one.title or "-", describe(one))
            for one in bookings
        ]
        print_table(("BOOKING", "KIND", "STATE", "START", "TITLE", "WHAT"), rows)
