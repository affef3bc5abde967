"""`qd note`: something to remember about a job."""

from __future__ import annotations

import click

from quarterdeck.cli.jobs import print_job
from quarterdeck.cli.output import output_option


@click.command()
@click.argument("job_id", metavar="ID")
@click.argument("text")
@output_option
def command(job_id: str, text: str, output: str) -> None:
    """Write TEXT on a job; `qd show` shows it."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        print_job(client.note(job_id, text), output)
