"""What a suite has found, all told in the same way: a title, tables, and what it is held to."""

from __future__ import annotations

from dataclasses import dataclass


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
