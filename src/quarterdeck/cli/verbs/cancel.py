"""`qd cancel`: stop jobs for good."""

from __future__ import annotations

import click

from quarterdeck.cli.jobs import print_job
from quarterdeck.cli.output import output_option


@click.command()
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@output_option
def command(job_ids: tuple[str, ...], output: str) -> None:
    """Take jobs out of the queue, or stop what runs: signal, grace, kill."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        for job_id in job_ids:
            print_job(client.cancel(job_id), output)
