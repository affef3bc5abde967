"""`qd results`: what a job left."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from quarterdeck.basics.errors import Invalid, NotFound, Refused
from quarterdeck.basics.quantities import format_bytes
from quarterdeck.cli.output import FORMATS, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.jobs import ResultList, ResultView


@click.command()
@click.argument("job_id", metavar="ID")
@click.argument("path", required=False)
@click.option("--attempt", type=int, default=None, help="Of this attempt [the latest].")
@click.option("--node-rank", type=int, default=None, help="Of this node of the job.")
@click.option(
    "-o",
    "--output",
    metavar="DIR|json|name",
    default="table",
    help="Save the files in a folder, or list them in another form.",
)
def command(
    job_id: str,
    path: str | None,
    attempt: int | None,
    node_rank: int | None,
    output: str,
) -> None:
    """List what a job left, print the file PATH, or save files with -o DIR."""
    folder = None if output in FORMATS else Path(output)
    from quarterdeck.sdk.client import Client

    with Client() as client:
        listed = client.list_results(job_id, attempt=attempt)
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
            for file in chosen:
                _save(client, listed, file, folder)
        elif path is not None:
            for piece in _read(client, listed, chosen[0]):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
        else:
            _print(listed, chosen, output)


def _read(client: Client, listed: ResultList, file: ResultView) -> Iterator[bytes]:
    return client.read_result(
        listed.job_id, file.path, node_rank=file.node_rank, attempt=listed.attempt
    )


def _save(client: Client, listed: ResultList, file: ResultView, folder: Path) -> None:
    """The file in the folder; with several nodes, in a folder of its node's number."""
    from quarterdeck.sdk.saving import replacing

    several = len({one.node_rank for one in listed.files}) > 1
    base = folder / str(file.node_rank) if several else folder
    target = base / file.path
    # A link in the folder, or a name from a strange server, may lead elsewhere.
    if not target.resolve().is_relative_to(base.resolve()) or target.resolve() == base.resolve():
        raise Invalid(
            f"the result {file.path!a} would be saved outside of {folder}",
            field="path",
            hint="choose an empty folder",
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as stream:
            for piece in _read(client, listed, file):
                stream.write(piece)
    except OSError as error:
        raise Refused(
            f"{target} cannot be written: {error.strerror}", hint="choose another folder with -o"
        ) from error
    click.echo(str(target))


def _print(listed: ResultList, chosen: list[ResultView], output: str) -> None:
    if output == "json":
        print_json(listed)
    elif output == "name":
        for file in chosen:
            click.echo(file.path)
    else:
        rows = [(file.path, file.node_rank, format_bytes(file.size_bytes)) for file in chosen]
        print_table(("PATH", "NODE RANK", "SIZE"), rows)
