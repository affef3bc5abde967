"""`qd show`: everything about one job."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from quarterdeck.basics.quantities import format_bytes
from quarterdeck.cli.jobs import nodes_of
from quarterdeck.cli.output import elapsed, output_option, print_json, print_pairs, print_table

if TYPE_CHECKING:
    from quarterdeck.wire.v1.jobs import JobView


@click.command()
@click.argument("job_id", metavar="ID")
@output_option
def command(job_id: str, output: str) -> None:
    """Show a job, its attempts, and where they were."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        job = client.get_job(job_id)
    if output == "json":
        print_json(job)
    elif output == "name":
        click.echo(job.id)
    else:
        _print_job(job)


def _print_job(job: JobView) -> None:
    memory = format_bytes(job.memory_bytes_per_node) if job.memory_bytes_per_node else None
    print_pairs(
        [
            ("id", job.id),
            ("name", job.name),
            ("owner", job.owner),
            ("team", job.team),
            ("state", job.state),
            ("reason", job.reason),
            ("message", job.message),
            ("exit code", job.exit_code),
            ("command", shlex.join(job.command)),
            ("demand", f"{job.demand}, {job.cpus_per_node} CPUs per node"),
            ("memory per node", memory),
            ("priority", job.priority),
            ("pretended", "yes: its devices are imaginary" if job.pretend else None),
            ("submitted", job.submitted_at),
            ("started", job.started_at),
            ("ended", job.ended_at),
            ("nodes", nodes_of(job)),
        ]
    )
    if job.attempts:
        click.echo()
        rows = [
            (
                attempt.number,
                attempt.state,
                attempt.reason or "-",
                "-" if attempt.exit_code is None else attempt.exit_code,
                attempt.placed_at,
                elapsed(attempt.started_at, attempt.ended_at),
                ",".join(grant.node for grant in attempt.placement),
            )
            for attempt in job.attempts
        ]
        titles = ("ATTEMPT", "STATE", "REASON", "CODE", "PLACED", "RUN TIME", "NODES")
        print_table(titles, rows)
