"""Whatever the waits are, and however late each is known, no more promises are missed than the
bound of `core/scheduling/leeway` says: starts are chosen by an enemy who sees the bounds."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.core.scheduling.calibration import EVER_S, SHARES, Calibration
from quarterdeck.core.scheduling.leeway import COVERS, LEAST, Leeway
from quarterdeck.core.scheduling.promises import Spread
from quarterdeck.testing.builders import a_job_id

HOUR = 3600.0
STEPS = (0.5, 0.2)
"""So much larger than in use that a bound of a few hundred promises says something."""
WISHES = ("above most", "below most", "above half", "below half", "within", "ever", "at once")
MOVE = st.tuples(st.sampled_from(WISHES), st.floats(0.0, 1e7), st.integers(0, 30))


def wait_of(spread: Spread, wish: str) -> float:
    """What an enemy makes of bounds; nobody waits longer than ten years."""
    found = {
        "above most": spread.most_to_s * 1.01 + 1,
        "below most": max(0.0, spread.most_from_s * 0.99 - 1),
        "above half": spread.half_to_s * 1.01 + 1,
        "below half": max(0.0, spread.half_from_s * 0.99 - 1),
        "within": spread.middle_s,
        "ever": EVER_S,
        "at once": 0.0,
    }[wish]
    return min(found, EVER_S)


@dataclass
class Count:
    judged: int = 0
    half_missed: int = 0
    most_missed: int = 0
    open_most: int = 0


def played(moves: list[tuple[str, float, int]]) -> Count:
    """Each is promised an hour after the one before, or after all waits are over."""
    calibration, count = Calibration(STEPS), Count()
    coming: list[tuple[float, int, float, Spread]] = []
    now_s = 0.0

    def settle_until(until_s: float) -> None:
        for start_s, number, since_s, spread in sorted(coming):
            if start_s > until_s:
                continue
            coming.remove((start_s, number, since_s, spread))
            calibration.settle(a_job_id(number), start_s)
            wait_s, count.judged = start_s - since_s, count.judged + 1
            count.half_missed += not spread.half_from_s <= wait_s <= spread.half_to_s
            count.most_missed += not spread.most_from_s <= wait_s <= spread.most_to_s

    for number, (wish, guess_s, pause) in enumerate(moves):
        if pause == 0 and coming:
            now_s = max(start_s for start_s, *_ in coming)
        now_s += HOUR * pause
        settle_until(now_s)
        calibration.catch_up(now_s)
        spread = calibration.spread(guess_s, now_s)
        calibration.promise(a_job_id(number), now_s, guess_s, spread)
        coming.append((now_s + wait_of(spread, wish), number, now_s, spread))
        count.open_most = max(count.open_most, len(coming))
    settle_until(1e300)
    return count


@settings(max_examples=40, deadline=None)
@given(st.lists(MOVE, min_size=60, max_size=200))
def test_no_more_are_missed_than_the_bound_says(moves: list[tuple[str, float, int]]) -> None:
    count = played(moves)
    allowed = [
        share * count.judged + COVERS / step + count.open_most + 1
        for share, step in zip(SHARES, STEPS, strict=True)
    ]
    assert count.most_missed <= allowed[1]
    # Where the inner bounds give way to the outer ones they are missed as those are.
    assert count.half_missed <= allowed[0] + (COVERS - LEAST) / STEPS[1] + count.open_most + 1


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.booleans(), min_size=1, max_size=12),
    st.floats(0.02, 0.5),
    st.floats(0.05, 1.0),
    st.integers(0, 20),
)
def test_of_judgements_that_come_late_no_more_are_misses(
    wishes: list[bool], share: float, step: float, late: int
) -> None:
    """A promise whose stretch covers everything cannot be missed; all others as the enemy likes, in
    any pattern, again and again."""
    leeway = Leeway(share, step)
    open_: list[bool] = []
    missed = judged = 0
    for wish in (wishes * 600)[:600]:
        open_.append(wish and leeway.stretch < COVERS)
        if len(open_) > late:
            is_missed = open_.pop(0)
            leeway.judge(is_missed=is_missed)
            judged, missed = judged + 1, missed + is_missed
    assert missed <= share * judged + COVERS / step + late + 2


def test_who_misses_every_one_soon_cannot_any_more() -> None:
    """The bound is one that says something: an enemy of a thousand promises gets a tenth of them
    and what it takes until the bounds cover everything."""
    count = played([("above most", HOUR, 0)] * 1000)
    assert count.most_missed <= 0.1 * 1000 + COVERS / STEPS[1] + 2
    assert count.most_missed < 200
