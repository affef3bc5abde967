"""`qd reserve`: book nodes for a team or people, once or again and again; or for nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from quarterdeck.cli.bookings import describe, local_zone, print_booking, zone_option
from quarterdeck.cli.output import dry_run_option, examples, output_option, say

if TYPE_CHECKING:
    from collections.abc import Sequence

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@click.command(
    epilog=examples(
        "qd reserve --team vision -N 2 --start '2026-12-07 09:00' --span 8h",
        "qd reserve --team vision --nodes 'dgx-[01-04]' --start +2h --span 30m --dry-run",
        "qd reserve -t nlp -N 1 --start '2026-12-07 09:00' --span 8h --repeat weekly --on mon,thu",
        "qd reserve --maintenance --nodes dgx-03 --start +1d --span 4h --title 'new fan'",
    )
)
@click.option("--team", "-t", default="", help="For the jobs of this team.")
@click.option("--user", "users", multiple=True, metavar="NAME", help="For this person's jobs.")
@click.option("--maintenance", is_flag=True, help="For nobody: what runs there is drained.")
@click.option("--nodes", default="", metavar="LIST", help="These nodes, as 'dgx-[01-04]'.")
@click.option("--count", "-N", default=0, type=click.IntRange(0, 10_000), help="So many nodes.")
@click.option("--gpu", default="", metavar="MODEL", help="With GPUs of this model.")
@click.option("--site", default="", help="Of this site.")
@click.option("--start", required=True, metavar="WHEN", help="'2026-12-07 09:00', now or +2h.")
@click.option("--end", default=None, metavar="WHEN", help="When it ends; or give --span.")
@click.option("--span", default=None, metavar="SPAN", help="How long, as 8h; or give --end.")
@zone_option
@click.option(
    "--repeat",
    type=click.Choice(("none", "daily", "weekly")),
    default="none",
    help="How it comes back.",
)
@click.option("--on", default="", metavar="DAYS", help="Weekdays of a weekly one, as mon,thu.")
@click.option("--until", default=None, metavar="DAY", help="The last day it may begin on.")
@click.option("--title", default="", help="What it is called.")
@dry_run_option
@output_option
def command(  # noqa: PLR0913 - one parameter an option
    *,
    team: str,
    users: Sequence[str],
    maintenance: bool,
    nodes: str,
    count: int,
    gpu: str,
    site: str,
    start: str,
    end: str | None,
    span: str | None,
    zone: str | None,
    repeat: str,
    on: str,
    until: str | None,
    title: str,
    dry_run: bool,
    output: str,
) -> None:
    """Book nodes for a team or for people, or for nobody. Whoever may not approve that asks for it.

    What stands in its way is explained, also with --dry-run.
    """
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.bookings import BookingRequest

    weekdays = [day.strip().lower() for day in on.split(",")] if on else []
    wrong = [day for day in weekdays if day not in DAYS]
    if wrong:
        raise click.UsageError(f"--on has {wrong[0]!r}; days are {', '.join(DAYS)}")
    request = BookingRequest.model_validate(
        {
            "kind": "maintenance" if maintenance else "reservation",
            "title": title,
            "team": team,
            "people": list(users),
            "nodes": nodes,
            "count": count,
            "gpu_model": gpu,
            "site": site,
            "zone": zone or local_zone(),
            "start": start,
            "end": end,
            "span": span,
            "repeat": repeat,
            "weekdays": weekdays,
            "until": until,
        }
    )
    with Client() as client:
        view = client.calendar.book(request, dry_run=dry_run)
    named = view.kind if dry_run else f"{view.kind} {view.id}"
    would = "would be" if dry_run else "is"
    print_booking(view, f"{named} {would} {view.state}: {describe(view)}", output)
    if view.state == "asked" and output == "table" and not dry_run:
        say(f"hint: it binds when an operator or admin has said `qd calendar approve {view.id}`")
