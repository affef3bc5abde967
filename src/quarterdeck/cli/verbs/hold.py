"""`qd hold` and `qd release`: out of the queue, and in again."""

from __future__ import annotations

import click

from quarterdeck.cli.completion import job_arguments
from quarterdeck.cli.jobs import change_jobs
from quarterdeck.cli.output import dry_run_option, examples, output_option


@click.command(epilog=examples("qd hold j7k2m9q4xw", "qd hold $(qd ps -q --state queued)"))
@job_arguments("queued")
@dry_run_option
@output_option
def hold(job_ids: tuple[str, ...], *, dry_run: bool, output: str) -> None:
    """Keep jobs that wait from starting, until they are released."""
    change_jobs(
        job_ids,
        output,
        lambda client, job_id: client.hold(job_id, dry_run=dry_run),
        would="hold" if dry_run else "",
    )


@click.command(epilog=examples("qd release j7k2m9q4xw", "qd release $(qd ps -q --state held)"))
@job_arguments("held")
@dry_run_option
@output_option
def release(job_ids: tuple[str, ...], *, dry_run: bool, output: str) -> None:
    """Let held jobs into the queue, at the place where they would have been."""
    change_jobs(
        job_ids,
        output,
        lambda client, job_id: client.release(job_id, dry_run=dry_run),
        would="release" if dry_run else "",
    )
