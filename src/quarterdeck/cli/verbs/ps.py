"""`qd ps`: a list of jobs."""

from __future__ import annotations

import click

from quarterdeck.cli.completion import UNFINISHED, job_ids, job_states
from quarterdeck.cli.jobs import nodes_of, parse_pairs
from quarterdeck.cli.output import age, elapsed, examples, output_option, print_json, print_table


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
    name: str | None,
    tag: tuple[str, ...],
    limit: int,
    before: str | None,
    *,
    show_all: bool,
    output: str,
) -> None:
    """List jobs that have not ended, newest first."""
    from quarterdeck.sdk.client import Client

    states = state or (() if show_all else UNFINISHED)
    with Client() as client:
        page = client.list_jobs(
            states=states,
            name=name,
            limit=limit,
            before=before,
            tags=parse_pairs(tag, "--tag"),
        )
    if output == "json":
        print_json(page)
    elif output == "name":
        for job in page.jobs:
            click.echo(job.id)
    else:
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
            )
            for job in page.jobs
        ]
        titles = ("ID", "NAME", "STATE", "REASON", "DEMAND", "NODES", "AGE", "RUN TIME")
        print_table(titles, rows)
        if page.next_before is not None:
            click.echo(f"more: --before {page.next_before}", err=True)
