"""The suite of promises: what is measured, beside what, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import promises
from benchmarks.gangs import demand_of
from benchmarks.promises import Found, Row, row_of, rows_of
from benchmarks.promises_runtimes import Learned, judge_learned, learned_from
from quarterdeck.core.scheduling.promises import Spread
from quarterdeck.sim.fast.promising import Promised
from quarterdeck.sim.fast.workload import SimJob

GOOD = Row(1000, 0.5, 0.9, 100.0, 300.0, 50.0)
HISTORY = Row(1000, 0.2, 0.5, 80.0, 200.0, 90.0)
LEARNED = Learned(
    100,
    {"ours": 0.6, "user's mean": 0.5, "shape's median": 0.4},
    {"ours": 1.5, "user's mean": 2.5, "shape's median": 3.0},
)


def missed(ours: Row, history: Row = HISTORY) -> list[str]:
    rows = {"itp02": {"ours": ours, "history by shape": history}}
    return [said for said, holds in promises.judge(rows) if not holds]


def test_a_good_run_misses_nothing() -> None:
    assert missed(GOOD) == []


@pytest.mark.parametrize(
    ("worse", "what"),
    [
        (replace(GOOD, within_half=0.44), "bounds of 50 %"),
        (replace(GOOD, within_half=0.56), "bounds of 50 %"),
        (replace(GOOD, within_most=0.87), "bounds of 90 %"),
        (replace(GOOD, within_most=0.96), "bounds of 90 %"),
        (replace(GOOD, width_half_s=161.0), "width of 50 %"),
        (replace(GOOD, width_most_s=401.0), "width of 90 %"),
        (replace(GOOD, pinball_s=90.0), "pinball"),
    ],
)
def test_each_bar_can_be_missed(worse: Row, what: str) -> None:
    (said,) = missed(worse)
    assert what in said


def test_a_row_counts_what_is_within_and_how_wide_it_is() -> None:
    spread = (0.0, 10.0, 20.0, 30.0, 100.0)
    row = row_of([10.0, 30.0, 100.0, 101.0], [spread] * 4)
    assert (row.starts, row.within_half, row.within_most) == (4, 0.5, 0.75)
    assert (row.width_half_s, row.width_most_s) == (20, 100)


def test_the_pinball_loss_of_a_quantile_is_as_it_is_defined() -> None:
    """At a wait of 10, each quantile that is 10 too high costs a tenth of what it should exceed."""
    assert promises.pinball_s(10.0, (10.0,) * 5) == 0
    assert promises.pinball_s(10.0, (20.0, 10.0, 10.0, 10.0, 10.0)) == pytest.approx(0.95 * 10 / 5)
    assert promises.pinball_s(10.0, (10.0, 10.0, 10.0, 10.0, 0.0)) == pytest.approx(0.95 * 10 / 5)


def made(at_s: float, wait_s: float, gpus: int = 1) -> Promised:
    job = SimJob(1, "j", at_s, 1.0, demand_of(gpus))
    return Promised(job, at_s, wait_s, Spread(*[wait_s] * 5), wait_s)


def test_the_history_knows_only_waits_that_are_over() -> None:
    """The third comes when the first has started and the second waits still: it is told five."""
    rows = rows_of([made(0.0, 5.0), made(1.0, 500.0), made(6.0, 7.0)])
    assert rows["history by shape"].starts == 1
    assert rows["history by shape"].pinball_s == pytest.approx(promises.pinball_s(7.0, (5.0,) * 5))
    assert rows["ours"].pinball_s == 0


def test_the_history_goes_by_shape_where_it_can() -> None:
    rows = rows_of([made(0.0, 5.0, 8), made(0.0, 50.0, 1), made(100.0, 5.0, 8)])
    assert rows["history by shape"].pinball_s == 0


def test_run_times_are_foretold_from_what_had_ended() -> None:
    jobs = [
        SimJob(n, "train", 100.0 * n, 50.0, demand_of(1), user="ada", estimate_s=5000.0)
        for n in range(10)
    ]
    found = learned_from(jobs)
    assert found.jobs == 9
    assert found.within["ours"] == 1
    assert found.within["asked"] == 0
    assert found.off["asked"] == 100


def test_ours_must_be_as_near_as_the_simple_rules() -> None:
    assert all(holds for _, holds in judge_learned({"t": LEARNED}))
    worse = replace(LEARNED, within={**LEARNED.within, "ours": 0.48})
    assert [holds for _, holds in judge_learned({"t": worse})] == [False]


def test_all_of_it_is_told() -> None:
    found = Found({"itp02": {"ours": GOOD, "history by shape": HISTORY}}, {"hpc2n": LEARNED})
    told = str(promises.tell(found))
    assert "50.0%" in told
    assert "hpc2n" in told
    assert promises.tell(found).holds
