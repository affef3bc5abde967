"""Axes: from where to where, and which values are written beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.sim.report.words import number, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

TICKS: Final = 5
_UNITS: Final = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
_WAITS: Final = (
    (1.0, "1 s or less"), (10.0, "10 s"), (60.0, "1 min"), (600.0, "10 min"), (3600.0, "1 h"),
    (36_000.0, "10 h"), (86_400.0, "1 day"), (864_000.0, "10 days"), (8_640_000.0, "100 days"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scale:
    """Values of one axis as shares of its length, its marks, and what it shows with its unit."""

    label: str
    most: float
    ticks: tuple[tuple[float, str], ...]
    is_log: bool = False

    def place(self, value: float) -> float:
        """Where a value lies, from 0 to 1."""
        if self.is_log:
            return min(1.0, math.log10(max(1.0, value)) / math.log10(self.most))
        return min(1.0, max(0.0, value / self.most))


def linear(label: str, values: Sequence[float]) -> Scale:
    """From 0 to a round number that no value exceeds."""
    step = _round_step(max(values, default=0.0) or 1.0)
    marks = _marks(max(values, default=0.0) or 1.0, step)
    return Scale(label, marks[-1], tuple((mark, number(mark)) for mark in marks))


def shares(label: str, values: Sequence[float] = (1.0,)) -> Scale:
    """From 0 % to all, or to a round number above what there is."""
    step = _round_step(100 * max(values, default=0.0) or 1.0) / 100
    marks = _marks(max(values, default=0.0) or 0.01, step)
    return Scale(label, marks[-1], tuple((mark, percent(mark)) for mark in marks))


def times(label: str, values: Sequence[float]) -> Scale:
    """From 0 on, in the unit that suits the largest; `label` gets its name."""
    most = max(values, default=0.0) or 1.0
    size, unit = next(((one, name) for one, name in _UNITS if most >= 2 * one), _UNITS[-1])
    marks = _marks(most / size, _round_step(most / size))
    ticks = tuple((mark * size, number(mark)) for mark in marks)
    return Scale(f"{label}, {unit}", marks[-1] * size, ticks)


def waits(label: str, values: Sequence[float]) -> Scale:
    """From a second on by powers, since waits differ by powers; what is less is on the edge."""
    most = max(10.0, *values)
    ticks = tuple((mark, name) for mark, name in _WAITS if mark <= most)
    return Scale(label, most, ticks, is_log=True)


def _round_step(most: float) -> float:
    """1, 2 or 5 times a power of ten, so that about `TICKS` of them reach it."""
    rough = most / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * one for one in (1.0, 2.0, 5.0, 10.0) if power * one >= rough * (1 - 1e-9))


def _marks(most: float, step: float) -> list[float]:
    return [n * step for n in range(math.ceil(most / step - 1e-9) + 1)]
