"""`qd token`: credentials for other machines, for programs, and for service accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from quarterdeck.cli.output import (
    age,
    dry_run_option,
    examples,
    output_option,
    print_done,
    print_json,
    print_table,
    say,
)
from quarterdeck.cli.people import tell_next

if TYPE_CHECKING:
    from quarterdeck.wire.v1.people import NewTokenView, ScopeName

SCOPES = ("everything", "jobs", "read")
NEVER = "never"


@click.group(no_args_is_help=True, epilog=examples("qd token list"))
def command() -> None:
    """Tokens: what a program, or you on another machine, come in with."""


@command.command(name="list", epilog=examples("qd token list", "qd token list --for ci"))
@click.option("--for", "user", metavar="USER", default=None, help="Whose; yours when left out.")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, 1000),
    default=100,
    help="At most so many.",
    show_default=True,
)
@click.option("--after", metavar="ID", default=None, help="The page after this one.")
@output_option
def list_all(user: str | None, limit: int, after: str | None, output: str) -> None:
    """List tokens, without their secrets."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        page = client.people.list_tokens(user=user, limit=limit, after=after)
    if output == "json":
        print_json(page)
        return
    if output == "name":
        for token in page.tokens:
            say(token.id)
    else:
        rows = [
            (
                token.id,
                token.name,
                ",".join(token.scopes),
                "all" if token.teams is None else ",".join(token.teams) or "none",
                token.expires_at or NEVER,
                "never" if token.last_used_at is None else f"{age(token.last_used_at)} ago",
                token.last_source or "-",
            )
            for token in page.tokens
        ]
        print_table(("ID", "NAME", "SCOPES", "TEAMS", "EXPIRES", "USED", "FROM"), rows)
    tell_next(page.next_after)


@command.command(
    epilog=examples(
        "qd token create --name laptop",
        "qd token create --scope jobs --team vision --expires 30d",
        "qd token create --for ci --name nightly > ci.token",
    )
)
@click.option("--name", default="token", show_default=True, help="What it is for.")
@click.option(
    "--for", "user", metavar="USER", default=None, help="A service account of a team that you lead."
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="What it is good for; repeatable [everything that its owner may].",
)
@click.option("-A", "--team", "teams", multiple=True, help="Only for this team; repeatable.")
@click.option(
    "--expires",
    metavar="SPAN|never",
    default="90d",
    show_default=True,
    help="How long it is good, for example 30d.",
)
@dry_run_option
@output_option
def create(*, dry_run: bool, output: str, **options: Any) -> None:  # noqa: ANN401
    """Make a token and print its secret, this once: alone on stdout, so a program can take it."""
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.people import TokenRequest

    scopes: list[ScopeName] = list(dict.fromkeys(options["scopes"])) or ["everything"]
    request = TokenRequest(
        name=options["name"],
        user=options["user"],
        scopes=scopes,
        teams=list(options["teams"]) or None,
        expires=None if options["expires"] == NEVER else options["expires"],
    )
    with Client() as client:
        made = client.people.create_token(request, dry_run=dry_run)
    if output == "json":
        print_json(made)
    elif dry_run:
        say(made.name if output == "name" else f"would make a token of {_told(made)}")
    else:
        say(made.secret)
        if output == "table":
            say(f"{made.id} of {_told(made)}", err=True)
            say("keep it now: it is not shown again", err=True)


@command.command(epilog=examples("qd token revoke TOKEN", "qd token revoke $(qd token list -q)"))
@click.argument("token_ids", metavar="ID...", nargs=-1, required=True)
@dry_run_option
@output_option
def revoke(token_ids: tuple[str, ...], *, dry_run: bool, output: str) -> None:
    """Make tokens good for nothing, and end the streams that they opened."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        for token_id in token_ids:
            client.people.revoke_token(token_id, dry_run=dry_run)
            told = f"{'would revoke' if dry_run else 'revoked'} {token_id}"
            print_done(output, told, token_id, id=token_id, revoked=not dry_run)


def _told(made: NewTokenView) -> str:
    """For people: whose it is, and what for."""
    teams = "" if made.teams is None else f" in {', '.join(made.teams)}"
    until = f"until {made.expires_at}" if made.expires_at else "until it is revoked"
    return f"{made.owner}, {made.name!r}: good for {', '.join(made.scopes)}{teams}, {until}"
