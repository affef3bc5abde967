"""Curves drawn with characters, or as an SVG file: no plotting library is needed for a look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Sequence

_DOTS: Final = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
"""Bits of a braille character's dots by column and row (Unicode 15, chapter 21.1)."""
_BRAILLE: Final = 0x2800
_SVG_WIDTH: Final = 720
_SVG_HEIGHT: Final = 360
_MARGIN: Final = 60


@dataclass(frozen=True, slots=True)
class Curve:
    """Points in the order of their steps. `breaks` are the steps at which another attempt began."""

    name: str
    steps: Sequence[float]
    values: Sequence[float]
    breaks: Sequence[float] = ()


def draw_text(curve: Curve, width: int, height: int, *, is_unicode: bool) -> list[str]:
    """Lines of at most `width` characters: the curve, its axes, and what they go from and to."""
    low, high = _span(curve.values)
    first, last = _span(curve.steps)
    labels = (_short(high), _short(low))
    margin = max(map(len, labels))
    columns = max(10, width - margin - 2)
    grid = _Grid(columns, height, is_unicode=is_unicode)
    previous = None
    for step, value in zip(curve.steps, curve.values, strict=True):
        x = _part(step, first, last) * (grid.width - 1)
        y = _part(value, high, low) * (grid.height - 1)
        grid.connect(previous or (x, y), (x, y))
        previous = (x, y)
    upright, corner, dash = ("│", "└", "─") if is_unicode else ("|", "+", "-")
    lines = [curve.name]
    for number, row in enumerate(grid.rows()):
        label = labels[0] if number == 0 else labels[1] if number == height - 1 else ""
        lines.append(f"{label:>{margin}} {upright}{row}".rstrip())
    axis = [dash] * columns
    for step in curve.breaks:
        axis[round(_part(step, first, last) * (columns - 1))] = "▲" if is_unicode else "^"
    lines.append(f"{'':>{margin}} {corner}{''.join(axis)}")
    ends = f"{_short(first)}{_short(last):>{max(1, columns - len(_short(first)))}}"
    lines.append(f"{'':>{margin}}  {ends}")
    if curve.breaks:
        mark = "▲" if is_unicode else "^"
        lines.append(f"{'':>{margin}}  {mark} another attempt began")
    return lines


def draw_svg(curve: Curve) -> str:
    """The same as a picture that every browser shows."""
    low, high = _span(curve.values)
    first, last = _span(curve.steps)

    def place(step: float, value: float) -> str:
        x = _MARGIN + _part(step, first, last) * (_SVG_WIDTH - 2 * _MARGIN)
        y = _MARGIN + _part(value, high, low) * (_SVG_HEIGHT - 2 * _MARGIN)
        return f"{x:.1f},{y:.1f}"

    points = " ".join(
        place(step, value) for step, value in zip(curve.steps, curve.values, strict=True)
    )
    bottom, right = _SVG_HEIGHT - _MARGIN, _SVG_WIDTH - _MARGIN
    parts = [
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{_SVG_WIDTH}" height="{_SVG_HEIGHT}" '
            f'viewBox="0 0 {_SVG_WIDTH} {_SVG_HEIGHT}" font-family="sans-serif" font-size="13">'
        ),
        '<rect width="100%" height="100%" fill="white"/>',
        f'<path d="M{_MARGIN},{_MARGIN}V{bottom}H{right}" fill="none" stroke="#555"/>',
        *(
            f'<path d="M{place(step, high).replace(",", " ")}V{bottom}" stroke="#bbb" '
            'stroke-dasharray="4 3"/>'
            for step in curve.breaks
        ),
        f'<polyline points="{points}" fill="none" stroke="#1668b8" stroke-width="1.8"/>',
        (
            f'<text x="{_SVG_WIDTH / 2}" y="{_MARGIN / 2}" text-anchor="middle">'
            f"{escape(curve.name)}</text>"
        ),
        f'<text x="{_MARGIN - 6}" y="{_MARGIN + 4}" text-anchor="end">{_short(high)}</text>',
        f'<text x="{_MARGIN - 6}" y="{bottom + 4}" text-anchor="end">{_short(low)}</text>',
        f'<text x="{_MARGIN}" y="{bottom + 20}">{_short(first)}</text>',
        f'<text x="{right}" y="{bottom + 20}" text-anchor="end">{_short(last)}</text>',
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


class _Grid:
    """Dots on a page of characters: eight to a braille character, one to a plain one."""

    def __init__(self, columns: int, rows: int, *, is_unicode: bool) -> None:
        self._columns, self._is_unicode = columns, is_unicode
        self.width, self.height = (columns * 2, rows * 4) if is_unicode else (columns, rows)
        self._cells = [[0] * columns for _ in range(rows)]

    def connect(self, begin: tuple[float, float], end: tuple[float, float]) -> None:
        """Dots along a straight line."""
        count = max(1, round(max(abs(end[0] - begin[0]), abs(end[1] - begin[1]))))
        for number in range(count + 1):
            part = number / count
            self._dot(
                round(begin[0] + (end[0] - begin[0]) * part),
                round(begin[1] + (end[1] - begin[1]) * part),
            )

    def rows(self) -> list[str]:
        """The page's lines."""
        if not self._is_unicode:
            return ["".join("*" if cell else " " for cell in row) for row in self._cells]
        return ["".join(chr(_BRAILLE + cell) if cell else " " for cell in row)
                for row in self._cells]  # fmt: skip

    def _dot(self, x: int, y: int) -> None:
        if self._is_unicode:
            self._cells[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
        else:
            self._cells[y][x] = 1


def _part(value: float, begin: float, end: float) -> float:
    """How far along a value is, from 0 to 1. Halved, because a span may be beyond all numbers."""
    return (value / 2 - begin / 2) / (end / 2 - begin / 2)


def _span(values: Sequence[float]) -> tuple[float, float]:
    """From the lowest to the highest, never nothing."""
    low, high = min(values), max(values)
    if low == high:
        pad = abs(low) * 0.1 or 1.0
        return low - pad, high + pad
    return low, high


def _short(value: float) -> str:
    return f"{value:.4g}"
