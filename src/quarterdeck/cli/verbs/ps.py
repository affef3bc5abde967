"""`qd ps`: a list of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from quarterdeck.cli.completion import UNFINISHED, job_ids, job_states
from quarterdeck.cli.jobs import nodes_of, parse_pairs
from quarterdeck.cli.output import age, elapsed, examples, output_option, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.wire.v1.jobs import JobView


@click.command(
    epilog=examples("qd ps", "qd ps -a --tag model=resnet", "qd cancel $(qd ps -q --state queued)")
)
@click.option("-a", "--all", "show_all", is_flag=True, help="Also jobs that have ended.")
@click.option(
    "--state",
    multiple=True,
    shell_complete=job_states,
    help="Only jobs in this state; may be repeated.",
)
@click.option("--name", default=None, help="Only jobs of this name.")
@click.option("--tag", multiple=True, metavar="KEY=VALUE", help="Only jobs with this tag.")
@click.option("-A", "--team", default=None, help="Only jobs of this team.")
@click.option("--owner", metavar="USER", default=None, help="Only jobs that this person made.")
@click.option("--mine", is_flag=True, help="Only jobs that you made.")
@click.option("-n", "--limit", type=int, default=50, help="At most so many.", show_default=True)
@click.option(
    "--before",
    metavar="ID",
    default=None,
    shell_complete=job_ids(),
    help="The page after this job.",
)
@output_option
def command(
    state: tuple[str, ...],
    tag: tuple[str, ...],
    owner: str | None,
    *,
    mine: bool,
    show_all: bool,
    output: str,
    **wanted: Any,  # noqa: ANN401 - as the client takes it
) -> None:
    """List jobs that have not ended, newest first."""
    from quarterdeck.sdk.client import Client

    if mine and owner is not None:
        raise click.UsageError("give --mine or --owner, not both")
    states = state or (() if show_all else UNFINISHED)
    with Client() as client:
        owner = client.people.whoami().name if mine else owner
        page = client.list_jobs(
            states=states, tags=parse_pairs(tag, "--tag"), owner=owner, **wanted
        )
    if output == "json":
        print_json(page)
    elif output == "name":
        for job in page.jobs:
            click.echo(job.id)
    else:
        _print_rows(page.jobs)
        if page.next_before is not None:
            click.echo(f"more: --before {page.next_before}", err=True)


def _print_rows(jobs: Sequence[JobView]) -> None:
    """A row for each; whose they are when they are not all of one."""
    of_many = len({(job.team, job.owner) for job in jobs}) > 1
    rows = [
        (
            job.id,
            job.name,
            job.state,
            job.reason or "-",
            job.demand if job.array is None else f"{job.demand} × {job.array.tasks} tasks",
            nodes_of(job),
            age(job.submitted_at),
            elapsed(job.started_at, job.ended_at),
            *((job.team, job.owner) if of_many else ()),
        )
        for job in jobs
    ]
    titles = ("ID", "NAME", "STATE", "REASON", "DEMAND", "NODES", "AGE", "RUN TIME")
    print_table((*titles, "TEAM", "OWNER") if of_many else titles, rows)
