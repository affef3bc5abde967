"""`qd stats`: totals of the server."""

from __future__ import annotations

import click

from quarterdeck.cli.output import examples, output_option, print_short, print_table, say


@click.group(name="stats")
def command() -> None:
    """Totals of the server, which everybody may know."""


@command.command(epilog=examples("qd stats promises", "qd stats promises --days 30 -o json"))
@click.option(
    "--days", type=click.IntRange(1, 90), default=14, help="The last so many.", show_default=True
)
@output_option
def promises(days: int, output: str) -> None:
    """Count the jobs that started when they were promised to, by day (UTC).

    A job that has to wait is promised bounds that half of all such starts keep, and wider ones that
    nine in ten keep (docs/promises.md). AT FIRST counts what was promised when a wait began, AT
    LAST what was promised last before the start.
    """
    from quarterdeck.sdk.client import Client

    with Client() as client:
        stats = client.count_promises(days)
    if print_short(output, stats, *(one.day for one in stats.days)):
        return
    if not stats.days:
        say("no job that was promised a start has started yet")
        return
    rows = [
        (
            one.day,
            one.starts,
            *(
                f"{kept} ({kept / one.starts:.0%})"
                for kept in (
                    one.half_kept,
                    one.most_kept,
                    one.last_half_kept,
                    one.last_most_kept,
                )
            ),
        )
        for one in stats.days
    ]
    titles = ("DAY", "STARTS", "AT FIRST 50 %", "AT FIRST 90 %", "AT LAST 50 %", "AT LAST 90 %")
    print_table(titles, rows)
