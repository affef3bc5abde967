"""How long jobs should run, from those that have ended."""

from __future__ import annotations

from random import Random
from statistics import median

import pytest

from quarterdeck.core.scheduling.runtimes import (
    GROUPS_MAX,
    WIDE_HALF,
    Likeness,
    RunTime,
    RunTimes,
    general_name,
    shape_of,
)
from quarterdeck.testing.builders import a_demand

ADA_TRAINS = Likeness("ada", "train", "1x8g")
ADA_TESTS = Likeness("ada", "test", "1x8g")
BOB_TRAINS = Likeness("bob", "train", "1x8g")
BOB_PLAYS = Likeness("bob", "play", "1x1g")


def after(*runs: tuple[Likeness, float], times: int = 1) -> RunTimes:
    learned = RunTimes()
    for _ in range(times):
        for like, ran_s in runs:
            learned.add(like, ran_s)
    return learned


def median_s(learned: RunTimes, like: Likeness, limit_s: float | None = None) -> float:
    found = learned.find(like, limit_s)
    assert found is not None
    return found.median_s


def test_nothing_is_known_before_anything_has_ended() -> None:
    assert RunTimes().find(ADA_TRAINS) is None


def test_runs_of_the_same_name_say_more_than_those_of_the_same_person() -> None:
    learned = after((ADA_TRAINS, 7200.0), (ADA_TESTS, 60.0), (BOB_PLAYS, 5.0), times=20)
    assert median_s(learned, ADA_TRAINS) == pytest.approx(7200, rel=0.05)
    assert median_s(learned, ADA_TESTS) == pytest.approx(60, rel=0.05)


def test_who_has_no_runs_of_a_name_is_like_themselves_and_then_like_the_shape() -> None:
    learned = after((ADA_TESTS, 60.0), (BOB_PLAYS, 5.0), times=20)
    assert median_s(learned, ADA_TRAINS) == pytest.approx(60, rel=0.05)
    assert median_s(learned, Likeness("eve", "sing", "1x1g")) == pytest.approx(5, rel=0.05)
    assert 5 <= median_s(learned, Likeness("eve", "sing", "9x8g")) <= 60


def test_one_run_of_a_name_says_something_and_a_few_say_nearly_all() -> None:
    """What the wider groups foretell still counts after one, and hardly after five."""
    learned = after((ADA_TESTS, 60.0), times=30)

    def share_of_short() -> float:
        found = learned.find(ADA_TRAINS)
        assert found is not None
        return sum(point < 90 for point in found.points_s) / len(found.points_s)

    assert share_of_short() == 1
    learned.add(ADA_TRAINS, 90_000.0)
    assert 0.15 < share_of_short() < 0.6
    for _ in range(4):
        learned.add(ADA_TRAINS, 90_000.0)
    assert share_of_short() < 0.12


def test_what_ran_lately_counts_more() -> None:
    learned = after((ADA_TRAINS, 100.0), times=30)
    for _ in range(4):
        learned.add(ADA_TRAINS, 1000.0)
    assert median_s(learned, ADA_TRAINS) == pytest.approx(1000, rel=0.05)


def test_a_few_runs_that_are_wrong_by_a_hundredfold_change_little() -> None:
    rng = Random(7)
    learned = RunTimes()
    for number in range(100):
        wrong = 100.0 if number % 10 == 3 else 1.0
        learned.add(ADA_TRAINS, 1000 * rng.uniform(0.9, 1.1) * wrong)
    assert 900 < median_s(learned, ADA_TRAINS) < 1150


def test_no_job_is_expected_beyond_its_time_limit_and_no_limit_is_believed() -> None:
    learned = after((ADA_TRAINS, 7200.0), times=10)
    assert median_s(learned, ADA_TRAINS, 3600.0) == 3600
    assert median_s(learned, ADA_TRAINS, 72_000.0) == pytest.approx(7200)
    found = learned.find(ADA_TRAINS, 3600.0)
    assert found is not None
    assert max(found.points_s) == 3600


def test_runs_that_were_cut_short_count_as_longer_than_they_were() -> None:
    """Half of the runs were stopped at an hour: whoever goes by how long they ran foretells less
    than an hour for the rest, who take two."""
    learned, naive = RunTimes(), []
    for _ in range(20):
        learned.add(ADA_TRAINS, 3600.0, is_cut_short=True)
        learned.add(ADA_TRAINS, 7200.0)
        naive += [3600.0, 7200.0]
    assert median_s(learned, ADA_TRAINS) == pytest.approx(7200)
    assert median(naive) < 7200


def test_where_all_were_cut_short_it_should_take_twice_as_long() -> None:
    learned = RunTimes()
    learned.add(ADA_TRAINS, 600.0, is_cut_short=True)
    assert median_s(learned, ADA_TRAINS) == 1200


def test_what_is_left_is_what_those_took_longer_who_came_so_far() -> None:
    """Of ten nine end within a minute; one that has run two is among those of an hour."""
    learned = after(*[(ADA_TRAINS, 60.0)] * 9, (ADA_TRAINS, 3600.0), times=40)
    found = learned.find(ADA_TRAINS)
    assert found is not None
    assert found.left_s(0.0, 0.5) == pytest.approx(60)
    assert found.left_s(120.0, 0.5) == pytest.approx(3480, rel=0.1)


def test_one_that_runs_longer_than_any_before_goes_on_for_as_long_again() -> None:
    assert RunTime((10.0, 20.0, 30.0)).left_s(500.0, 0.9) == 500


def test_the_mean_of_all_points_is_that_of_the_runs() -> None:
    runs = [float(n) for n in range(1, 32)]
    learned = after(*[(Likeness(shape="s"), ran_s) for ran_s in runs])
    found = learned.find(Likeness(shape="s"))
    assert found is not None
    assert list(found.points_s) == sorted(found.points_s)
    weights = [0.5 ** ((31 - ran_s) / WIDE_HALF) for ran_s in runs]
    mean_s = sum(w * ran_s for w, ran_s in zip(weights, runs, strict=True)) / sum(weights)
    assert sum(found.points_s) / len(found.points_s) == pytest.approx(mean_s)
    assert found.quantile_s(0.9) == pytest.approx(28, rel=0.05)


def test_it_forgets_who_ended_nothing_lately_and_never_grows_beyond_a_bound() -> None:
    learned = RunTimes(groups_max=50)
    for number in range(200):
        learned.add(Likeness(f"u{number}", "n", "s"), 10.0)
    assert len(learned) <= 50
    assert learned.find(Likeness("u1", "n", "other")) is not None, "all still counts"
    assert GROUPS_MAX <= 10_000


@pytest.mark.parametrize(
    ("name", "general"),
    [
        ("train-bert-0042", "train-bert"),
        ("train-bert_9f31c2", "train-bert"),
        ("train-2026-11-29", "train"),
        ("sweep.17", "sweep"),
        ("llama3", "llama"),
        ("facade", "facade"),
        ("12345", "job"),
        ("Train", "train"),
        ("eval-v2-a1b2c3d4-7", "eval-v"),
    ],
)
def test_names_are_general_without_the_numbers_and_hashes_at_their_end(
    name: str, general: str
) -> None:
    assert general_name(name) == general


def test_those_who_ask_for_the_same_have_one_shape() -> None:
    assert shape_of(a_demand(2, 8)) == shape_of(a_demand(2, 8))
    assert len({shape_of(a_demand(n, g)) for n in (1, 2) for g in (0, 1, 8)}) == 6
