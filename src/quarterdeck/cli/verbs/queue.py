"""`qd queue`: who waits, in which order, and why."""

from __future__ import annotations

import click

from quarterdeck.cli.output import age, examples, output_option, print_json, print_table

REASON_CHARS_MAX = 70


@click.command(epilog=examples("qd queue", "qd queue -n 100 -o json"))
@click.option("-n", "--limit", type=int, default=20, help="At most so many.", show_default=True)
@output_option
def command(limit: int, output: str) -> None:
    """Show the queue as the next decision sees it."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        queue = client.get_queue(limit=limit)
    if output == "json":
        print_json(queue)
        return
    if output == "name":
        for entry in queue.entries:
            click.echo(entry.id)
        return
    rows = []
    for entry in queue.entries:
        told = entry.verdict.message if entry.verdict else "it fits and starts next"
        why = told if len(told) <= REASON_CHARS_MAX else f"{told[: REASON_CHARS_MAX - 1]}…"
        tasks = "" if entry.tasks_waiting is None else f" × {entry.tasks_waiting} tasks"
        rows.append(
            (
                entry.position,
                entry.id,
                entry.name,
                entry.owner,
                entry.priority,
                f"{entry.demand}{tasks}",
                age(entry.submitted_at),
                why,
            )
        )
    print_table(("#", "ID", "NAME", "OWNER", "PRIORITY", "DEMAND", "AGE", "WHY"), rows)
    left = queue.length - len(queue.entries)
    if left > 0:
        click.echo(f"{left} more; -n {queue.length} shows them", err=True)
