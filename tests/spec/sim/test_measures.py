"""Figures of small stories, reckoned by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quarterdeck.core.cluster.demand import Grant, Resources
from quarterdeck.core.cluster.hardware import Device, Node
from quarterdeck.core.scheduling.pools import Cells, Member, Pool
from quarterdeck.sim.fast.figures import Setting, figures_of
from quarterdeck.sim.fast.measures.energy import IDLE_SHARE, WATTS_PER_GPU, energy_figures
from quarterdeck.sim.fast.measures.fairness import finish_time_fairness
from quarterdeck.sim.fast.measures.fragmentation import fragmentation_of
from quarterdeck.sim.fast.measures.guarantees import guaranteed_gpus, violations_of
from quarterdeck.sim.fast.measures.interruptions import interruption_figures
from quarterdeck.sim.fast.measures.steps import percentile, steps_of_spans
from quarterdeck.sim.fast.measures.topology import topology_figures
from quarterdeck.sim.fast.measures.usage import Holding, usage_figures, waiting_jobs
from quarterdeck.sim.fast.story import Cut, Outage, OutageKind
from tests.spec.sim.stories import GIB, grant, job, nodes, ran, span, story

ALL = (0, 1, 2, 3)
NEVER = float("inf")


def test_steps_have_the_area_that_one_would_draw() -> None:
    steps = steps_of_spans([(0, 10, 2.0), (5, 20, 1.0)])
    assert steps.area(0, 20) == 2 * 10 + 15
    assert steps.area(4, 6) == 2 + 3
    assert steps.area(-10, 0) == 0
    assert steps.area(20, 30) == 0
    assert steps.mean(0, 10) == 2.5
    assert steps.mean(3, 3) == 0
    assert steps.most == 3
    assert steps.means(np.array([0.0, 5.0, 10.0, 20.0])).tolist() == [2, 3, 1]
    assert steps_of_spans([]).area(0, 10) == 0


def test_a_percentile_is_a_value_that_enough_do_not_exceed() -> None:
    assert percentile([5, 1, 3], 0.5) == 3
    assert percentile([5, 1, 3, 9], 0.5) == 3
    assert percentile([5, 1], 0.99) == 5
    assert percentile([], 0.5) == 0


def test_what_is_held_counts_parts_of_gpus_as_parts() -> None:
    gpu = Device("G", "A100-SXM4-80GB", 80 * 10**9)
    holding = Holding([Node("n", 8, GIB, (gpu,))])
    assert holding.gpus(Grant("n", ("G",))) == 1
    assert holding.gpus(Grant("n", ("G/25%", "G/25%"))) == 0.5
    assert holding.gpus(Grant("n", ("G/3g.40gb@4",))) == 0.5
    assert holding.gpus(Grant("n")) == 0


def test_use_and_queue_are_over_the_whole_span() -> None:
    first = ran(job(0, 100, 3), span(0, 100, grant(0, 0, 1, 2)))
    second = ran(job(10, 50, 2), span(100, 150, grant(0, 0, 1)))
    found = usage_figures(story(first, second, count=1))
    assert found["makespan_s"] == 150
    assert found["gpu_hours"] == pytest.approx((300 + 100) / 3600)
    assert found["utilisation"] == pytest.approx(400 / (4 * 150))
    assert found["queue_mean"] == pytest.approx(90 / 150)
    assert found["queue_most"] == 1


def test_a_job_that_was_cut_off_waits_again() -> None:
    cut = span(0, 10, grant(0, 0), cut=Cut.PREEMPTED)
    told = story(ran(job(0, 20), cut, span(25, 35, grant(0, 0)), lost_s=0), count=1)
    assert waiting_jobs(told).area(0, 100) == 15


def test_free_gpus_that_a_typical_job_cannot_use_are_counted_over_time() -> None:
    """What is usual counts as twenty jobs: 10 that want 1 GPU, 3 for 2, 3 for 4, and 4 for 8. The
    380 jobs of this story want 4. So one free GPU of a node is of use to 10 in 400, four to 396."""
    whole = [ran(job(0, 10, 4), span(0, 10, grant(1, *ALL))) for _ in range(379)]
    lone = ran(job(0, 100, 4), span(0, 100, grant(0, 0, 1, 2)))
    told = story(lone, *whole[:1], *(ran(one.job, span(200, 200)) for one in whole[1:]))
    found = fragmentation_of(told)
    of_use_one, of_use_four = 10 / 400, (10 + 3 + 3 + 380) / 400
    assert found.free.mean(0, 10) == 1
    assert found.unusable.mean(0, 10) == pytest.approx(1 - of_use_one)
    assert found.free.mean(10, 100) == 5
    assert found.unusable.mean(10, 100) == pytest.approx(1 - of_use_one + 4 * (1 - of_use_four))
    assert found.share(10, 100) == pytest.approx((1 - of_use_one + 4 * (1 - of_use_four)) / 5)


def test_gpus_of_a_node_that_is_away_are_not_free() -> None:
    away = (Outage("n1", 10, 5), Outage("n0", 12, 2, OutageKind.DRAIN), Outage("n1", 20, NEVER))
    found = fragmentation_of(story(ran(job(0, 30), span(0, 30, grant(0, 0))), outages=away))
    assert [found.free.mean(at, at + 1) for at in (9, 10, 12, 14, 15, 25)] == [7, 3, 0, 3, 7, 3]


def test_a_node_that_went_before_the_first_submission_is_away_from_then_on() -> None:
    away = (Outage("n0", 5, 1000),)
    found = fragmentation_of(story(ran(job(50, 30), span(50, 80, grant(1, 0))), outages=away))
    assert found.free.times.tolist() == sorted(found.free.times.tolist())
    everything = fragmentation_of(story(ran(job(50, 30), span(50, 80, grant(1, 0)))))
    assert found.free.area(50, 80) < everything.free.area(50, 80)


def test_a_gang_is_counted_by_what_it_is_spread_over() -> None:
    near = ran(job(0, 10, 4, nodes=2), span(0, 10, grant(0, *ALL), grant(1, *ALL)))
    far = ran(job(0, 10, 4, nodes=3), span(0, 10, grant(2, 0), grant(3, 0), grant(4, 0)))
    one = ran(job(0, 10), span(0, 10, grant(5, 0)))
    found = topology_figures(story(near, far, one, count=6))
    assert (found["gangs"], found["racks_per_gang"], found["gangs_in_one_rack"]) == (2, 1.5, 0.5)
    assert (found["units_per_gang"], found["gangs_in_one_pod"]) == (1, 1)


def test_finish_time_fairness_forgives_what_a_crowd_must_wait() -> None:
    """Eight GPUs. Two jobs of eight, together from 0 on: contention of the first is 2 all its life,
    so 100 s for 100 s is 0.5; of the second 2 for 100 s and 1 for 100 s: 200 / (100 × 1.5)."""
    everything = (grant(0, *ALL), grant(1, *ALL))
    first = ran(job(0, 100, 4, nodes=2), span(0, 100, *everything))
    second = ran(job(0, 100, 4, nodes=2), span(100, 200, *everything))
    assert finish_time_fairness(story(first, second)) == pytest.approx([0.5, 200 / 150])


def test_finish_time_fairness_does_not_forgive_waiting_in_an_empty_house() -> None:
    lazy = ran(job(0, 100), span(50, 150, grant(0, 0)))
    without = ran(job(0, 100, 0), span(0, 100, Grant("n0")))
    found = figures_of(story(lazy, without))
    assert found["finish_time_worst"] == pytest.approx(1.5)
    assert found["finish_time_unfair"] == 1


def test_a_guarantee_is_violated_while_what_fits_it_has_waited_a_minute() -> None:
    """Vision may have 4. It holds 2 until 500, and waits from 100 for 2 (until 400) and for 4 more
    (until 500), of which the second never fits beside what it holds: 160 to 400 are violated."""
    has = ran(job(0, 500, 2, team="vision"), span(0, 500, grant(0, 0, 1)))
    fits = ran(job(100, 50, 2, team="vision"), span(400, 450, grant(0, 2, 3)))
    large = ran(job(100, 50, 4, team="vision"), span(500, 550, grant(1, *ALL)))
    other = ran(job(0, 500, 4, team="other"), span(300, 500, grant(1, *ALL)))
    told = story(has, fits, large, other)
    assert violations_of(told, {"vision": 4, "idle": 8}) == {"idle": 0, "vision": 4.0}
    assert violations_of(told, {"vision": 3})["vision"] == 0
    figures = figures_of(told, Setting({"vision": 4}))
    assert figures["guarantee_violation_minutes"] == 4
    assert "guarantee_violation_minutes" not in figures_of(told)


def test_a_guarantee_of_a_person_is_violated_by_what_they_have_themselves() -> None:
    """Of vision's 4 GPUs 2 are ann's: the team holds 2 all the time, and ann none until 500."""
    has = ran(job(0, 500, 2, team="vision"), span(0, 500, grant(0, 0, 1)))
    hers = ran(replace(job(0, 50, 2, team="vision"), user="ann"), span(500, 550, grant(0, 2, 3)))
    other = ran(job(0, 50, 2, team="vision"), span(500, 550, grant(1, 0, 1)))
    cells = Cells(1, Resources(2))
    pool = Pool("vision", (replace(cells, count=2),), people=(Member("ann", guarantee=(cells,)),))
    told = story(has, hers, other)
    gpus = guaranteed_gpus([pool], told.nodes)
    assert gpus == {"vision/ann": 2, "vision": 2}
    found = violations_of(told, gpus)
    assert found == {"vision": 0.0, "vision/ann": pytest.approx(440 / 60)}


def test_a_wait_of_less_than_a_minute_violates_no_guarantee() -> None:
    brief = ran(job(0, 50, 2, team="vision"), span(60, 110, grant(0, 0, 1)))
    assert violations_of(story(brief), {"vision": 4}) == {"vision": 0}


def test_what_was_cut_off_is_counted_with_the_time_it_cost() -> None:
    cuts = [
        span(0, 10, grant(0, 0, 1), cut=Cut.PREEMPTED),
        span(20, 30, grant(0, 0, 1), cut=Cut.NODE_LOST),
        span(40, 50, grant(1, 0, 1), cut=Cut.DRAINED),
        span(60, 80, grant(1, 0, 1)),
    ]
    found = interruption_figures(story(ran(job(0, 30, 2), *cuts, lost_s=20)))
    assert found == {
        "preemptions": 1,
        "runs_lost_with_nodes": 1,
        "runs_drained": 1,
        "lost_gpu_hours": pytest.approx(40 / 3600),
        "lost_share": pytest.approx(20 / 50),
    }


def test_energy_is_idle_power_and_the_rest_while_gpus_are_held() -> None:
    told = story(ran(job(0, 3600, 2), span(0, 3600, grant(0, 0, 1))))
    held = energy_figures(told, {"n0": 1000.0, "n1": 2000.0})["energy_kwh"]
    idle = IDLE_SHARE
    assert held == pytest.approx(1.0 * (0.5 + 0.5 * idle) + 2.0 * idle)
    assumed = energy_figures(told, {})["energy_kwh"]
    assert assumed == pytest.approx(4 * WATTS_PER_GPU / 1000 * (0.5 + 1.5 * idle))


def test_nothing_at_all_has_figures_too() -> None:
    found = figures_of(story(), Setting({"vision": 4}, {}))
    assert found["jobs"] == found["energy_kwh"] == found["fragmentation"] == 0
    assert found["jain_teams"] == 1
    assert all(np.isfinite(value) for value in found.values())
    assert nodes(1)[0].name == "n0"
