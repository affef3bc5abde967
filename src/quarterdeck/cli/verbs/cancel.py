"""`qd cancel`: stop jobs for good."""

from __future__ import annotations

import click

from quarterdeck.cli.jobs import change_jobs
from quarterdeck.cli.output import output_option


@click.command()
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@output_option
def command(job_ids: tuple[str, ...], output: str) -> None:
    """Take jobs out of the queue, or stop what runs: warning, grace, kill."""
    change_jobs(job_ids, output, lambda client, job_id: client.cancel(job_id))
