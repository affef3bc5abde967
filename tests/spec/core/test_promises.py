"""Bounds of starts: as many are kept as are promised, however wrong the guesses are."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.calibration import Calibration
from quarterdeck.core.scheduling.promises import Because, Bounds, Spread, promise_of
from quarterdeck.testing.builders import a_job_id

HOUR = 3600.0
AN_HOUR = Spread(HOUR, HOUR, HOUR, HOUR, HOUR)
Wait = Callable[[Random, float, int], float]


def exact(_rng: Random, guess_s: float, _n: int) -> float:
    return guess_s


def tenfold(rng: Random, guess_s: float, _n: int) -> float:
    """Every guess is ten times too small, and noisy."""
    return 10 * guess_s * rng.lognormvariate(0, 0.5)


def noisy(rng: Random, guess_s: float, _n: int) -> float:
    return guess_s * rng.lognormvariate(0, 1.0)


def turning(rng: Random, guess_s: float, n: int) -> float:
    """Now guesses are too small, now too large, for two hundred in a row."""
    return guess_s * rng.lognormvariate(1.5 if n // 200 % 2 else -1.5, 0.5)


def kept(wait_of: Wait, count: int, at_once: int) -> tuple[float, float, Calibration]:
    """How many of the second half are within; so many wait at a time."""
    rng, calibration = Random(11), Calibration()
    now_s = 0.0
    coming: list[tuple[float, JobId]] = []
    made: dict[JobId, tuple[int, float, Spread]] = {}
    half = most = counted = 0
    for n in range(count):
        now_s += HOUR / at_once
        for start_s, job_id in sorted(one for one in coming if one[0] <= now_s):
            coming.remove((start_s, job_id))
            calibration.settle(job_id, start_s)
            number, since_s, spread = made.pop(job_id)
            if number > count // 2:
                wait_s, counted = start_s - since_s, counted + 1
                half += spread.half_from_s <= wait_s <= spread.half_to_s
                most += spread.most_from_s <= wait_s <= spread.most_to_s
        guess_s = HOUR * rng.lognormvariate(0, 0.7)
        calibration.catch_up(now_s)
        spread = calibration.spread(guess_s, now_s)
        job_id = a_job_id(n)
        calibration.promise(job_id, now_s, guess_s, spread)
        made[job_id] = (n, now_s, spread)
        coming.append((now_s + wait_of(rng, guess_s, n), job_id))
    return half / counted, most / counted, calibration


@pytest.mark.parametrize("wait_of", [noisy, tenfold, turning])
def test_as_many_starts_are_within_as_was_promised(wait_of: Wait) -> None:
    half, most, _ = kept(wait_of, 3000, at_once=5)
    assert 0.42 <= half <= 0.58
    assert 0.85 <= most <= 0.96


def test_good_guesses_have_narrow_bounds_and_bad_ones_wide_ones() -> None:
    _, _, good = kept(exact, 600, at_once=5)
    _, _, bad = kept(noisy, 600, at_once=5)
    narrow, wide = good.spread(HOUR, 1e12), bad.spread(HOUR, 1e12)
    assert narrow.most_to_s - narrow.most_from_s < 0.2 * HOUR
    assert wide.most_to_s - wide.most_from_s > HOUR


def test_guesses_that_are_always_too_small_are_made_larger() -> None:
    _, _, calibration = kept(tenfold, 600, at_once=5)
    assert calibration.spread(HOUR, 1e12).middle_s == pytest.approx(10 * HOUR, rel=0.4)


def test_small_guesses_do_not_learn_from_large_ones() -> None:
    calibration = Calibration()
    for n in range(200):
        is_small = n % 2 == 0
        guess_s = 600.0 if is_small else 200 * HOUR
        job_id = a_job_id(n)
        calibration.promise(job_id, n * 1e7, guess_s, calibration.spread(guess_s, n * 1e7))
        calibration.settle(job_id, n * 1e7 + guess_s * (1 if is_small else 8))
    assert calibration.spread(600.0, 1e12).middle_s == pytest.approx(600, rel=0.2)
    assert calibration.spread(200 * HOUR, 1e12).middle_s == pytest.approx(1600 * HOUR, rel=0.2)


def wait_together(calibration: Calibration, ids: range, at_s: float, wait_s: float) -> None:
    """All are promised an hour at once and start at once."""
    for n in ids:
        calibration.promise(a_job_id(n), at_s, HOUR, AN_HOUR)
    for n in ids:
        calibration.settle(a_job_id(n), at_s + wait_s)


def wait_in_turn(calibration: Calibration, ids: range, at_s: float, wait_s: float) -> None:
    for n in ids:
        wait_together(calibration, range(n, n + 1), at_s + n * wait_s, wait_s)


def test_who_waits_together_leaves_more_doubt_than_who_waits_in_turn() -> None:
    together, in_turn = Calibration(), Calibration()
    wait_together(together, range(16), 0.0, HOUR)
    wait_in_turn(in_turn, range(16), 0.0, HOUR)
    assert in_turn.spread(HOUR, 1e12).most_from_s > 0.75 * HOUR
    assert together.spread(HOUR, 1e12).most_from_s < 0.65 * HOUR


def test_one_long_queue_does_not_drown_what_was_known_before_it() -> None:
    calibration = Calibration()
    wait_in_turn(calibration, range(50), 0.0, HOUR)
    wait_together(calibration, range(50, 450), 100 * HOUR, 8 * HOUR)
    spread = calibration.spread(HOUR, 1e12)
    assert spread.half_from_s == pytest.approx(HOUR, rel=0.05)
    assert spread.half_to_s == pytest.approx(8 * HOUR, rel=0.15)


def test_what_came_of_late_promises_counts_more() -> None:
    calibration = Calibration()
    wait_in_turn(calibration, range(100), 0.0, HOUR)
    wait_in_turn(calibration, range(100, 250), 0.0, 8 * HOUR)
    assert calibration.spread(HOUR, 1e12).half_from_s == pytest.approx(8 * HOUR, rel=0.05)


def test_what_was_learned_is_told_by_promises_and_starts_alone() -> None:
    """A server that starts again is told of them without being asked in between."""
    rng, asked, told = Random(5), Calibration(), Calibration()
    guesses = [HOUR * rng.lognormvariate(0, 0.7) for _ in range(60)]
    for n, guess_s in enumerate(guesses):
        spread, start_s = asked.spread(guess_s, n * HOUR), (n + rng.random()) * HOUR
        for one in (asked, told):
            one.promise(a_job_id(n), n * HOUR, guess_s, spread)
            if n <= 40:
                one.settle(a_job_id(n), start_s)
    assert [told.spread(one, 1e6) for one in guesses] == [asked.spread(one, 1e6) for one in guesses]


def test_who_leaves_the_queue_teaches_nothing() -> None:
    calibration = Calibration()
    before = calibration.spread(HOUR, 1e12)
    calibration.promise(a_job_id(1), 0.0, HOUR, before)
    calibration.drop(a_job_id(1))
    calibration.settle(a_job_id(1), 9e9)
    assert calibration.spread(HOUR, 1e12) == before


def test_bounds_lie_within_each_other_and_never_in_the_past() -> None:
    rng, calibration = Random(3), Calibration()
    for n in range(300):
        guess_s = rng.choice([0.0, 5.0, 1e3, 1e6, 1e12])
        spread = calibration.spread(guess_s, float(n))
        assert spread.most_from_s >= 0
        assert list(spread) == sorted(spread)
        calibration.promise(a_job_id(n), float(n), guess_s, spread)
        if rng.random() < 0.7:
            calibration.settle(a_job_id(n), n + rng.lognormvariate(5, 4))


def test_a_promise_is_a_spread_from_now_on() -> None:
    now_ns = 77 * NS_PER_S
    spread = Spread(1.0, 2.0, 3.0, 4.0, 5.0)
    made = promise_of(a_job_id(1), now_ns, 2.5, spread, (Because.FIRST, ""))
    assert made.half == Bounds(79 * NS_PER_S, 81 * NS_PER_S)
    assert made.most == Bounds(78 * NS_PER_S, 82 * NS_PER_S)
    assert made.expected_at_ns == 80 * NS_PER_S
    assert made.half.holds(79 * NS_PER_S)
    assert not made.half.holds(82 * NS_PER_S)
    assert made.is_first
