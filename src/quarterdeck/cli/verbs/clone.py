"""`qd clone`: the same job once more, with changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import click

from quarterdeck.basics.errors import Invalid
from quarterdeck.cli.completion import job_argument
from quarterdeck.cli.jobs import print_job, print_plan
from quarterdeck.cli.output import dry_run_option, examples, output_option

if TYPE_CHECKING:
    from quarterdeck.wire.v1.jobs import JobRequest

_COUNTS: Final = frozenset(
    {"nodes", "ranks_per_node", "resources.gpu", "resources.cpu", "retry.limit"}
)


@click.command(
    epilog=examples(
        "qd clone j7k2m9q4xw", "qd clone j7k2m9q4xw --set env.LR=0.2 --set resources.gpu=4"
    )
)
@job_argument()
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a key of its job file, for example env.LR=0.2 or resources.gpu=4.",
)
@dry_run_option
@output_option
def command(job_id: str, changes: tuple[str, ...], *, dry_run: bool, output: str) -> None:
    """Submit the job ID once more, with the work folder that it had.

    Its needs are left out: they were met, or would be met no more.
    """
    from quarterdeck.sdk.client import Client

    with Client() as client:
        request = _changed(client.get_request(job_id), changes)
        if dry_run:
            print_plan(client.plan(request), output)
        else:
            print_job(client.submit(request), output)


def _changed(request: JobRequest, changes: tuple[str, ...]) -> JobRequest:
    from pydantic import ValidationError

    from quarterdeck.wire.v1.jobs import JobRequest

    body = request.model_dump(exclude={"needs"}, exclude_defaults=True)
    for change in changes:
        path, equals, value = change.partition("=")
        if not equals:
            raise click.UsageError(f"--set {change} has no =; write KEY=VALUE")
        _set(body, path.split("."), _read(path, value))
    try:
        return JobRequest.model_validate(body)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in fault["loc"])
        told = fault["msg"][:1].lower() + fault["msg"][1:]
        raise Invalid(
            f"--set: {field} is {fault['input']!r}: {told}",
            field=field,
            hint="keys and values are those of the job file",
        ) from None


def _read(path: str, value: str) -> str | int | bool:
    """A number or a flag where the key takes one: the models make nothing of text."""
    if path in _COUNTS and value.isascii() and value.isdecimal():
        return int(value)
    if path == "hold" and value in ("true", "false"):
        return value == "true"
    return value


def _set(body: dict[str, Any], path: list[str], value: str | int | bool) -> None:
    """Put one value where the path leads; no value takes the key away."""
    for part in path[:-1]:
        inner = body.setdefault(part, {})
        if not isinstance(inner, dict):
            raise click.UsageError(f"--set {'.'.join(path)}: {part} has no keys")
        body = inner
    if value == "":
        body.pop(path[-1], None)
    else:
        body[path[-1]] = value
