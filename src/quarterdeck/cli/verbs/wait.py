"""`qd wait`: until a job has ended."""

from __future__ import annotations

import sys

import click

from quarterdeck.cli.completion import UNFINISHED, job_argument
from quarterdeck.cli.errors import JOB_FAILED, TIMED_OUT
from quarterdeck.cli.jobs import print_job
from quarterdeck.cli.output import examples, output_option

PATIENCE_S = 60.0


@click.command(epilog=examples("qd wait j7k2m9q4xw", "qd wait --timeout 60 j7k2m9q4xw"))
@job_argument(*UNFINISHED)
@click.option("--timeout", type=click.FloatRange(min=0), help="Give up after so many seconds.")
@output_option
def command(job_id: str, timeout: float | None, output: str) -> None:
    """Wait for the end of a job: 0 if it succeeded, 1 if not, 124 after the timeout."""
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.jobs import FINAL_STATES

    with Client() as client:
        client.get_job(job_id)
        client.patience_s = PATIENCE_S if timeout is None else min(PATIENCE_S, timeout)
        job = client.wait(job_id, timeout_s=timeout)
    print_job(job, output)
    if job.state not in FINAL_STATES:
        sys.exit(TIMED_OUT)
    sys.exit(0 if job.state == "succeeded" else JOB_FAILED)
