"""`qd cancel`: stop jobs for good."""

from __future__ import annotations

import click

from quarterdeck.basics.errors import QuarterdeckError, Refused
from quarterdeck.cli.errors import show_error
from quarterdeck.cli.jobs import print_job
from quarterdeck.cli.output import output_option


@click.command()
@click.argument("job_ids", metavar="ID...", nargs=-1, required=True)
@output_option
def command(job_ids: tuple[str, ...], output: str) -> None:
    """Take jobs out of the queue, or stop what runs: signal, grace, kill."""
    from quarterdeck.sdk.client import Client

    failures: list[QuarterdeckError] = []
    with Client() as client:
        for job_id in job_ids:
            try:
                print_job(client.cancel(job_id), output)
            except Refused as error:
                failures.append(error)
    # All that can be cancelled are, and then the first refusal decides.
    for failure in failures[1:]:
        show_error(failure)
    if failures:
        raise failures[0]
