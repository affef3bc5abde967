"""`qd show`: everything about one job."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from quarterdeck.basics.quantities import format_bytes, format_span
from quarterdeck.cli.completion import job_argument
from quarterdeck.cli.jobs import nodes_of, told_place
from quarterdeck.cli.output import (
    elapsed,
    examples,
    output_option,
    print_pairs,
    print_short,
    print_table,
    say,
)
from quarterdeck.cli.promises import print_promises, promises_of

if TYPE_CHECKING:
    from quarterdeck.wire.v1.jobs import ArrayView, JobView


@click.command(epilog=examples("qd show j7k2m9q4xw", "qd show j7k2m9q4xw -o json"))
@job_argument()
@output_option
def command(job_id: str, output: str) -> None:
    """Show a job, its attempts, and where they were."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        job = client.get_job(job_id)
        promises = promises_of(client, job_id) if output == "table" else []
    if not print_short(output, job, job.id):
        _print_job(job)
        print_promises(promises)


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
            *_image_lines(job),
            ("demand", f"{job.demand}, {job.cpus_per_node} CPUs per node"),
            ("memory per node", memory),
            ("priority", job.priority),
            ("time limit", format_span(job.time_limit_s) if job.time_limit_s else None),
            ("preemptible", None if job.preemptible else "no: it never makes room for others"),
            ("min runtime", format_span(job.min_runtime_s) if job.min_runtime_s else None),
            ("array", _array_line(job.array)),
            ("failed tasks", _failed_line(job.array)),
            ("needs", ", ".join(_need_line(job, need) for need in job.needs)),
            ("retries", job.retries or None),
            ("next retry", job.retry_at),
            ("tags", ", ".join(f"{key}={value}" for key, value in job.tags.items())),
            ("pretended", "yes: its devices are imaginary" if job.pretend else None),
            ("submitted", job.submitted_at),
            ("place", told_place(job)),
            ("started", job.started_at),
            ("ended", job.ended_at),
            ("nodes", nodes_of(job)),
        ]
    )
    for note in job.notes:
        say(f"note by {note.author} at {note.at}: {note.text}")
    if job.attempts:
        say()
        rows = [
            (
                attempt.number
                if attempt.task is None
                else f"{attempt.number} (task {attempt.task})",
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


def _image_lines(job: JobView) -> list[tuple[str, str | None]]:
    """What it runs in, and how long its last attempt took to fetch that."""
    replicas = job.attempts[-1].replicas if job.attempts else []
    waits = [f"{one.message} on {one.node}" for one in replicas if one.state == "pulling"]
    pulls = [one.pull_s for one in replicas if one.pull_s is not None]
    image = None if job.image is None else job.image_digest or f"{job.image} (not yet looked up)"
    is_tag = job.image is not None and job.image_digest not in (None, job.image)
    return [
        ("image", f"{image} (asked for: {job.image})" if is_tag else image),
        ("fetching", ", ".join(waits) or None),
        ("image fetched", f"in {format_span(max(pulls))}" if pulls else None),
        ("isolated", "yes" if job.isolate and job.image is None else None),
    ]


def _array_line(array: ArrayView | None) -> str | None:
    if array is None:
        return None
    counted = ", ".join(f"{count} {state}" for state, count in reversed(array.counts.items()))
    return f"{array.text}: {array.tasks} tasks, {counted}"


def _failed_line(array: ArrayView | None) -> str | None:
    if array is None or not array.failed:
        return None
    more = array.counts.get("failed", 0) - len(array.failed)
    return ", ".join(map(str, array.failed)) + (f" and {more} more" if more > 0 else "")


def _need_line(job: JobView, need: str) -> str:
    return f"{need} ({'not yet' if need in job.needs_unmet else 'met'})"
