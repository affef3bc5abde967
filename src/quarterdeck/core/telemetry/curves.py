"""One continuous curve of all attempts of a job, small enough to draw and still true.

An attempt that resumes from a checkpoint repeats the steps after it. What counts is the latest:
from the first step of an attempt on, what earlier ones said of that step and of later ones is gone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


@dataclass(frozen=True, slots=True)
class Point:
    """A value at a step. Either may have been counted in any unit; `at_ns` is when it was told."""

    step: float
    value: float
    at_ns: int
    attempt: int


def join(attempts: Iterable[Sequence[Point]]) -> list[Point]:
    """The curve of attempts given in their order. Points of one attempt are in the order told."""
    curve: list[Point] = []
    for points in attempts:
        latest = {point.step: point for point in points}
        if not latest:
            continue
        first = min(latest)
        curve = [point for point in curve if point.step < first]
        curve += sorted(latest.values(), key=lambda point: point.step)
    return curve


def thin_out(curve: Sequence[Point], points_max: int) -> list[Point]:
    """At most so many points (at least 4): of each stretch the first, the lowest, the highest and
    the last, so that no peak is lost. This is M4 aggregation (Jugel and others, VLDB 2014), by
    number of points instead of by pixel."""
    assert points_max >= 4, points_max
    if len(curve) <= points_max:
        return list(curve)
    stretches = points_max // 4
    kept: list[Point] = []
    for number in range(stretches):
        begin = len(curve) * number // stretches
        end = len(curve) * (number + 1) // stretches
        kept += _corners(curve, begin, end)
    return kept


def _corners(curve: Sequence[Point], begin: int, end: int) -> list[Point]:
    def height(place: int) -> float:
        value = curve[place].value
        return value if not math.isnan(value) else -math.inf

    places = range(begin, end)
    corners = {begin, min(places, key=height), max(places, key=height), end - 1}
    return [curve[place] for place in sorted(corners)]
