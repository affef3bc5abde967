"""`qd note`: something to remember about a job."""

from __future__ import annotations

import click

from quarterdeck.cli.completion import job_argument
from quarterdeck.cli.jobs import print_job
from quarterdeck.cli.output import dry_run_option, examples, output_option


@click.command(epilog=examples("qd note j7k2m9q4xw 'the run for the paper'"))
@job_argument()
@click.argument("text")
@dry_run_option
@output_option
def command(job_id: str, text: str, *, dry_run: bool, output: str) -> None:
    """Write TEXT on a job; `qd show` shows it."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        job = client.note(job_id, text, dry_run=dry_run)
        print_job(job, output, would="write a note on" if dry_run else "")
