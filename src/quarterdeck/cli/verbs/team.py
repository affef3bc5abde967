"""`qd team`: teams, who is in them, and what they may have."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from quarterdeck.cli.output import (
    dry_run_option,
    examples,
    output_option,
    print_json,
    print_pairs,
    print_table,
    say,
)
from quarterdeck.cli.people import (
    TEAM_ROLES,
    ask,
    changed_limits,
    limit_options,
    limits_told,
    page_options,
    show_or_change_limits,
    tell_next,
    yes_option,
)

if TYPE_CHECKING:
    from quarterdeck.wire.v1.people import MemberList, TeamRole, TeamView


@click.group(no_args_is_help=True, epilog=examples("qd team list"))
def command() -> None:
    """Teams: who is in them, and how much they may have. Every job belongs to one."""


@command.command(name="list", epilog=examples("qd team list", "qd team list --search vision -q"))
@page_options
@output_option
def list_all(search: str | None, limit: int, after: str | None, output: str) -> None:
    """List the teams that you may see."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        page = client.people.list_teams(search=search, limit=limit, after=after)
    if output == "json":
        print_json(page)
        return
    if output == "name":
        for team in page.teams:
            say(team.name)
    else:
        rows = [
            (
                team.name,
                team.title or "-",
                team.members,
                team.queued_jobs,
                limits_told(team.limits),
                "closed" if team.closed_at else "open",
            )
            for team in page.teams
        ]
        print_table(("TEAM", "TITLE", "MEMBERS", "QUEUED", "LIMITS", "STATE"), rows)
    tell_next(page.next_after)


@command.command(epilog=examples("qd team show vision", "qd team show vision -o json"))
@click.argument("team")
@output_option
def show(team: str, output: str) -> None:
    """Show a team and who is in it. With -o json they are the key `people`; with -q, names."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        view, listed = client.people.get_team(team), client.people.list_members(team)
    if output == "json":
        people = [member.model_dump() for member in listed.members]
        say(json.dumps({**view.model_dump(), "people": people}, indent=2))
    elif output == "name":
        for member in listed.members:
            say(member.user)
    else:
        _print_team(view)
        say()
        _print_members(listed)


@command.command(
    epilog=examples("qd team create vision --title 'Vision group' --queued 500 --running 32")
)
@click.argument("name")
@click.option("--title", default="", help="What people call it.")
@limit_options
@dry_run_option
@output_option
def create(name: str, *, title: str, dry_run: bool, output: str, **limits: Any) -> None:  # noqa: ANN401
    """Make a team. Its name is for good."""
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.people import LimitsBody, TeamRequest

    request = TeamRequest(name=name, title=title, limits=changed_limits(LimitsBody(), limits))
    with Client() as client:
        made = client.people.create_team(request, dry_run=dry_run)
    _print_done(made, output, "would make" if dry_run else "made")


@command.command(epilog=examples("qd team close vision --yes", "qd team close vision --dry-run"))
@click.argument("team")
@yes_option
@dry_run_option
@output_option
def close(team: str, *, yes: bool, dry_run: bool, output: str) -> None:
    """Take no new jobs for a team. What it has goes on; its name stays taken."""
    from quarterdeck.sdk.client import Client

    if not dry_run:
        ask(f"Close team {team} for good?", yes=yes)
    with Client() as client:
        closed = client.people.close_team(team, dry_run=dry_run)
    _print_done(closed, output, "would close" if dry_run else "closed")


@command.command(epilog=examples("qd team add vision ann", "qd team add vision bob --role viewer"))
@click.argument("team")
@click.argument("user")
@click.option(
    "--role",
    type=click.Choice(TEAM_ROLES),
    default="member",
    show_default=True,
    help="What to be to the team.",
)
@dry_run_option
@output_option
def add(team: str, user: str, *, role: TeamRole, dry_run: bool, output: str) -> None:
    """Put somebody into a team, or change their role in it."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        listed = client.people.put_member(team, user, role, dry_run=dry_run)
    told = f"{'would make' if dry_run else 'made'} {user} {role} of {team}"
    _print_staffed(listed, output, user, told)


@command.command(epilog=examples("qd team remove vision bob"))
@click.argument("team")
@click.argument("user")
@dry_run_option
@output_option
def remove(team: str, user: str, *, dry_run: bool, output: str) -> None:
    """Take somebody out of a team. Their jobs stay the team's."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        listed = client.people.remove_member(team, user, dry_run=dry_run)
    told = f"{'would take' if dry_run else 'took'} {user} out of {team}"
    _print_staffed(listed, output, user, told)


@command.command(
    epilog=examples(
        "qd team limits vision",
        "qd team limits vision --running 8 --queued 100",
        "qd team limits vision --running 8 --soft",
        "qd team limits vision --queued none",
    )
)
@click.argument("team")
@limit_options
@click.option("--unlimited", is_flag=True, help="Without the limits there are; then what is given.")
@dry_run_option
@output_option
def limits(team: str, *, unlimited: bool, dry_run: bool, output: str, **options: Any) -> None:  # noqa: ANN401
    """Show a team's limits, or change those that are given."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        show_or_change_limits(
            lambda: client.people.get_team(team),
            lambda wanted: client.people.limit_team(team, wanted, dry_run=dry_run),
            options,
            unlimited=unlimited,
            output=output,
        )


def _print_done(team: TeamView, output: str, told: str) -> None:
    if output == "json":
        print_json(team)
    else:
        say(team.name if output == "name" else f"{told} team {team.name}")


def _print_staffed(listed: MemberList, output: str, user: str, told: str) -> None:
    if output == "json":
        print_json(listed)
    else:
        say(user if output == "name" else told)


def _print_team(team: TeamView) -> None:
    print_pairs(
        (
            ("team", team.name),
            ("title", team.title),
            ("limits", limits_told(team.limits)),
            ("queued", team.queued_jobs),
            ("made", team.created_at),
            ("closed", team.closed_at),
        )
    )


def _print_members(listed: MemberList) -> None:
    rows = [
        (member.user, member.role, member.kind, "active" if member.active else "deactivated")
        for member in listed.members
    ]
    print_table(("USER", "ROLE", "KIND", "STATE"), rows)
