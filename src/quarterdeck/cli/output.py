"""Tables for people, JSON for scripts, names for pipes; and the options that all verbs share."""

from __future__ import annotations

import functools
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click
from click.core import ParameterSource

from quarterdeck.basics.quantities import format_span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel

F = TypeVar("F", bound="Callable[..., Any]")
FORMATS: Final = ("table", "json", "name")
_CONTROLS: Final = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""What a terminal obeys instead of showing it: control characters, and those that turn the
direction of writing."""


def output_option(function: F) -> F:
    """`-o`, and `-q` for its shortest form. The verb gets `output`."""

    @functools.wraps(function)
    def with_form(*args: Any, output: str, quiet: bool, **options: Any) -> Any:  # noqa: ANN401
        return function(*args, output=_form(output, quiet=quiet), **options)

    form = click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default="table",
        help="How to print it.",
        show_default=True,
    )
    return cast("F", form(quiet_option(with_form)))


def quiet_option(function: F) -> F:
    """`-q` alone, for a verb whose `-o` is its own; the verb gets `quiet`."""
    return click.option("-q", "--quiet", is_flag=True, help="Print names only, or nothing.")(
        function
    )


def dry_run_option(function: F) -> F:
    """`--dry-run`, for every verb that changes something; the verb gets `dry_run`."""
    return click.option("--dry-run", is_flag=True, help="Check everything, change nothing.")(
        function
    )


def examples(*lines: str) -> str:
    """The end of a verb's help: commands as they are typed. A test parses every one of them."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def inert(text: str) -> str:
    """Text of others as it may be shown: what a terminal would obey is spelled out. A job's note or
    a file's name could otherwise move the cursor, change a title or hide what it says."""
    return _CONTROLS.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def say(text: str = "", *, err: bool = False) -> None:
    """Print a line that may have words of others in it."""
    click.echo(inert(text), err=err)


def print_done(output: str, told: str, name: str = "", **facts: object) -> None:
    """What a verb did that has nothing to show: a sentence, the facts as JSON, or a name."""
    if output == "json":
        click.echo(json.dumps(facts, default=str))
    elif output == "table":
        say(told)
    elif name:
        say(name)


def print_json(model: BaseModel) -> None:
    """The model as the API has it."""
    say(model.model_dump_json(indent=2))


def print_short(output: str, model: BaseModel, *names: str) -> bool:
    """What is for programs: the model as JSON, or its names, a line each. False for people, who get
    more than that."""
    if output == "json":
        print_json(model)
    elif output == "name":
        for name in names:
            say(name)
    return output in {"json", "name"}


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as they need to be."""
    texts = [[_cell(cell) for cell in row] for row in (titles, *rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(titles))]
    for row in texts:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def _cell(value: object) -> str:
    """One line, whatever it holds."""
    return inert(str(value)).replace("\n", "\\n").replace("\t", "\\t")


def print_pairs(pairs: Sequence[tuple[str, object]]) -> None:
    """Names and values, those without a value left out."""
    shown = [(name, value) for name, value in pairs if value not in (None, "")]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        say(f"{name.ljust(width)}  {value}")


def age(iso: str | None) -> str:
    """How long ago, for example `3m05s`."""
    if iso is None:
        return "-"
    return format_span(max(0.0, (datetime.now(UTC) - datetime.fromisoformat(iso)).total_seconds()))


def elapsed(start: str | None, end: str | None) -> str:
    """How long something lasted, or lasts so far."""
    if start is None:
        return "-"
    if end is None:
        return age(start)
    span = datetime.fromisoformat(end) - datetime.fromisoformat(start)
    return format_span(max(0.0, span.total_seconds()))


def _form(output: str, *, quiet: bool) -> str:
    """What `-o` and `-q` say together."""
    if not quiet:
        return output
    source = click.get_current_context().get_parameter_source("output")
    if source is ParameterSource.COMMANDLINE and output != "name":
        raise click.UsageError(f"give -q or -o {output}, not both")
    return "name"
