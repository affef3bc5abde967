"""Plots as SVG, drawn by hand: lines and bars, with axes, and values to hover over.

Runs differ by colour and by dashes or order, so that a plot can be read in black and white. The
colours are classes; the page's style says which they are, in the light and in the dark.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.sim.report.words import safe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quarterdeck.sim.report.scales import Scale
    from quarterdeck.sim.report.series import Bars, Line

WIDTH: Final = 640
HEIGHT: Final = 300
LEFT, RIGHT, TOP, BOTTOM = 66, 14, 12, 48
KINDS: Final = 8
"""How many runs look different; more of them begin again."""
LABEL_CHARS_MAX: Final = 14
SLANTED_FROM: Final = 7
SLANTED_HEIGHT: Final = 26
"""Names of groups stand aslant when there are many of them, and need more room below."""


def draw_lines(names: Sequence[str], lines: Sequence[Line], x: Scale, y: Scale, told: str) -> str:
    """One line a run. `told` is what a screen reader says of the plot."""
    parts = [*_frame(x.label, y, told, HEIGHT), *_x_ticks(x)]
    for number, (name, line) in enumerate(zip(names, lines, strict=True)):
        points = " ".join(
            f"{_x(x.place(at)):.1f},{_y(y.place(value)):.1f}"
            for at, value in zip(line.xs, line.ys, strict=True)
        )
        title = f"<title>{safe(name)}</title>"
        parts.append(
            f'<polyline class="line k{number % KINDS}" points="{points}">{title}</polyline>'
        )
    return _svg(parts, told)


def draw_bars(
    names: Sequence[str],
    bars: Bars,
    y: Scale,
    x_label: str,
    write: Callable[[float], str],
    told: str,
) -> str:
    """Groups of bars, in each one a run."""
    is_slanted = len(bars.groups) >= SLANTED_FROM
    more = SLANTED_HEIGHT if is_slanted else 0
    parts = list(_frame(x_label, y, told, HEIGHT + more))
    inner = WIDTH - LEFT - RIGHT
    band = inner / max(1, len(bars.groups))
    width = band * 0.76 / max(1, len(names))
    for place, group in enumerate(bars.groups):
        begin = LEFT + band * place + band * 0.12
        for number, name in enumerate(names):
            value = bars.values[number][place]
            if value is None:
                continue
            top = _y(y.place(value))
            title = f"<title>{safe(group)}, {safe(name)}: {safe(write(value))}</title>"
            parts.append(
                f'<rect class="bar k{number % KINDS}" x="{begin + number * width:.1f}" '
                f'y="{top:.1f}" width="{max(0.5, width - 1):.1f}" '
                f'height="{HEIGHT - BOTTOM - top:.1f}">{title}</rect>'
            )
        parts.append(_group_label(group, LEFT + band * (place + 0.5), is_slanted=is_slanted))
    return _svg(parts, told, HEIGHT + more)


def _group_label(group: str, x: float, *, is_slanted: bool) -> str:
    text = group if len(group) <= LABEL_CHARS_MAX else f"{group[: LABEL_CHARS_MAX - 1]}…"
    y = HEIGHT - BOTTOM + 15
    if is_slanted:
        return (
            f'<text class="tick" text-anchor="end" '
            f'transform="translate({x + 4:.1f} {y - 4}) rotate(-24)">{safe(text)}</text>'
        )
    return _tick("middle", x, y, text)


def _svg(parts: Sequence[str], told: str, height: int = HEIGHT) -> str:
    body = "\n".join(parts)
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{safe(told)}">\n{body}\n</svg>'
    )


def _frame(x_label: str, y: Scale, told: str, height: int) -> Iterator[str]:
    """The grid, the marks of y, and both labels."""
    yield f"<desc>{safe(told)}</desc>"
    for value, text in y.ticks:
        at = _y(y.place(value))
        kind = "axis" if value == 0 else "grid"
        yield f'<line class="{kind}" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield _tick("end", LEFT - 6, at + 4, text)
    middle = (TOP + HEIGHT - BOTTOM) / 2
    yield (
        f'<text class="label" text-anchor="middle" '
        f'transform="translate(13 {middle:.1f}) rotate(-90)">{safe(y.label)}</text>'
    )
    yield (
        f'<text class="label" text-anchor="middle" x="{(LEFT + WIDTH - RIGHT) / 2:.1f}" '
        f'y="{height - 6}">{safe(x_label)}</text>'
    )


def _x_ticks(x: Scale) -> Iterator[str]:
    base = HEIGHT - BOTTOM
    for value, text in x.ticks:
        at = _x(x.place(value))
        yield f'<line class="axis" x1="{at:.1f}" x2="{at:.1f}" y1="{base}" y2="{base + 4}"/>'
        yield _tick("middle", at, base + 17, text)


def _tick(anchor: str, x: float, y: float, text: str) -> str:
    return f'<text class="tick" text-anchor="{anchor}" x="{x:.1f}" y="{y:.1f}">{safe(text)}</text>'


def _x(share: float) -> float:
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)
