"""`qd user`: people and service accounts, what they are and may have, and who comes in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import click

from quarterdeck.cli.output import (
    dry_run_option,
    examples,
    output_option,
    print_json,
    print_pairs,
    print_short,
    print_table,
    say,
)
from quarterdeck.cli.people import (
    NONE,
    ORGANIZATION_ROLES,
    TEAM_ROLES,
    ask,
    changed_limits,
    limit_options,
    limits_told,
    page_options,
    parse_teams,
    show_or_change_limits,
    teams_told,
    tell_next,
    yes_option,
)

if TYPE_CHECKING:
    from quarterdeck.wire.v1.people import NewInvitationView, OrganizationRole, UserView


@click.group(no_args_is_help=True, epilog=examples("qd user list"))
def command() -> None:
    """People and service accounts: what they are, what they may have, and who comes in."""


@command.command(
    name="list",
    epilog=examples("qd user list", "qd user list --team vision --role lead -q"),
)
@page_options
@click.option("-A", "--team", default=None, help="Only who is in this team.")
@click.option(
    "--role",
    type=click.Choice((*ORGANIZATION_ROLES, *TEAM_ROLES, "service")),
    default=None,
    help="Only who has this role, anywhere.",
)
@output_option
def list_all(
    search: str | None,
    limit: int,
    after: str | None,
    *,
    team: str | None,
    role: str | None,
    output: str,
) -> None:
    """List the people and service accounts that you may see."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        page = client.people.list_users(
            search=search, team=team, role=role, limit=limit, after=after
        )
    if output == "json":
        print_json(page)
        return
    if output == "name":
        for user in page.users:
            say(user.name)
    else:
        rows = [
            (
                user.name,
                user.title or "-",
                user.kind,
                user.role or "-",
                teams_told(user.teams) or "-",
                "active" if user.active else "deactivated",
            )
            for user in page.users
        ]
        print_table(("USER", "TITLE", "KIND", "ROLE", "TEAMS", "STATE"), rows)
    tell_next(page.next_after)


@command.command(epilog=examples("qd user show ann"))
@click.argument("user")
@output_option
def show(user: str, output: str) -> None:
    """Show somebody: roles, teams and limits."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        view = client.people.get_user(user)
    if not print_short(output, view, view.name):
        print_pairs(
            (
                ("user", view.name),
                ("title", view.title),
                ("kind", view.kind),
                ("role", view.role),
                ("teams", teams_told(view.teams)),
                ("limits", limits_told(view.limits)),
                ("added", view.created_at),
                ("deactivated", view.deactivated_at),
            )
        )


@command.command(
    epilog=examples(
        "qd user create ann --team vision:lead", "qd user create ci --service --team vision"
    )
)
@click.argument("name")
@click.option("--title", default="", help="The full name.")
@click.option("--role", type=click.Choice(ORGANIZATION_ROLES), help="For the organization.")
@click.option(
    "-A", "--team", "teams", multiple=True, metavar="TEAM[:ROLE]", help="A team; repeatable."
)
@click.option("--service", is_flag=True, help="A service account of one team, for programs.")
@limit_options
@dry_run_option
@output_option
def create(
    name: str,
    *,
    title: str,
    role: OrganizationRole | None,
    teams: tuple[str, ...],
    service: bool,
    dry_run: bool,
    output: str,
    **limits: Any,  # noqa: ANN401 - the options of limits
) -> None:
    """Add a person, who has no way in yet (`qd user invite` makes one), or a service account."""
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.people import LimitsBody, UserRequest

    wanted = changed_limits(LimitsBody(), limits)
    if service:
        if len(teams) != 1 or ":" in teams[0]:
            raise click.UsageError("a service account is in one team, without a role: --team NAME")
        request = UserRequest(
            name=name, kind="service", title=title, role=role, team=teams[0], limits=wanted
        )
    else:
        request = UserRequest(
            name=name, title=title, role=role, teams=parse_teams(teams), limits=wanted
        )
    with Client() as client:
        added = client.people.create_user(request, dry_run=dry_run)
    _print_done(added, output, "would add" if dry_run else "added")


@command.command(epilog=examples("qd user role ann admin", "qd user role ann none"))
@click.argument("user")
@click.argument("role", type=click.Choice((*ORGANIZATION_ROLES, NONE)))
@dry_run_option
@output_option
def role(user: str, role: str, *, dry_run: bool, output: str) -> None:
    """Make somebody ROLE of the organization, in place of the role there is."""
    from quarterdeck.sdk.client import Client

    wanted = None if role == NONE else cast("OrganizationRole", role)
    with Client() as client:
        changed = client.people.appoint_user(user, wanted, dry_run=dry_run)
    if output == "table":
        told = f"{wanted} of the organization" if wanted else "nothing to the organization"
        say(f"{user} {'would be' if dry_run else 'is'} {told}")
    else:
        _print_done(changed, output, "")


@command.command(
    epilog=examples("qd user limits ann", "qd user limits ann --running 4 --queued 50 --soft")
)
@click.argument("user")
@limit_options
@click.option("--unlimited", is_flag=True, help="Without the limits there are; then what is given.")
@dry_run_option
@output_option
def limits(user: str, *, unlimited: bool, dry_run: bool, output: str, **options: Any) -> None:  # noqa: ANN401
    """Show somebody's limits, or change those that are given."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        show_or_change_limits(
            lambda: client.people.get_user(user),
            lambda wanted: client.people.limit_user(user, wanted, dry_run=dry_run),
            options,
            unlimited=unlimited,
            output=output,
        )


