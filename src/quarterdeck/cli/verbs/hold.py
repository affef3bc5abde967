"""`qd hold` and `qd release`: out of the queue, and in again."""

from __future__ import annotations

import click

from quarterdeck.cli.jobs import change_jobs
from quarterdeck.cli.output import output_option


@click.command()
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@output_option
def hold(job_ids: tuple[str, ...], output: str) -> None:
    """Keep jobs that wait from starting, until they are released."""
    change_jobs(job_ids, output, lambda client, job_id: client.hold(job_id))


@click.command()
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@output_option
def release(job_ids: tuple[str, ...], output: str) -> None:
    """Let held jobs into the queue, at the place where they would have been."""
    change_jobs(job_ids, output, lambda client, job_id: client.release(job_id))
