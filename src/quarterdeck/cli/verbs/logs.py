"""`qd logs`: what a job's command wrote."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from quarterdeck.cli.completion import job_argument
from quarterdeck.cli.jobs import print_log
from quarterdeck.cli.output import examples

if TYPE_CHECKING:
    from quarterdeck.sdk.client import Client
    from quarterdeck.sdk.requests import LogPart

PATIENCE_S = 600.0


@click.command(
    epilog=examples(
        "qd logs j7k2m9q4xw",
        "qd logs -f --tail 20 j7k2m9q4xw",
        "qd logs --grep loss --since 10m j7k2m9q4xw",
    )
)
@job_argument()
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
@click.option("--tail", type=click.IntRange(0), metavar="N", help="Begin with the last N lines.")
@click.option("--since", metavar="SPAN", help="Begin with what was written since, e.g. 10m.")
@click.option("--grep", metavar="TEXT", help="Only lines with this text, as it is.")
@click.option("--task", type=int, default=None, help="Of this task of an array.")
@click.option("--attempt", type=int, default=None, help="Of this attempt [the latest].")
@click.option("--rank", "node_rank", type=int, default=0, help="Of this node of the job.")
def command(
    job_id: str,
    tail: int | None,
    since: str | None,
    grep: str | None,
    *,
    task: int | None,
    attempt: int | None,
    node_rank: int,
    follow: bool,
) -> None:
    """Print the log of a job, byte by byte as it was written."""
    from quarterdeck.basics.quantities import parse_span_s
    from quarterdeck.sdk.client import Client
    from quarterdeck.sdk.requests import LogPart

    since_s = None if since is None else parse_span_s(since, field="--since")
    part = LogPart(tail, since_s, grep or None, task)
    with Client() as client:
        if not follow:
            _print_kept(client, job_id, attempt, node_rank, part)
            return
        client.get_job(job_id)
        client.patience_s = PATIENCE_S
        for message in client.stream_log(job_id, attempt=attempt, node_rank=node_rank, part=part):
            print_log(getattr(message, "text", ""))


def _print_kept(
    client: Client, job_id: str, attempt: int | None, node_rank: int, part: LogPart
) -> None:
    """Answer by answer, until one brings us no further."""
    from quarterdeck.sdk.requests import LogPart

    offset = None
    while True:
        answer = client.read_log(
            job_id, attempt=attempt, node_rank=node_rank, offset=offset or 0, part=part
        )
        sys.stdout.buffer.write(answer.data)
        has_grown = answer.next_offset != offset if offset is not None else answer.next_offset > 0
        if not has_grown or answer.is_final:
            break
        offset = answer.next_offset
        part = LogPart(contains=part.contains, task=part.task)
    sys.stdout.buffer.flush()
