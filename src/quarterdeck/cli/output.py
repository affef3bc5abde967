"""Tables for people, JSON for scripts, names for pipes."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from quarterdeck.basics.quantities import format_span

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pydantic import BaseModel

F = TypeVar("F", bound="Callable[..., Any]")
FORMATS: Final = ("table", "json", "name")


def output_option(function: F) -> F:
    """`-o`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default="table",
        help="How to print it.",
        show_default=True,
    )(function)


def print_json(model: BaseModel) -> None:
    """The model as the API has it."""
    click.echo(model.model_dump_json(indent=2))


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Columns as wide as they need to be."""
    texts = [titles, *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in texts) for column in range(len(titles))]
    for row in texts:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(line.rstrip())


def print_pairs(pairs: Sequence[tuple[str, object]]) -> None:
    """Names and values, those without a value left out."""
    shown = [(name, value) for name, value in pairs if value not in (None, "")]
    width = max((len(name) for name, _ in shown), default=0)
    for name, value in shown:
        click.echo(f"{name.ljust(width)}  {value}")


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
