"""What `qd sim run` prints: a table, or JSON with the same in it, and remarks about the input."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import click

from quarterdeck.cli.output import print_table, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.sim.report.column import Column

REMARKS_SHOWN: Final = 20


class Told(NamedTuple):
    """A remark about a line of a file."""

    file: str
    line: int
    what: str


@dataclass(frozen=True, slots=True)
class Input:
    """What came of the files: how many jobs were read, and what was wrong.

    `untold` are remarks that were too many to keep, `notes` say how the files were understood.
    """

    jobs: int
    left_out: int
    told: tuple[Told, ...]
    untold: int
    notes: tuple[str, ...]

    @property
    def remarks(self) -> list[str]:
        """Each with its place."""
        return [f"{one.file}:{one.line}: {one.what}" for one in self.told]


def print_json(columns: Sequence[Column], read: Input) -> None:
    """Everything."""
    click.echo(
        json.dumps(
            {
                "jobs_read": read.jobs,
                "lines_left_out": read.left_out,
                "remarks": [one._asdict() for one in read.told],
                "remarks_not_kept": read.untold,
                "notes": read.notes,
                "figures": {one.name: dict(one.figures) for one in columns},
                "minutes_below_guarantee": {one.name: dict(one.violations) for one in columns},
            },
            indent=2,
        )
    )


def print_columns(columns: Sequence[Column]) -> None:
    """The figures side by side."""
    names = dict.fromkeys(name for one in columns for name in one.figures)
    print_table(
        ("", *(one.name for one in columns)),
        [(name, *(_value(one.figures.get(name)) for one in columns)) for name in names],
    )


def print_input(read: Input) -> None:
    """On the standard error: notes, the first remarks, and how many there are."""
    for note in read.notes:
        say(note, err=True)
    for one in read.remarks[:REMARKS_SHOWN]:
        say(one, err=True)
    more = len(read.told) - REMARKS_SHOWN + read.untold
    if more > 0:
        has = f"the first {len(read.told):,}" if read.untold else "all of them"
        say(f"{more:,} more remarks; `-o json` has {has}", err=True)
    if read.left_out:
        say(f"{read.left_out} line{'s'[: read.left_out > 1]} left out", err=True)


def _value(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.3f}".rstrip("0").rstrip(".")
