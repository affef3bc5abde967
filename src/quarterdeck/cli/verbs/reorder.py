"""`qd reorder`: which of one's own waiting jobs goes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from quarterdeck.cli.completion import job_arguments
from quarterdeck.cli.output import (
    dry_run_option,
    examples,
    output_option,
    print_short,
    print_table,
    say,
)

if TYPE_CHECKING:
    from quarterdeck.wire.v1.queue import ReorderView


@click.command(
    epilog=examples(
        "qd reorder j7k2m9q4xw j3n5p8r2tv",
        "qd reorder --dry-run j7k2m9q4xw j3n5p8r2tv",
        "qd reorder --reset $(qd ps -q --state queued)",
    )
)
@job_arguments("queued")
@click.option("--reset", is_flag=True, help="As they would come without an order of your own.")
@dry_run_option
@output_option
def command(job_ids: tuple[str, ...], *, reset: bool, dry_run: bool, output: str) -> None:
    """Let waiting jobs come in this order, the first one first, on the places that they hold in
    the queue. Nobody else's job comes earlier or later by it."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        told = client.reorder(job_ids, reset=reset, dry_run=dry_run)
    if not print_short(output, told, *(job.id for job in told.jobs)):
        _print_order(told, dry_run=dry_run)


def _print_order(told: ReorderView, *, dry_run: bool) -> None:
    if dry_run:
        say("they would come so:")
    rows = [(_place(job.position), job.id, job.name, _place(job.before)) for job in told.jobs]
    print_table(("#", "ID", "NAME", "BEFORE"), rows)


def _place(position: int | None) -> str:
    return "-" if position is None else str(position)
