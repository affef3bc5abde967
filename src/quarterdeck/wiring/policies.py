"""`qd policy`: what the scheduler follows, whether a file of it is right, and what it would do."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from quarterdeck.cli.output import examples, output_option, print_pairs, print_short, say


@click.group()
def command() -> None:
    """Show, check and try what the scheduler follows."""


@command.command(epilog=examples("qd policy show", "qd policy show -o json"))
@output_option
def show(output: str) -> None:
    """Show the policy that is in force."""
    from quarterdeck.basics.quantities import format_span
    from quarterdeck.sdk import Client

    with Client() as client:
        view = client.get_policy()
    if not print_short(output, view, view.name):
        print_pairs(
            [
                ("name", view.name),
                ("version", view.version or "of no file: this is what a server does by itself"),
                ("since", view.since),
                ("order", view.order),
                ("patience", format_span(view.patience_s)),
                ("backfill", view.backfill),
                ("nearness_patience", format_span(view.nearness_patience_s)),
                ("pod_patience", format_span(view.pod_patience_s)),
                ("release_after", format_span(view.release_after_s)),
                ("reclaim_after", format_span(view.reclaim_after_s)),
                ("min_runtime", format_span(view.min_runtime_s)),
                ("moves", f"{view.moves}"),
                ("moves_percent", f"{view.moves_percent:g}"),
                ("half_life", None if view.half_life_s is None else format_span(view.half_life_s)),
            ]
        )
        if view.refused:
            say(f"what is in the file now is not in force: {view.refused}", err=True)


@command.command(epilog=examples("qd policy check policy.yaml"))
@click.argument("file", type=click.Path(path_type=Path))
@output_option
def check(file: Path, output: str) -> None:
    """Say whether a server would follow FILE; exit with 3 and say what is wrong if not."""
    from quarterdeck.wiring.policy.in_force import check_doable
    from quarterdeck.wiring.policy.reader import load_policy

    named = load_policy(file)
    check_doable(named)
    if output == "json":
        click.echo(json.dumps({"name": named.name, **asdict(named.policy)}, indent=2))
    elif output == "name":
        say(named.name)
    else:
        say(f"{named.name}: a server can follow it; save it as policy.yaml in the server's home")


@command.command(
    "try",
    epilog=examples("qd policy try shortest.yaml", "qd policy try shortest.yaml --from 7d"),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--home", type=click.Path(path_type=Path), help="Data folder [QD_HOME, ~/.quarterdeck]."
)
@click.option(
    "--from",
    "begin",
    metavar="WHEN",
    default="1d",
    show_default=True,
    help="2h ago, or 2026-11-23T09:45:00Z.",
)
@click.option("--to", "end", metavar="WHEN", help="Likewise [now].")
@click.option("--html", type=click.Path(path_type=Path), help="Write a report with plots there.")
@output_option
def attempt(
    file: Path, home: Path | None, begin: str, end: str | None, html: Path | None, output: str
) -> None:
    """Say who would have gained and who lost under the policy in FILE.

    The jobs of that time are simulated as they came, under the policy in force and under the other
    one. Nothing is changed, also beside a running server."""
    from quarterdeck.wiring.simulate.records import open_records, read_span
    from quarterdeck.wiring.simulate.whatif import Question, answer

    span_ns = read_span(begin, end)
    with open_records(home) as records:
        answer(records, span_ns, Question(policy=file, html=html), output)
