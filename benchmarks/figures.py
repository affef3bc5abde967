"""A measured figure, its target, and the table that is printed and kept in the docs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `holds` is None where there is no target."""

    what: str
    ours: str
    target: str = ""
    peer: str = ""
    ratio: str = ""
    holds: bool | None = None


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def as_ms(seconds: float) -> str:
    """In whole milliseconds."""
    return f"{seconds * 1000:.0f} ms"


def as_us(seconds: float) -> str:
    """In whole microseconds."""
    return f"{seconds * 1e6:.0f} µs"


def as_table(figures: Sequence[Figure]) -> str:
    """A Markdown table."""
    rows = [("what", "Quarterdeck", "target", "peer", "ratio", "holds")]
    verdicts = {True: "yes", False: "NO", None: ""}
    rows += [(f.what, f.ours, f.target, f.peer, f.ratio, verdicts[f.holds]) for f in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(6)]
    lines = [
        "| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
