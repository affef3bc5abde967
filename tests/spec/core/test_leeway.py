"""What was missed stretches the next bounds, and what was kept shrinks them."""

from __future__ import annotations

import math

import pytest

from quarterdeck.core.scheduling.calibration import SHARES, STEPS, Calibration
from quarterdeck.core.scheduling.leeway import LEAST, Leeway
from quarterdeck.core.scheduling.promises import Spread, Stretch
from quarterdeck.testing.builders import a_job_id

HOUR = 3600.0
NARROW = Spread(0.9 * HOUR, 0.95 * HOUR, HOUR, 1.05 * HOUR, 1.1 * HOUR)


def test_a_miss_moves_it_out_and_a_kept_one_in_by_their_shares() -> None:
    """As many as may be missed leave it where it was."""
    leeway = Leeway(0.1, 0.01)
    leeway.judge(is_missed=True)
    assert leeway.stretch == pytest.approx(0.009)
    for _ in range(9):
        leeway.judge(is_missed=False)
    assert leeway.stretch == pytest.approx(0.0)


def test_it_never_shrinks_beyond_all_return() -> None:
    leeway = Leeway(0.5, 1.0)
    for _ in range(100):
        leeway.judge(is_missed=False)
    assert leeway.stretch == LEAST


def promised(count: int = 1) -> Calibration:
    calibration = Calibration()
    for n in range(count):
        calibration.promise(a_job_id(n), 0.0, HOUR, NARROW)
    return calibration


def test_a_bound_that_has_passed_without_a_start_is_a_miss_at_once() -> None:
    calibration = promised()
    calibration.catch_up(1.05 * HOUR)
    assert calibration.stretch == Stretch(0.0, 0.0), "both ends belong to the bounds"
    calibration.catch_up(1.06 * HOUR)
    assert calibration.stretch.half == pytest.approx(STEPS[0] * (1 - SHARES[0]))
    assert calibration.stretch.most == 0
    calibration.catch_up(1.11 * HOUR)
    assert calibration.stretch.most == pytest.approx(STEPS[1] * (1 - SHARES[1]))


def test_each_promise_is_judged_once() -> None:
    """Not again at its start, nor when it is withdrawn."""
    calibration = promised(2)
    calibration.catch_up(2 * HOUR)
    before = calibration.stretch
    calibration.settle(a_job_id(0), 3 * HOUR)
    calibration.drop(a_job_id(1))
    calibration.catch_up(9 * HOUR)
    assert calibration.stretch == before


def test_a_start_before_its_bounds_is_a_miss_too() -> None:
    calibration = promised()
    calibration.settle(a_job_id(0), 0.5 * HOUR)
    assert calibration.stretch.most > 0
    assert calibration.stretch.half > 0


def test_who_leaves_before_a_bound_has_passed_is_not_judged() -> None:
    calibration = promised()
    calibration.drop(a_job_id(0))
    calibration.catch_up(9 * HOUR)
    assert calibration.stretch == Stretch(0.0, 0.0)


def test_a_queue_that_stands_still_is_known_before_anybody_of_it_starts() -> None:
    """Who has waited beyond the outer bound has waited at least so long."""
    calibration = promised(50)
    before = calibration.spread(HOUR, 0.0)
    calibration.catch_up(20 * HOUR)
    after = calibration.spread(HOUR, 20 * HOUR)
    assert after.middle_s > before.middle_s
    assert after.most_to_s > 15 * HOUR
    later = calibration.spread(HOUR, 40 * HOUR)
    assert later.most_to_s > 30 * HOUR


def test_bounds_are_as_much_wider_as_they_are_stretched() -> None:
    plain, wide = Calibration(), Calibration()
    stretch = Stretch(0.1, 0.3)
    for one, told in ((plain, None), (wide, stretch)):
        one.promise(a_job_id(1), 0.0, HOUR, NARROW, told)
    narrow, wider = plain.spread(HOUR, 0.0), wide.spread(HOUR, 0.0)
    assert wider.middle_s == narrow.middle_s

    def reach(spread: Spread) -> float:
        return math.log((spread.most_to_s + 60) / (spread.middle_s + 60))

    assert reach(wider) == pytest.approx(math.exp(0.3) * reach(narrow))


def test_the_inner_bounds_never_reach_beyond_the_outer_ones() -> None:
    calibration = Calibration()
    calibration.promise(a_job_id(1), 0.0, HOUR, NARROW, Stretch(5.0, 0.0))
    spread = calibration.spread(HOUR, 0.0)
    assert (spread.half_from_s, spread.half_to_s) == (spread.most_from_s, spread.most_to_s)


def test_it_goes_on_from_what_was_in_force_before() -> None:
    """As a server that starts again is told of promises of an earlier one."""
    calibration = Calibration()
    calibration.promise(a_job_id(1), 0.0, HOUR, NARROW, Stretch(0.25, -0.5))
    assert calibration.stretch == Stretch(0.25, -0.5)
    calibration.settle(a_job_id(1), HOUR)
    assert calibration.stretch.half == pytest.approx(0.25 - STEPS[0] * SHARES[0])
