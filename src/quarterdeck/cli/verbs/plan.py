"""`qd plan`: what would happen to a job, without submitting it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quarterdeck.basics.errors import Invalid
from quarterdeck.cli.jobs import job_options, make_request, print_plan
from quarterdeck.cli.output import examples, output_option

if TYPE_CHECKING:
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.verdicts import PlanView


@click.command(
    context_settings={"allow_interspersed_args": False},
    epilog=examples("qd plan job.yaml", "qd plan --gpus 8 --nodes 2 -- python train.py"),
)
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
    print_plan(plan, output)


def _plan_file(client: Client, path: Path) -> PlanView:
    from quarterdeck.sdk.jobfile import read_job_file

    job_file = read_job_file(path)
    try:
        return client.plan(job_file.request)
    except Invalid as error:
        raise job_file.locate(error) from None
