"""`qd logs`: what a job's command wrote."""

from __future__ import annotations

import sys

import click

from quarterdeck.cli.jobs import print_log

PATIENCE_S = 600.0


@click.command()
@click.argument("job_id", metavar="ID")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("--attempt", type=int, default=None, help="Of this attempt [the latest].")
@click.option("--rank", "node_rank", type=int, default=0, help="Of this node of the job.")
def command(job_id: str, attempt: int | None, node_rank: int, *, follow: bool) -> None:
    """Print the log of a job, byte by byte as it was written."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        if follow:
            client.get_job(job_id)
            client.patience_s = PATIENCE_S
            for message in client.stream_log(job_id, attempt=attempt, node_rank=node_rank):
                print_log(getattr(message, "text", ""))
            return
        offset = 0
        while True:
            part = client.read_log(job_id, attempt=attempt, node_rank=node_rank, offset=offset)
            sys.stdout.buffer.write(part.data)
            offset = part.next_offset
            if not part.data:
                break
        sys.stdout.buffer.flush()
