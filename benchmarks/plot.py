"""Small pictures as SVG, without a library: what share of values is at most so large."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER: Final = Path(__file__).parent.parent / "build" / "bench"
WIDTH: Final = 760
HEIGHT: Final = 420
LEFT: Final = 60
RIGHT: Final = 200
TOP: Final = 40
BOTTOM: Final = 50
COLOURS: Final = (
    "#d62728", "#ff7f0e", "#8c564b", "#e377c2", "#1f77b4", "#2ca02c", "#9467bd", "#17becf",
    "#bcbd22", "#7f7f7f", "#393b79", "#637939",
)  # fmt: skip
POINTS: Final = 200
"""A curve is drawn through at most so many values: more cannot be seen."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Values in any order; `is_bold` makes it stand out."""

    name: str
    values: Sequence[float]
    is_bold: bool = False


def draw_shares(title: str, axis: str, curves: Sequence[Curve]) -> str:
    """The share of each curve's values that are at most x, x on a logarithmic scale from 1."""
    most = max((value for curve in curves for value in curve.values), default=1.0)
    decades = max(1, math.ceil(math.log10(max(most, 10.0))))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">',
        "<style>text { font: 12px sans-serif } .title { font-size: 15px }</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="24" class="title">{escape(title)}</text>',
    ]
    for decade in range(decades + 1):
        x = _x(10.0**decade, decades)
        parts.append(_line(x, TOP, x, HEIGHT - BOTTOM))
        parts.append(_text(x, HEIGHT - BOTTOM + 18, f"{10**decade:,}", "middle"))
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        parts.append(_line(LEFT, y, WIDTH - RIGHT, y))
        parts.append(_text(LEFT - 6, y + 4, f"{10 * tenth} %", "end"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, axis, "middle"))
    for place, curve in enumerate(curves):
        colour, width = COLOURS[place % len(COLOURS)], 2.5 if curve.is_bold else 1.2
        path = " ".join(
            f"{_x(value, decades):.1f},{_y(share):.1f}" for value, share in _steps(curve.values)
        )
        y = TOP + 18 * place + 10
        style = f'stroke="{colour}" stroke-width="{width}"'
        parts.append(f'<polyline points="{path}" fill="none" {style}/>')
        at = WIDTH - RIGHT + 12
        parts.append(f'<line x1="{at}" y1="{y}" x2="{at + 18}" y2="{y}" {style}/>')
        parts.append(_text(at + 24, y + 4, curve.name, "start"))
    return "\n".join([*parts, "</svg>", ""])


def keep(picture: str, path: Path) -> Path:
    """Write it; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(picture, encoding="utf-8")
    return path


def _steps(values: Sequence[float]) -> list[tuple[float, float]]:
    """Values with the share of all that they do not exceed."""
    ordered = sorted(values)
    count = len(ordered)
    picked = sorted({round(n * (count - 1) / (POINTS - 1)) for n in range(POINTS)}) if count else []
    return [(ordered[place], (place + 1) / count) for place in picked]


def _x(value: float, decades: int) -> float:
    return LEFT + (WIDTH - RIGHT - LEFT) * math.log10(max(value, 1.0)) / decades


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * share


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#dddddd"/>'


def _text(x: float, y: float, what: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(what)}</text>'
