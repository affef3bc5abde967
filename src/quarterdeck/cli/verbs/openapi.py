"""`qd openapi`: the API's own description."""

from __future__ import annotations

import json

import click

from quarterdeck.cli.output import examples


@click.command(epilog=examples("qd openapi > openapi.json"))
def command() -> None:
    """Print the OpenAPI 3.1 document of the server."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        click.echo(json.dumps(client.get_openapi(), indent=2))
