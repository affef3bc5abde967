"""The harness of fairness: max-min in rounds, trainings that change their batch, figures."""

from __future__ import annotations

import pytest

from benchmarks import fairness, shockwave
from benchmarks.adaptation import batch_at, duration_s
from benchmarks.baselines.fairness import run_max_min, share_out
from benchmarks.baselines.queueing import Course, Gang
from benchmarks.fairness import MAX_MIN, PUBLISHED, Shared, measure
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
    gangs = [Gang(0, 200, 1), Gang(0, 200, 1)]
    found = measure(gangs, Course([0, 120], [360, 480]), 1)
    assert found == Shared(480, 420, 1.2, 50, 100 * 400 / 480)
    alone = measure(gangs[:1], Course([0], [220]), 4)
    assert alone.worst == pytest.approx(1.1)


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
    found = {MAX_MIN: measure(gangs, run_max_min(gangs, 32), 32)}
    assert all(holds for _, holds in fairness.judge(found)), found


def test_a_figure_that_is_off_is_said() -> None:
    good = {"ours, first come": PUBLISHED, MAX_MIN: PUBLISHED}
    assert all(holds for _, holds in fairness.judge(good))
    off = Shared(33_208, 11_274, 3.1, 25.0, 59.5)
    said = fairness.judge({MAX_MIN: off})
    assert [what for what, holds in said if not holds] == [
        "Gavel max-min, worst fairness: 3.10, published 2.95 (within 5%)"
    ]
    assert fairness.as_lines(good)[1].split() == [
        "ours,", "first", "come", "33,208", "11,274", "2.95", "25.0", "59.5",
    ]  # fmt: skip
