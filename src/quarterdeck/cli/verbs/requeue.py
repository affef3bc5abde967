"""`qd requeue`: another attempt of the same job."""

from __future__ import annotations

import click

from quarterdeck.cli.jobs import print_job
from quarterdeck.cli.output import output_option


@click.command()
@click.argument("job_id", metavar="ID")
@output_option
def command(job_id: str, output: str) -> None:
    """Give a job another attempt; one that runs is stopped first."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        print_job(client.requeue(job_id), output)
