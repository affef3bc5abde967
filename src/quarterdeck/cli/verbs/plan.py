"""`qd plan`: what would happen to a job, without submitting it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quarterdeck.basics.errors import Invalid
from quarterdeck.cli.jobs import job_options, make_request
from quarterdeck.cli.output import output_option, print_json

if TYPE_CHECKING:
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.jobs import PlanView


@click.command(context_settings={"allow_interspersed_args": False})
@job_options
@output_option
@click.argument("file_or_command", nargs=-1, type=click.UNPROCESSED, required=True)
def command(file_or_command: tuple[str, ...], output: str, **options: Any) -> None:  # noqa: ANN401
    """Say what would happen now: `qd plan FILE`, or `qd plan [OPTIONS] -- COMMAND`."""
    from quarterdeck.sdk.client import Client

    with Client() as client:
        path = Path(file_or_command[0])
        if len(file_or_command) == 1 and path.suffix in (".yaml", ".yml"):
            plan = _plan_file(client, path)
        else:
            plan = client.plan(make_request(file_or_command, options))
    if output == "json":
        print_json(plan)
    else:
        _print_plan(plan)


def _plan_file(client: Client, path: Path) -> PlanView:
    from quarterdeck.sdk.jobfile import read_job_file

    job_file = read_job_file(path)
    try:
        return client.plan(job_file.request)
    except Invalid as error:
        raise job_file.locate(error) from None


def _print_plan(plan: PlanView) -> None:
    if plan.starts_now:
        nodes = ", ".join(grant.node for grant in plan.placement)
        click.echo(f"it would start now at site {plan.site}, on {nodes}")
        return
    click.echo("it would wait" + (f": {plan.verdict.message}" if plan.verdict else ""))
    if plan.position is not None:
        click.echo(f"place in the queue: {plan.position}")
    if plan.verdict is not None and plan.verdict.hint:
        click.echo(f"hint: {plan.verdict.hint}")