@command.command(
    epilog=examples("qd user deactivate bob --yes", "qd user deactivate bob --dry-run")
)
@click.argument("user")
@yes_option
@dry_run_option
@output_option
def deactivate(user: str, *, yes: bool, dry_run: bool, output: str) -> None:
    """Shut somebody out: tokens are revoked for good, open streams end. Their jobs go on."""
    from quarterdeck.sdk.client import Client

    if not dry_run:
        ask(f"Shut {user} out, and revoke all tokens of {user}?", yes=yes)
    with Client() as client:
        changed = client.people.deactivate_user(user, dry_run=dry_run)
    _print_done(changed, output, "would deactivate" if dry_run else "deactivated")


@command.command(epilog=examples("qd user activate bob"))
@click.argument("user")
@dry_run_option
@output_option
def activate(user: str, *, dry_run: bool, output: str) -> None:
    """Let somebody in again, by new tokens: the old ones stay revoked."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        changed = client.people.activate_user(user, dry_run=dry_run)
    _print_done(changed, output, "would activate" if dry_run else "activated")


@command.command(
    epilog=examples(
        "qd user invite ann --team vision:lead", "qd user invite dan --role operator --expires 2d"
    )
)
@click.argument("name")
@click.option("--role", type=click.Choice(ORGANIZATION_ROLES), help="For the organization.")
@click.option(
    "-A", "--team", "teams", multiple=True, metavar="TEAM[:ROLE]", help="A team; repeatable."
)
@click.option(
    "--expires", metavar="SPAN", default="7d", show_default=True, help="How long the code is good."
)
@dry_run_option
@output_option
def invite(
    name: str,
    *,
    role: OrganizationRole | None,
    teams: tuple[str, ...],
    expires: str,
    dry_run: bool,
    output: str,
) -> None:
    """Print a code that makes whoever shows it first the user NAME. It is shown this once.

    NAME is somebody new, or somebody who was added or let in again and has no token yet.
    """
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.people import InvitationRequest

    request = InvitationRequest(user=name, role=role, teams=parse_teams(teams), expires=expires)
    with Client() as client:
        made = client.people.invite(request, dry_run=dry_run)
    _print_invitation(made, output, dry_run=dry_run)


def _print_invitation(made: NewInvitationView, output: str, *, dry_run: bool) -> None:
    from quarterdeck.sdk.find import find_server

    roles = ", ".join(part for part in (made.role or "", teams_told(made.teams)) if part)
    whom = f"{made.user}, {roles}" if roles else made.user
    if output == "json":
        print_json(made)
    elif dry_run:
        say(made.user if output == "name" else f"would invite {whom}")
    else:
        say(made.code)
        if output == "table":
            say(f"{made.id} invites {whom}; good once, until {made.expires_at}", err=True)
            say(
                f"send it to {made.user}, who types: qd login {find_server().url} --invitation",
                err=True,
            )


def _print_done(user: UserView, output: str, told: str) -> None:
    if output == "json":
        print_json(user)
    else:
        say(user.name if output == "name" else f"{told} {user.name}")
