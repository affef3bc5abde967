"""Curves: one for all attempts, thinned out without losing a peak."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from quarterdeck.core.telemetry.curves import Point, join, thin_out

VALUES = st.floats(allow_nan=True, allow_infinity=True)
STEPS = st.integers(0, 60).map(float)


def attempt_of(number: int, told: list[tuple[float, float]]) -> list[Point]:
    return [Point(step, value, n, number) for n, (step, value) in enumerate(told)]


ATTEMPTS = st.lists(st.lists(st.tuples(STEPS, VALUES), max_size=12), max_size=4).map(
    lambda told: [attempt_of(number, one) for number, one in enumerate(told, start=1)]
)


@given(ATTEMPTS)
def test_a_curve_goes_forward_and_the_latest_word_counts(attempts: list[list[Point]]) -> None:
    curve = join(attempts)
    steps = [point.step for point in curve]
    assert steps == sorted(set(steps))
    assert [point.attempt for point in curve] == sorted(point.attempt for point in curve)
    for point in curve:
        later = [one for points in attempts[point.attempt :] for one in points]
        assert all(one.step > point.step for one in later)
        own = [one for one in attempts[point.attempt - 1] if one.step == point.step]
        assert point is own[-1]


@given(ATTEMPTS.filter(lambda attempts: bool(attempts and attempts[-1])))
def test_nothing_of_the_last_attempt_is_lost(attempts: list[list[Point]]) -> None:
    last = {point.step for point in attempts[-1]}
    assert last == {point.step for point in join(attempts) if point.attempt == len(attempts)}


@given(st.lists(VALUES, min_size=1, max_size=300), st.integers(4, 60))
def test_thinning_keeps_the_ends_the_peaks_and_the_order(values: list[float], most: int) -> None:
    curve = [Point(float(n), value, n, 1) for n, value in enumerate(values)]
    thin = thin_out(curve, most)
    assert len(thin) <= most
    assert (thin[0], thin[-1]) == (curve[0], curve[-1])
    assert [point.step for point in thin] == sorted(point.step for point in thin)
    numbers = [point.value for point in curve if not math.isnan(point.value)]
    if numbers:
        kept = [point.value for point in thin if not math.isnan(point.value)]
        assert max(kept) == max(numbers)
        if len(numbers) == len(curve):
            assert min(kept) == min(numbers)
