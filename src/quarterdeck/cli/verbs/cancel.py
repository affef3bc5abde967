"""`qd cancel`: stop jobs for good."""

from __future__ import annotations

import click

from quarterdeck.cli.completion import UNFINISHED, job_arguments
from quarterdeck.cli.jobs import change_jobs
from quarterdeck.cli.output import dry_run_option, examples, output_option


@click.command(
    epilog=examples("qd cancel j7k2m9q4xw", "qd cancel --dry-run $(qd ps -q --name sweep)")
)
@job_arguments(*UNFINISHED)
@dry_run_option
@output_option
def command(job_ids: tuple[str, ...], *, dry_run: bool, output: str) -> None:
    """Take jobs out of the queue, or stop what runs: warning, grace, kill."""
    change_jobs(
        job_ids,
        output,
        lambda client, job_id: client.cancel(job_id, dry_run=dry_run),
        would="cancel" if dry_run else "",
    )
