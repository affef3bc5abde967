"""`qd explain`: why a job is where it is."""

from __future__ import annotations

import click

from quarterdeck.cli.completion import job_argument
from quarterdeck.cli.jobs import print_grounds, print_prospects, told_place
from quarterdeck.cli.output import examples, output_option, print_short, print_table, say
from quarterdeck.cli.promises import print_promises, promises_of


@click.command(epilog=examples("qd explain j7k2m9q4xw", "qd explain --history j7k2m9q4xw"))
@job_argument()
@click.option("--history", is_flag=True, help="What it was told while it waited, and when.")
@output_option
def command(job_id: str, history: bool, output: str) -> None:
    """Say why a job waits, or how it stands, with the numbers and what would help."""
    from quarterdeck.sdk.client import Client

    if history:
        _print_history(job_id, output)
        return
    with Client() as client:
        explanation = client.explain(job_id)
    if print_short(output, explanation, explanation.job.id):
        return
    say(f"{job_id} is {explanation.job.state}: {explanation.summary}")
    print_grounds(explanation.grounds)
    if explanation.position is not None:
        own = told_place(explanation.job)
        because = f", {own}" if own else ""
        say(f"place in the queue: {explanation.position} of {explanation.queue_length}{because}")
    if explanation.verdict is not None:
        say(f"reason: {explanation.verdict.blocked_by}")
        if explanation.verdict.held_by:
            say(f"held by: {', '.join(explanation.verdict.held_by)}")
        print_prospects(explanation)


def _print_history(job_id: str, output: str) -> None:
    from quarterdeck.sdk.client import Client

    with Client() as client:
        listed = client.list_verdicts(job_id)
        promises = promises_of(client, job_id) if output == "table" else []
    if print_short(output, listed, *(one.code for one in listed.told)):
        return
    if not listed.told:
        say(f"{job_id} was told nothing in the last 30 days; it may never have waited")
        return
    rows = [(one.at[:19] + "Z", one.code, one.message) for one in listed.told]
    print_table(("SINCE", "REASON", "WHAT IT WAS TOLD"), rows)
    print_promises(promises)
