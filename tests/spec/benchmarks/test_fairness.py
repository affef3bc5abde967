"""The harness of fairness: max-min in rounds, trainings that change their batch, figures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks import fairness, shockwave
from benchmarks.adaptation import batch_at, duration_s
from benchmarks.baselines.fairness import run_max_min, share_out
from benchmarks.baselines.queueing import Course, Gang
from benchmarks.fairness import FINISH_TIME, HALF_OFF, MAX_MIN, PUBLISHED, Shared, measure
from benchmarks.gangs import gang_of
from benchmarks.traces import find


def test_all_get_as_many_gpus_and_what_one_cannot_use_goes_to_the_others() -> None:
    assert share_out([2, 4], 2) == [0.5, 0.25]
    assert share_out([1, 4, 1], 4) == [1, 0.5, 1]


def test_who_had_less_of_its_share_runs_next_and_starting_costs() -> None:
    """Two jobs take turns on one GPU; each turn is 100 s of work."""
    assert run_max_min([Gang(0, 200, 1), Gang(0, 200, 1)], 1).end_s == [360, 480]


def test_who_goes_on_loses_nothing() -> None:
    """One alone: 100 s in the first round, 120 s in the second."""
    assert run_max_min([Gang(50, 220, 1)], 1).end_s == [50 + 240]


def test_who_comes_between_waits_until_all_is_shared_out_again() -> None:
    """At the end of the ninth round 1,000 s have gone; the first then has one more turn."""
    course = run_max_min([Gang(0, 2000, 1), Gang(130, 100, 1)], 1)
    assert course.start_s == [0, 9 * 120 + 120]


def test_the_figures_of_two_jobs_by_hand() -> None:
    """One has the other beside it all the while; that one is alone for the last 120 of its 480 s:
    1.75 jobs are there on average. A hundred of 500 GPU seconds were lost."""
    gangs = [Gang(0, 200, 1), Gang(0, 200, 1)]
    found = measure(gangs, Course([0, 120], [360, 480]), 1, lost_gpu_s=100)
    assert found == Shared(480, 420, 1.2, 50, 100 * 400 / 480, 480 / 350, 50, 20)
    alone = measure(gangs[:1], Course([0], [220]), 4)
    assert alone.worst == pytest.approx(1.1)
    assert alone.lost is None


def test_gns_doubles_the_batch_at_its_epochs() -> None:
    found = [batch_at("gns", "ResNet-18", 32, 1, epoch, 90) for epoch in (0, 20, 21, 31, 50, 51)]
    assert found == [32, 32, 64, 128, 128, 256]
    assert batch_at("gns", "ResNet-18", 32, 2, 11, 90) == 64
    assert batch_at("gns", "Transformer", 32, 1, 80, 90) == 32


def test_accordion_uses_the_largest_batch_where_nothing_is_critical() -> None:
    def of(model: str, epoch: int) -> int:
        return batch_at("accordion", model, 20 if model == "LM" else 512, 1, epoch, 100)

    assert [of("LM", epoch) for epoch in (9, 30, 31)] == [20, 20, 80]
    assert [of("Recommendation", epoch) for epoch in (31, 59, 60, 70, 85)] == [
        8192, 8192, 512, 8192, 512,
    ]  # fmt: skip
    assert batch_at("accordion", "ResNet-50", 32, 1, 35, 100) == 32
    assert batch_at("accordion", "ResNet-50", 32, 1, 45, 100) == 128
    assert batch_at("static", "LM", 20, 1, 50, 100) == 20


def test_a_training_takes_its_epochs_at_their_speeds() -> None:
    """10,000 samples an epoch; 2 × 313 steps of 32 are two epochs."""
    speeds = {("Transformer", 32, 1): 10.0}
    assert duration_s("static", "Transformer", 32, 1, 626, speeds) == 2 * 312.5 / 10


def test_the_published_figures_of_max_min_come_out_within_5_percent() -> None:
    if find(shockwave.TRACE) is None:
        pytest.skip("no traces here: set QD_TRACES")
    gangs = [gang_of(job) for job in shockwave.read_jobs()]
    good = Shared(1, 1, 1, 0, 100, 1, 0, 0)
    max_min = measure(gangs, run_max_min(gangs, 32), 32)
    found = {MAX_MIN: max_min, FINISH_TIME: good, HALF_OFF: good}
    assert all(holds for _, holds in fairness.judge(found)), found


def test_ours_keeps_its_bars_and_stops_nobody() -> None:
    if find(shockwave.TRACE) is None:
        pytest.skip("no traces here: set QD_TRACES")
    found = fairness.run()
    assert all(holds for _, holds in fairness.judge(found)), found
    assert found[FINISH_TIME].lost == 0
    assert found[FINISH_TIME].makespan_s < fairness.SHOCKWAVE.makespan_s


def test_a_figure_that_is_off_is_said() -> None:
    at_the_bars = Shared(29_000, 9_000, 1.85, 15.0, 80.0, 4.0, 40.0, 2.0)
    good = {FINISH_TIME: at_the_bars, HALF_OFF: at_the_bars, MAX_MIN: PUBLISHED}
    assert all(holds for _, holds in fairness.judge(good))
    off = {
        FINISH_TIME: replace(at_the_bars, worst=1.86),
        HALF_OFF: replace(at_the_bars, lost=2.01),
        MAX_MIN: replace(PUBLISHED, worst=3.1, unfair_average=69.1),
    }
    assert [what for what, holds in fairness.judge(off) if not holds] == [
        "Gavel max-min, worst fairness: 3.10, published 2.95 (within 5%)",
        "finish_time, worst fairness: 1.86 ≤ 1.85",
        "finish_time ±50 %, mean of 24, lost GPU time, %: 2.01 ≤ 2.00",
    ]
    lines = fairness.as_lines(good)
    assert lines[2].split() == [
        "finish_time", "29,000", "9,000", "1.85", "15.0", "80.0", "2.00", "4.00", "40.0",
    ]  # fmt: skip
    assert lines[-1].split()[2:] == ["33,208", "11,274", "2.95", "25.0", "59.5", "4.57", "76.7"]
