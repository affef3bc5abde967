"""`qd submit`: a job file, or a batch script, into the queue."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quarterdeck.basics.errors import Invalid, Refused, Unsatisfiable
from quarterdeck.cli.batch import (
    BatchCommand,
    attach_script,
    batch_options,
    print_script_warnings,
    typed_words,
)
from quarterdeck.cli.jobs import attach_workdir, print_new_job, print_plan
from quarterdeck.cli.output import dry_run_option, examples, output_option, print_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.sdk.client import Client
    from quarterdeck.sdk.jobfile import JobFile

_OF_JOB = re.compile(r"jobs\.([0-9]+)\.(.*)", re.DOTALL)


@click.command(
    cls=BatchCommand,
    epilog=examples(
        "qd submit job.yaml",
        "qd submit --dry-run job.yaml",
        "qd wait $(qd submit -q job.yaml)",
        "qd submit --time 1:00:00 --gres gpu:4 train.sh",
    ),
)
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option("-A", "--team", "--account", default=None, help="The team, in place of the file's.")
@dry_run_option
@output_option
@click.option(
    "--ignore", multiple=True, metavar="OPTION", help="Of a script: as if it were not there."
)
@click.option("--checkpoint", metavar="DIR", help="Of a script: a folder kept between attempts.")
@batch_options
def command(
    file: Path,
    arguments: tuple[str, ...],
    *,
    team: str | None,
    dry_run: bool,
    output: str,
    **options: Any,  # noqa: ANN401
) -> None:
    """Submit the jobs that FILE describes, with their work folders: all of them, or none.

    Several jobs are written one below the other with a line `---` between them.

    FILE may also be a batch script with #SBATCH lines; what is behind it are its arguments, and the
    options here win over its own.
    """
    from quarterdeck.sdk.sbatch.script import is_script

    ignore, checkpoint = options.pop("ignore"), options.pop("checkpoint")
    words = typed_words(options, team)
    if is_script(file):
        _submit_script(file, words, arguments, ignore, checkpoint, output, dry_run=dry_run)
        return
    words = words[1:] if team is not None else words
    if arguments or words or ignore or checkpoint:
        what = (*arguments, *words, *(f"--ignore {one}" for one in ignore), "--checkpoint")[0]
        raise click.UsageError(f"{what} is for batch scripts; {file} is a job file")
    _submit_file(file, team, output, dry_run=dry_run)


def _submit_script(
    file: Path,
    words: Sequence[str],
    arguments: Sequence[str],
    ignored: Sequence[str],
    checkpoint: str | None,
    output: str,
    *,
    dry_run: bool,
) -> None:
    from quarterdeck.sdk.client import Client
    from quarterdeck.sdk.sbatch.script import load_script

    script = load_script(file, words, arguments, ignored)
    request, batch = script.job.request, script.batch
    request.checkpoint.path = checkpoint
    output = "name" if batch.is_parsable else output
    dry_run = dry_run or batch.is_dry_run
    print_script_warnings(batch.warnings, output)
    with Client() as client:
        try:
            attach_script(client, script, dry_run=dry_run)
            if dry_run:
                print_plan(client.plan(request), output)
            else:
                print_new_job(client, client.submit(request), output)
        except Refused as error:
            # Of a field that no option of the script stands for, the place would say nothing.
            if not script.has_place(error.field):
                raise
            raise script.job.locate(error) from None


def _submit_file(file: Path, team: str | None, output: str, *, dry_run: bool) -> None:
    from quarterdeck.sdk.client import Client
    from quarterdeck.sdk.jobfile import read_job_files
    from quarterdeck.sdk.jobneeds import order_by_needs

    jobs = read_job_files(file)
    order_by_needs(jobs)
    for job in jobs:
        job.request.team = team or job.request.team
    with Client() as client:
        for job in jobs:
            try:
                attach_workdir(client, job.request, job.folder, dry_run=dry_run)
            except Invalid as error:
                raise job.locate(error) from None
        if len(jobs) > 1:
            _submit_all(client, jobs, output, dry_run=dry_run)
            return
        try:
            if dry_run:
                print_plan(client.plan(jobs[0].request), output)
            else:
                print_new_job(client, client.submit(jobs[0].request), output)
        except (Invalid, Unsatisfiable) as error:
            raise jobs[0].locate(error) from None


def _submit_all(client: Client, jobs: Sequence[JobFile], output: str, *, dry_run: bool) -> None:
    from quarterdeck.wire.v1.jobs import BatchView

    try:
        ids = client.submit_all([job.request for job in jobs], dry_run=dry_run)
    except (Invalid, Unsatisfiable) as error:
        raise _located(jobs, error) from None
    if output == "json":
        print_json(BatchView(ids=ids))
        return
    if dry_run:
        for job in jobs:
            say(job.request.name if output == "name" else f"would submit {job.request.name}")
        return
    for job_id, job in zip(ids, jobs, strict=True):
        say(job_id if output == "name" else f"{job_id} {job.request.name}")


def _located(jobs: Sequence[JobFile], error: Refused) -> Invalid:
    """The server names the job by its place in the batch."""
    match = _OF_JOB.fullmatch(error.field)
    if match is None:
        return jobs[0].locate(error)
    inner = Invalid(error.message, code=error.code, field=match[2], hint=error.hint)
    return jobs[int(match[1])].locate(inner)
