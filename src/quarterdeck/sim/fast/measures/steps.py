"""Quantities that change at moments and stay the same in between: GPUs held, jobs that wait."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The quantity is `values[n]` from `times[n]` on, and 0 before the first. `areas[n]` is its
    integral up to `times[n]`."""

    times: NDArray[np.float64]
    values: NDArray[np.float64]
    areas: NDArray[np.float64]

    def area(self, begin_s: float, end_s: float) -> float:
        """Its integral over a span."""
        begin, end = self._area_until(np.array([begin_s, end_s]))
        return float(end - begin)

    def mean(self, begin_s: float, end_s: float) -> float:
        """Its mean over a span; over none at all, 0."""
        return self.area(begin_s, end_s) / (end_s - begin_s) if end_s > begin_s else 0.0

    def means(self, edges: NDArray[np.float64]) -> NDArray[np.float64]:
        """Its means between each two edges, which rise."""
        return np.diff(self._area_until(edges)) / np.diff(edges)

    @property
    def most(self) -> float:
        """The largest value."""
        return float(self.values.max(initial=0.0))

    def _area_until(self, at_s: NDArray[np.float64]) -> NDArray[np.float64]:
        if not len(self.times):
            return np.zeros(len(at_s))
        place = np.searchsorted(self.times, at_s, side="right") - 1
        before = np.maximum(place, 0)
        found = self.areas[before] + self.values[before] * (at_s - self.times[before])
        return np.where(place >= 0, found, 0.0)


def steps_of_changes(changes: Iterable[tuple[float, float]]) -> Steps:
    """From by how much it changes when, in any order."""
    found = np.array(sorted(changes), np.float64).reshape(-1, 2)
    return _steps(found[:, 0], np.cumsum(found[:, 1]))


def steps_of_values(times: Sequence[float], values: Sequence[float]) -> Steps:
    """From its values at times that rise."""
    return _steps(np.array(times, np.float64), np.array(values, np.float64))


def steps_of_spans(spans: Iterable[tuple[float, float, float]]) -> Steps:
    """From (begin, end, how much) that add up."""
    return steps_of_changes(
        change for begin, end, size in spans for change in ((begin, size), (end, -size))
    )


def _steps(times: NDArray[np.float64], values: NDArray[np.float64]) -> Steps:
    areas = np.concatenate(([0.0], np.cumsum(values[:-1] * np.diff(times))))[: len(times)]
    return Steps(times, values, areas)


def mean(values: Sequence[float]) -> float:
    """The mean; of nothing, 0."""
    return math.fsum(values) / len(values) if values else 0.0


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed; of nothing, 0."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else 0.0
