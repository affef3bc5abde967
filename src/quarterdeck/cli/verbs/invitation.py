"""`qd invitation`: codes that are out and that nobody has used yet."""

from __future__ import annotations

import click

from quarterdeck.cli.output import (
    dry_run_option,
    examples,
    output_option,
    print_done,
    print_short,
    print_table,
)
from quarterdeck.cli.people import teams_told


@click.group(no_args_is_help=True, epilog=examples("qd invitation list"))
def command() -> None:
    """Invitations that nobody has used yet; `qd user invite` makes them."""


@command.command(name="list", epilog=examples("qd invitation list", "qd invitation list -q"))
@output_option
def list_all(output: str) -> None:
    """List them, without their codes."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        listed = client.people.list_invitations()
    if print_short(output, listed, *(one.id for one in listed.invitations)):
        return
    rows = [
        (
            one.id,
            one.user,
            one.role or "-",
            teams_told(one.teams) or "-",
            one.invited_by,
            one.expires_at,
        )
        for one in listed.invitations
    ]
    print_table(("ID", "USER", "ROLE", "TEAMS", "INVITED BY", "EXPIRES"), rows)


@command.command(epilog=examples("qd invitation revoke INVITATION"))
@click.argument("invitation_id", metavar="ID")
@dry_run_option
@output_option
def revoke(invitation_id: str, *, dry_run: bool, output: str) -> None:
    """Make a code good for nothing."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        client.people.withdraw_invitation(invitation_id, dry_run=dry_run)
    told = f"{'would revoke' if dry_run else 'revoked'} {invitation_id}"
    print_done(output, told, invitation_id, id=invitation_id, revoked=not dry_run)
