"""`qd organization`: who owns it all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from quarterdeck.cli.output import (
    dry_run_option,
    examples,
    output_option,
    print_pairs,
    print_short,
    say,
)
from quarterdeck.cli.people import ask, yes_option

if TYPE_CHECKING:
    from quarterdeck.wire.v1.people import OrganizationView


@click.group(no_args_is_help=True, epilog=examples("qd organization show"))
def command() -> None:
    """The organization: its name, and who owns it."""


@command.command(epilog=examples("qd organization show"))
@output_option
def show(output: str) -> None:
    """Show the organization, and who owns it."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        _print(client.people.get_organization(), output)


@command.command(
    epilog=examples("qd organization transfer ann --dry-run", "qd organization transfer ann --yes")
)
@click.argument("user")
@yes_option
@dry_run_option
@output_option
def transfer(user: str, *, yes: bool, dry_run: bool, output: str) -> None:
    """Make USER an owner in your place. You are an admin from then on."""
    from quarterdeck.sdk.client import Client

    if not dry_run:
        ask(f"Hand your ownership over to {user}?", yes=yes)
    with Client() as client:
        view = client.people.transfer(user, dry_run=dry_run)
    if output == "table":
        told = "would hand over your ownership" if dry_run else "handed over your ownership"
        say(f"{told} to {user}")
    else:
        _print(view, output)


def _print(view: OrganizationView, output: str) -> None:
    if not print_short(output, view, view.name):
        print_pairs(
            (
                ("organization", view.name),
                ("owners", ", ".join(view.owners)),
                ("made", view.created_at),
            )
        )
