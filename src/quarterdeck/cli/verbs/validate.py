"""`qd validate`: everything that is wrong with job files, before anybody submits them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quarterdeck.basics.errors import Refused
from quarterdeck.cli.errors import REFUSED
from quarterdeck.cli.output import examples, output_option, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.sdk.jobproblems import Examination
    from quarterdeck.sdk.yamltree import Fault
    from quarterdeck.wire.v1.jobs import JobRequest


def make_command(get_check: Callable[[], Callable[[JobRequest], object]]) -> click.Command:
    """The verb. `get_check` gives the server's own check of a request."""

    @click.command(epilog=examples("qd validate job.yaml", "qd validate -q jobs/*.yaml"))
    @click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
    @click.option("--server", is_flag=True, help="Also ask the server whether it can ever fit.")
    @output_option
    @click.pass_context
    def command(ctx: click.Context, files: tuple[Path, ...], server: bool, output: str) -> None:
        """Check job files and print every problem with file:line:column.

        No server is needed, and nothing is submitted. With -q only the files that cannot be used
        are named. Exit code: 0 when all can be used, else 3.
        """
        found = [_examine(path, get_check()) for path in files]
        if server:
            found = _ask(found)
        if output == "json":
            say(json.dumps(_as_json(found), indent=2))
        elif output == "name":
            for path, _, faults in found:
                if faults:
                    say(str(path))
        else:
            _print(found)
        if any(faults for _, _, faults in found):
            ctx.exit(REFUSED)

    return command


Found = tuple[Path, "Examination | None", "list[Fault]"]


def _examine(path: Path, check: Callable[[JobRequest], object]) -> Found:
    from quarterdeck.sdk.jobfile import read_bytes
    from quarterdeck.sdk.jobproblems import examine
    from quarterdeck.sdk.yamltree import Fault, Place

    try:
        content = read_bytes(path)
    except Refused as error:
        return path, None, [Fault(Place(1, 1), error.message, error.hint, error.field, error.code)]
    examination = examine(content, str(path), check)
    return path, examination, examination.faults


def _ask(found: list[Found]) -> list[Found]:
    """Let the server plan each job of the files that are right so far."""
    from quarterdeck.sdk.client import Client
    from quarterdeck.sdk.yamltree import Fault

    asked: list[Found] = []
    with Client() as client:
        for path, examination, faults in found:
            told = list(faults)
            for job, request in examination.planned if examination and not faults else ():
                try:
                    client.plan(request)
                except Refused as error:
                    place = job.place_of(error.field)
                    told.append(Fault(place, error.message, error.hint, error.field, error.code))
            asked.append((path, examination, told))
    return asked


def _print(found: list[Found]) -> None:
    from quarterdeck.sdk.yamltree import shown_file

    for path, examination, faults in found:
        name = shown_file(str(path))
        for fault in faults:
            say(f"{name}:{fault.place.line}:{fault.place.column}: {fault.message}")
            if fault.hint:
                say(f"    hint: {fault.hint}")
        if examination is not None and not faults:
            count = len(examination.jobs)
            say(f"{name}: {'1 job' if count == 1 else f'{count} jobs'}, no problems")


def _as_json(found: list[Found]) -> dict[str, Any]:
    return {
        "valid": not any(faults for _, _, faults in found),
        "files": [
            {
                "file": str(path),
                "jobs": [job.request.name for job in examination.jobs] if examination else [],
                "problems": [
                    {
                        "line": fault.place.line,
                        "column": fault.place.column,
                        "field": fault.field,
                        "code": fault.code or "invalid",
                        "message": fault.message,
                        "hint": fault.hint,
                    }
                    for fault in faults
                ],
            }
            for path, examination, faults in found
        ],
    }
