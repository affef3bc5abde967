"""`qd results`: what a job left."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quarterdeck.basics.errors import Invalid, NotFound, Refused
from quarterdeck.basics.quantities import format_bytes
from quarterdeck.cli.completion import job_argument
from quarterdeck.cli.output import FORMATS, examples, print_short, print_table, quiet_option, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.jobs import ResultList, ResultView


@click.command(
    epilog=examples(
        "qd results j7k2m9q4xw",
        "qd results j7k2m9q4xw model.pt > model.pt",
        "qd results j7k2m9q4xw -o results/",
    )
)
@job_argument()
@click.argument("path", required=False)
@click.option("--attempt", type=int, default=None, help="Of this attempt [the latest].")
@click.option("--task", type=int, default=None, help="Of this task of an array [all].")
@click.option("--node-rank", type=int, default=None, help="Of this node of the job.")
@click.option(
    "-o",
    "--output",
    metavar="DIR|json|name",
    default="table",
    help="Save the files in a folder, or list them in another form.",
)
@quiet_option
def command(
    job_id: str,
    path: str | None,
    attempt: int | None,
    task: int | None,
    node_rank: int | None,
    *,
    output: str,
    quiet: bool,
) -> None:
    """List what a job left, print the file PATH, or save files with -o DIR.

    A download that was cut off is gone on with when the same command is given again.
    """
    folder = None if output in FORMATS else Path(output)
    if quiet and output == "table":
        output = "name"
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.jobs import FINAL_STATES

    with Client() as client:
        listed = client.list_results(job_id, attempt=attempt, task=task)
        chosen = [
            file
            for file in listed.files
            if (path is None or file.path == path) and node_rank in (None, file.node_rank)
        ]
        if path is not None and not chosen:
            raise NotFound(
                f"job {job_id} left no {path}", hint=f"`qd results {job_id}` lists what there is"
            )
        if folder is not None:
            is_over = client.get_job(job_id).state in FINAL_STATES
            for file in chosen:
                target = _target(listed, file, folder)
                _save(client, listed, file, target, may_resume=is_over)
                if not quiet:
                    say(str(target))
        elif path is not None:
            for piece in _read(client, listed, chosen[0]):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            _print(listed, chosen, output)


def _read(client: Client, listed: ResultList, file: ResultView, offset: int = 0) -> Iterator[bytes]:
    return client.read_result(
        listed.job_id, file.path, node_rank=file.node_rank, attempt=file.attempt, offset=offset
    )


def _target(listed: ResultList, file: ResultView, folder: Path) -> Path:
    """Where the file goes; with several tasks or nodes, into a folder of its own for each."""
    base = folder
    if listed.attempt == 0 and file.task is not None:
        base /= f"task-{file.task}"
    if len({one.node_rank for one in listed.files}) > 1:
        base /= str(file.node_rank)
    target = base / file.path
    # A link in the folder, or a name from a strange server, may lead elsewhere.
    if not target.resolve().is_relative_to(base.resolve()) or target.resolve() == base.resolve():
        raise Invalid(
            f"the result {file.path!a} would be saved outside of {folder}",
            field="path",
            hint="choose an empty folder",
        )
    return target


def _save(
    client: Client, listed: ResultList, file: ResultView, target: Path, *, may_resume: bool
) -> None:
    """Whole or not at all. What a job that has ended left does not change any more, so the part of
    it that came before a break is not fetched again."""
    from quarterdeck.sdk.saving import resuming

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = f"{listed.job_id}-{file.attempt}" if may_resume else None
        with resuming(target, part, file.size_bytes) as stream:
            offset = stream.tell()
            if offset < file.size_bytes or not offset:
                for piece in _read(client, listed, file, offset):
                    stream.write(piece)
    except OSError as error:
        raise Refused(
            f"{target} cannot be written: {error.strerror}", hint="choose another folder with -o"
        ) from error


def _print(listed: ResultList, chosen: list[ResultView], output: str) -> None:
    if not listed.is_complete:
        say(f"only the first {len(listed.files)} files are listed", err=True)
    if not print_short(output, listed, *(file.path for file in chosen)):
        of_tasks = any(file.task is not None for file in chosen)
        rows = [
            (
                *([file.task] if of_tasks else []),
                file.path,
                file.node_rank,
                format_bytes(file.size_bytes),
            )
            for file in chosen
        ]
        print_table((*(["TASK"] if of_tasks else []), "PATH", "NODE RANK", "SIZE"), rows)
