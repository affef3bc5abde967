"""Pieces of Markdown that several pages have."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def head(title: str, about: str) -> str:
    """The beginning of a page, and a word to whoever would edit it."""
    note = "<!-- Written by `make docs`; change the code, not this file. -->"
    return f"{note}\n\n# {title}\n\n{about}\n"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, or nothing without rows."""
    lines = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    if not lines:
        return ""
    return "\n".join([f"| {' | '.join(titles)} |", "|---" * len(titles) + "|", *lines, ""])


def code(text: str) -> str:
    """Text as it is typed; nothing for no text."""
    return f"`{text}`" if text else ""


def _cell(text: str) -> str:
    """What may stand between two bars."""
    return " ".join(text.split()).replace("|", "\\|")
