"""What a suite has found, all told in the same way: a title, tables, and what it is held to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.traces import NoTraces

if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Told:
    """A title, the lines of its tables, and each thing that should hold with whether it does."""

    title: str
    lines: list[str]
    said: list[tuple[str, bool]]

    @property
    def holds(self) -> bool:
        """Whether nothing was missed."""
        return all(holds for _, holds in self.said)

    def __str__(self) -> str:
        """As it is printed and kept."""
        verdicts = [f"{'yes' if holds else 'NO ':<4} {what}" for what, holds in self.said]
        return "\n".join([self.title, "", *self.lines, "", *verdicts])


def print_told(parser: ArgumentParser, make: Callable[[], Told]) -> int:
    """Run a suite and print it; the exit code says whether all holds. Without traces it is an error
    of how it was called."""
    try:
        told = make()
    except NoTraces as error:
        parser.error(str(error))
    print(told)
    return 0 if told.holds else 1
