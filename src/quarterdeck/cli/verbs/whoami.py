"""`qd whoami`: whom the server takes you for, and what your token is good for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from quarterdeck.cli.output import examples, output_option, print_pairs, print_short
from quarterdeck.cli.people import teams_told

if TYPE_CHECKING:
    from quarterdeck.sdk.find import Address
    from quarterdeck.wire.v1.people import WhoamiView

_SOURCES = {
    "home": "the token of the server's own home",
    "login": "`qd login`",
    "QD_TOKEN": "QD_TOKEN",
    "QD_CREDENTIALS": "the job that this is",
}


@click.command(epilog=examples("qd whoami", "qd whoami -o json"))
@output_option
def command(output: str) -> None:
    """Say who you are to which server, in which teams, and by what token."""
    from quarterdeck.sdk.client import Client
    from quarterdeck.sdk.find import find_server

    with Client() as client:
        view = client.people.whoami()
    if not print_short(output, view, view.name):
        print_pairs(_pairs(view, find_server()))


def _pairs(view: WhoamiView, address: Address) -> list[tuple[str, object]]:
    told = [
        ("name", view.name),
        ("kind", view.kind),
        ("organization", view.organization),
        ("role", view.role),
        ("teams", teams_told(view.teams)),
    ]
    if view.token is None:
        told.append(("token", f"of this machine, from {_SOURCES[address.source]}"))
    else:
        token = view.token
        told += [
            ("token", f"{token.id} {token.name!r}, from {_SOURCES[address.source]}"),
            ("only for", None if token.teams is None else ", ".join(token.teams) or "no team"),
            ("expires", token.expires_at or "never"),
        ]
    told += [("good for", ", ".join(view.scopes)), ("server", address.url)]
    return list(told)
