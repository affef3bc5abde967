"""`qd login` and `qd logout`: keep a token for a server, and let it go."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from quarterdeck.basics.errors import NotAllowed, NotFound, QuarterdeckError
from quarterdeck.cli.output import dry_run_option, examples, output_option, print_done, say

if TYPE_CHECKING:
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.people import NewTokenView, WhoamiView

TOKEN, INVITATION, CLAIM = "token", "invitation", "claim"
_PREFIXES = {"qdi_": INVITATION, "qdc_": CLAIM, "qd_": TOKEN}
_CHARS_MAX = 4096
_CODES = {INVITATION: "an invitation's code", CLAIM: "a claim code", TOKEN: "a token"}


class _Door(NamedTuple):
    """What one comes in by."""

    kind: str
    secret: str
    name: str


@click.command(
    epilog=examples(
        "qd login https://deck.example.org",
        "qd login https://deck.example.org --invitation",
        "qd login https://deck.example.org --claim --name ann < claim",
        "qd login https://deck.example.org --token-stdin < deck.token",
    )
)
@click.argument("url", required=False)
@click.option(
    "--invitation", "kind", flag_value=INVITATION, help="Come in by an invitation's code."
)
@click.option("--claim", "kind", flag_value=CLAIM, help="Be a new server's first owner.")
@click.option(
    "--code", metavar="CODE", help="The code; it is good once. Otherwise it is asked for."
)
@click.option("--name", default=None, help="Of a new server's first owner [your account's].")
@click.option("--token-stdin", is_flag=True, help="Read the token, or the code, from stdin.")
@dry_run_option
@output_option
def login(
    url: str | None,
    *,
    kind: str | None,
    code: str | None,
    name: str | None,
    token_stdin: bool,
    dry_run: bool,
    output: str,
) -> None:
    """Keep a token for the server at URL, and use that server from now on.

    The token or code is asked for without showing it, or read from stdin; a token is never taken
    from the command line, where others of the machine and the shell's history would see it.
    """
    from quarterdeck.sdk.client import Client
    from quarterdeck.sdk.find import check_url, find_server, is_loopback

    server = check_url(url) if url else find_server(needs_token=False).url
    if server.startswith("http:") and not is_loopback(server):
        raise NotAllowed(
            f"{server} is not encrypted: whoever listens on the way would have the token",
            code="not_encrypted",
            hint="use its https:// address; `qd up` takes --tls-cert, or a proxy does it",
        )
    if code is not None and token_stdin:
        raise click.UsageError("give --code or --token-stdin, not both")
    door = _door(server, kind, code, name, token_stdin=token_stdin)
    if dry_run and door.kind != TOKEN:
        print_done(output, f"would show {_CODES[door.kind]} to {server}", server, url=server)
        return
    with Client(url=server, token=door.secret) as client:
        token = door.secret if door.kind == TOKEN else _enter(client, door).secret
    with Client(url=server, token=token) as client:
        who = client.people.whoami()
    if not dry_run:
        _keep(server, token, who.name)
    _print(who, server, output, dry_run=dry_run)


def _door(
    server: str, kind: str | None, code: str | None, name: str | None, *, token_stdin: bool
) -> _Door:
    if code is not None:
        secret = code.strip()
    elif token_stdin or not sys.stdin.isatty():
        secret = sys.stdin.read(_CHARS_MAX).strip()
    else:
        secret = click.prompt(f"{(kind or TOKEN).title()} for {server}", hide_input=True, err=True)
        secret = secret.strip()
    found = next((one for prefix, one in _PREFIXES.items() if secret.startswith(prefix)), None)
    if code is not None and (found or TOKEN) == TOKEN:
        raise click.UsageError(
            "--code is for the codes qdi_… and qdc_…; a token does not belong on a command line, "
            "where others can see it: leave --code out"
        )
    if not secret or not secret.isascii() or len(secret.split()) > 1:
        raise click.UsageError(f"what was given is not {_CODES[kind or TOKEN]}")
    if kind is not None and (found or TOKEN) != kind:
        raise click.UsageError(f"what was given is {_CODES[found or TOKEN]}, not {_CODES[kind]}")
    if name is not None and found != CLAIM:
        raise click.UsageError("--name is for the first owner of a new server: give --claim")
    return _Door(found or TOKEN, secret, name or getpass.getuser())


def _enter(client: Client, door: _Door) -> NewTokenView:
    if door.kind == CLAIM:
        return client.people.claim_server(door.secret, door.name)
    return client.people.accept_invitation(door.secret)


def _keep(server: str, token: str, name: str) -> None:
    import os

    from quarterdeck.sdk.logins import Login, read_logins, write_logins

    logins = read_logins()
    logins.servers[server] = Login(token, name)
    logins.last = server
    write_logins(logins)
    for variable in ("QD_SERVER", "QD_URL", "QD_TOKEN", "QD_HOME"):
        if os.environ.get(variable):
            say(f"note: {variable} is set, and goes before this login", err=True)
            break


def _print(who: WhoamiView, server: str, output: str, *, dry_run: bool) -> None:
    told = f"{'would log in' if dry_run else 'logged in'} to {server} as {who.name}"
    print_done(output, told, who.name, url=server, user=who.name, kept=not dry_run)


@click.command(epilog=examples("qd logout", "qd logout https://deck.example.org"))
@click.argument("url", required=False)
@dry_run_option
@output_option
def logout(url: str | None, *, dry_run: bool, output: str) -> None:
    """Revoke the token that `qd login` has kept for the server at URL, and forget it."""
    from quarterdeck.sdk.find import check_url
    from quarterdeck.sdk.logins import read_logins, write_logins

    logins = read_logins()
    server = check_url(url) if url else logins.last
    if server is None or server not in logins.servers:
        raise NotFound(
            f"there is no login to {server}" if server else "there is no login",
            code="not_logged_in",
            hint=f"there are logins to {', '.join(logins.servers) or 'nowhere'}",
        )
    left = _revoke(server, logins.servers[server].token, dry_run=dry_run)
    if not dry_run:
        del logins.servers[server]
        logins.last = None if logins.last == server else logins.last
        write_logins(logins)
    told = f"{'would log out' if dry_run else 'logged out'} of {server}"
    print_done(output, told, server, url=server, revoked=not (left or dry_run))
    if left:
        say(f"warning: the token could not be revoked: {left}", err=True)


def _revoke(server: str, token: str, *, dry_run: bool) -> str:
    """Why it could not be done; nothing when it was, or when there is nothing left to revoke."""
    from quarterdeck.sdk.client import Client

    with Client(url=server, token=token) as client:
        try:
            held = client.people.whoami().token
            if held is not None:
                client.people.revoke_token(held.id, dry_run=dry_run)
        except QuarterdeckError as error:
            return "" if error.code == "unknown_token" else error.message
    return ""
