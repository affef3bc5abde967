"""`qd requeue`: another attempt of the same job."""

from __future__ import annotations

import click

from quarterdeck.cli.completion import job_argument
from quarterdeck.cli.jobs import print_job
from quarterdeck.cli.output import dry_run_option, examples, output_option


@click.command(epilog=examples("qd requeue j7k2m9q4xw", "qd requeue --dry-run j7k2m9q4xw"))
@job_argument()
@dry_run_option
@output_option
def command(job_id: str, *, dry_run: bool, output: str) -> None:
    """Give a job another attempt; one that runs is stopped first."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        job = client.requeue(job_id, dry_run=dry_run)
        print_job(job, output, would="requeue" if dry_run else "")
