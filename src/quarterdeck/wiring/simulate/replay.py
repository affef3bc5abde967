"""`qd sim replay`: what a server did, told again from its home: as it was, or what if."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from quarterdeck.cli.output import examples, output_option
from quarterdeck.wiring.simulate.records import open_records, read_span


@click.command(
    epilog=examples(
        "qd sim replay --from 2h",
        "qd sim replay --from 2026-11-23T09:00:00Z --to 2026-11-23T17:00:00Z --more-nodes 4",
        "qd sim replay --home /srv/qd --from 7d --policy shortest.yaml --html week.html",
    )
)
@click.option(
    "--home", type=click.Path(path_type=Path), help="Data folder [QD_HOME, ~/.quarterdeck]."
)
@click.option(
    "--from", "begin", metavar="WHEN", required=True, help="2h ago, or 2026-11-23T09:45:00Z."
)
@click.option("--to", "end", metavar="WHEN", help="Likewise [now].")
@click.option("--policy", type=click.Path(path_type=Path), help="Under this policy file instead.")
@click.option(
    "--cluster", type=click.Path(path_type=Path), help="On the nodes of this site file instead."
)
@click.option(
    "--more-nodes", metavar="N[:TYPE]", help="On so many more nodes, of the most common type."
)
@click.option("--html", type=click.Path(path_type=Path), help="Write a report with plots there.")
@output_option
def command(  # noqa: PLR0917 - one parameter an option
    home: Path | None,
    begin: str,
    end: str | None,
    policy: Path | None,
    cluster: Path | None,
    more_nodes: str | None,
    html: Path | None,
    output: str,
) -> None:
    """Tell again what a server did in a while.

    Without --policy, --cluster or --more-nodes every plan of that time is made again on what it was
    made on, and compared with what was done; exits with 1 when one is not the same. With them the
    jobs of that time are simulated as they came, under the policy that was in force and under the
    other one, and both are compared.

    Reads the home's store and its log of cycles, also beside a running server, and changes nothing.
    """
    if cluster is not None and more_nodes is not None:
        raise click.UsageError("--cluster and --more-nodes both say which nodes there are")
    is_question = policy is not None or cluster is not None or more_nodes is not None
    if html is not None and not is_question:
        raise click.UsageError("--html is for --policy, --cluster or --more-nodes")
    span_ns = read_span(begin, end)
    with open_records(home) as records:
        if not is_question:
            from quarterdeck.wiring.simulate.cycles import replay_cycles

            if not replay_cycles(records, span_ns, output):
                sys.exit(1)
            return
        from quarterdeck.wiring.simulate.whatif import Question, answer

        answer(records, span_ns, Question(policy, cluster, more_nodes, html), output)
