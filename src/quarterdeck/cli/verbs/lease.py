"""`qd lease`: capacity rented for months, changed by amendments, and approved by somebody else."""

from __future__ import annotations

import click

from quarterdeck.cli.bookings import (
    describe,
    local_zone,
    print_booking,
    print_step,
    short,
    zone_option,
)
from quarterdeck.cli.output import (
    dry_run_option,
    examples,
    output_option,
    print_json,
    print_table,
    say,
)


@click.group(
    epilog=examples(
        "qd lease new --team vision -N 3 --start 2027-03-01 --end 2027-09-01",
        "qd lease amend b7k2m9q4xw -N 6 --from 2027-04-01",
        "qd lease approve b7k2m9q4xw",
        "qd lease ls",
    )
)
def command() -> None:
    """Leases: capacity that a team rents for months. Whoever asks for one does not approve it."""


@command.command(
    epilog=examples("qd lease new --team vision -N 3 --start 2027-03-01 --end 2027-09-01")
)
@click.option("--team", "-t", required=True, help="Who rents it.")
@click.option("--count", "-N", required=True, type=click.IntRange(1, 10_000), help="Nodes.")
@click.option("--gpu", default="", metavar="MODEL", help="With GPUs of this model.")
@click.option("--site", default="", help="Of this site.")
@click.option("--start", required=True, metavar="WHEN", help="2027-03-01, or with a time.")
@click.option("--end", default=None, metavar="WHEN", help="When it ends; or give --span.")
@click.option("--span", default=None, metavar="SPAN", help="How long, as 180d; or give --end.")
@zone_option
@click.option("--title", default="", help="What it is called.")
@dry_run_option
@output_option
def new(  # noqa: PLR0913 - one parameter an option
    *,
    team: str,
    count: int,
    gpu: str,
    site: str,
    start: str,
    end: str | None,
    span: str | None,
    zone: str | None,
    title: str,
    dry_run: bool,
    output: str,
) -> None:
    """Ask for a lease of so many nodes. It binds when somebody else has approved it."""
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.bookings import BookingRequest

    request = BookingRequest(
        kind="lease",
        title=title,
        team=team,
        count=count,
        gpu_model=gpu,
        site=site,
        zone=zone or local_zone(),
        start=start,
        end=end,
        span=span,
    )
    with Client() as client:
        view = client.calendar.book(request, dry_run=dry_run)
    named, would = ("lease", "would be") if dry_run else (f"lease {view.id}", "is")
    print_booking(view, f"{named} {would} asked for: {describe(view)}", output)
    if output == "table" and not dry_run:
        say(f"hint: it binds when somebody else has said `qd lease approve {view.id}`")


@command.command(epilog=examples("qd lease amend b7k2m9q4xw -N 6 --from 2027-04-01"))
@click.argument("lease")
@click.option("--count", "-N", required=True, type=click.IntRange(0, 10_000), help="Nodes.")
@click.option("--from", "start", required=True, metavar="WHEN", help="From then on.")
@dry_run_option
@output_option
def amend(lease: str, *, count: int, start: str, dry_run: bool, output: str) -> None:
    """Ask for another number of nodes from a time on. It binds when somebody else approves."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        view = client.calendar.amend(lease, start, count, dry_run=dry_run)
    change = view.amendments[-1]
    would = "would be" if dry_run else "is"
    nodes = f"{change.nodes} node{'s'[: change.nodes != 1]}"
    told = f"lease {view.id} {would} asked to be {nodes} from {short(change.start)} on"
    print_booking(view, told, output)
    if output == "table" and not dry_run:
        say(f"hint: it binds when somebody else has said `qd lease approve {view.id}`")


@command.command(epilog=examples("qd lease approve b7k2m9q4xw"))
@click.argument("lease")
@dry_run_option
@output_option
def approve(lease: str, *, dry_run: bool, output: str) -> None:
    """Approve a lease, and what was asked to be changed of it."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        view = client.calendar.approve(lease, dry_run=dry_run)
    print_step(view, "approved", output, dry_run=dry_run)


@command.command(name="ls", epilog=examples("qd lease ls", "qd lease ls -o json"))
@output_option
def list_all(output: str) -> None:
    """List leases that are not over, with what changes of them."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        view = client.calendar.show()
    leases = [one for one in view.bookings if one.kind == "lease"]
    if output == "json":
        ids = {one.id for one in leases}
        times = [time for time in view.times if time.booking in ids]
        print_json(view.model_copy(update={"bookings": leases, "times": times}))
    elif output == "name":
        for one in leases:
            say(one.id)
    else:
        rows = []
        for one in leases:
            changes = [
                f"{change.nodes} from {short(change.start)}"
                + ("" if change.approved_by else " (asked)")
                for change in one.amendments
            ]
            rows.append(
                (one.id, one.state, one.title or "-", describe(one), "; ".join(changes) or "-")
            )
        print_table(("LEASE", "STATE", "TITLE", "WHAT", "AMENDED"), rows)
