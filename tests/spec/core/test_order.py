"""Who goes before whom, under each order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Group, Resources
from quarterdeck.core.scheduling.allowances import Allowance, Party
from quarterdeck.core.scheduling.order import class_of, may_oust, next_class_ns, order_of
from quarterdeck.core.scheduling.snapshot import Order, Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_demand

HOUR = 3600.0
NODE_HOUR = 8 * HOUR
NOW_NS = START_NS + 100 * 86400 * NS_PER_S


def waits(name: str, gpus: int = 1, *, since_s: float = 0.0, **more: Any) -> Waiting:
    at_ns = NOW_NS - round(since_s * NS_PER_S)
    return Waiting(JobId(name), a_demand(1, gpus), more.pop("priority", 0), at_ns, **more)


def runs(gpus: int, served_gpu_s: float, priority: int = 0) -> Running:
    demand = a_demand(1, gpus)
    return Running(JobId("r"), "here", demand, (), priority, 0, 0, served_gpu_s)


def line(order: Order, *waiting: Waiting) -> list[str]:
    snapshot = Snapshot(NOW_NS, 1, (), waiting)
    return [one.job_id for one in sorted(waiting, key=order_of(snapshot, Policy(order=order)))]


def test_first_come_looks_at_nothing_but_priority_and_time() -> None:
    late = waits("late", 1, expected_s=1.0)
    early = waits("early", 8, since_s=9, expected_s=9e6, served_gpu_s=9e9)
    high = waits("high", priority=1)
    assert line(Order.FIRST_COME, late, early, high) == ["high", "early", "late"]


def test_the_shortest_is_who_needs_least_gpu_time() -> None:
    long = waits("long", 1, since_s=1, expected_s=10 * HOUR)
    wide = waits("wide", 8, expected_s=HOUR)
    small = waits("small", 2, expected_s=2 * HOUR)
    assert line(Order.SHORTEST, long, wide, small) == ["small", "wide", "long"]


def test_of_a_job_of_which_nothing_is_known_an_hour_is_expected() -> None:
    unknown = waits("unknown")
    less, more = waits("less", expected_s=0.9 * HOUR), waits("more", expected_s=1.1 * HOUR)
    assert line(Order.SHORTEST, more, unknown, less) == ["less", "unknown", "more"]


def test_a_job_that_waits_for_ten_times_its_length_and_an_hour_counts_as_half_as_long() -> None:
    """Ten hours are expected: after 101 hours it is before a fresh one of 5.1, after none behind
    it, and after 99 behind one of 4.9."""
    fresh = waits("fresh", expected_s=5.1 * HOUR)
    for since_s, first in ((101 * HOUR, "old"), (0.0, "fresh")):
        old = waits("old", since_s=since_s, expected_s=10 * HOUR)
        assert line(Order.SHORTEST, fresh, old)[0] == first
    shorter = waits("shorter", expected_s=4.9 * HOUR)
    old = waits("old", since_s=99 * HOUR, expected_s=10 * HOUR)
    assert line(Order.SHORTEST, old, shorter)[0] == "shorter"


def test_who_had_least_gpu_time_goes_first_in_classes_and_then_who_needs_fewer_gpus() -> None:
    fresh = waits("fresh", 8)
    same = waits("same", 4, served_gpu_s=0.9 * NODE_HOUR)
    second = waits("second", 1, served_gpu_s=1.5 * NODE_HOUR)
    old = waits("old", 1, since_s=99, served_gpu_s=50 * NODE_HOUR)
    assert line(Order.LEAST_SERVED, old, second, fresh, same) == ["same", "fresh", "second", "old"]


@pytest.mark.parametrize("order", list(Order))
def test_priority_goes_before_any_order_and_soft_limits_after_all(order: Order) -> None:
    late = waits("late", expected_s=1.0, team="red", priority=1)
    high = waits("high", 8, expected_s=9e6, served_gpu_s=9e9, priority=1)
    low = waits("low", expected_s=1.0)
    allowances: dict[Party, Allowance] = {("team", "red"): Allowance(3, is_late=True)}
    snapshot = Snapshot(NOW_NS, 1, (), (late, high, low), allowances=allowances)
    by = order_of(snapshot, Policy(order=order))
    assert [one.job_id for one in sorted((late, low, high), key=by)] == ["high", "low", "late"]


@pytest.mark.parametrize(
    ("node_hours", "number"), [(0, 0), (0.99, 0), (1, 1), (9.99, 1), (10, 2), (100, 3), (999, 3)]
)
def test_classes_reach_ten_times_as_far_each(node_hours: float, number: int) -> None:
    assert class_of(node_hours * NODE_HOUR) == number


def test_a_running_job_comes_into_its_next_class_when_its_gpus_have_run_so_long() -> None:
    at_ns = next_class_ns(runs(4, 2 * NODE_HOUR), NOW_NS)
    # 64 GPU hours are missing, and 4 GPUs run.
    assert at_ns == NOW_NS + 16 * 3600 * NS_PER_S
    after = replace(runs(4, 2 * NODE_HOUR), served_gpu_s=2 * NODE_HOUR + 4 * 16 * HOUR)
    assert class_of(after.served_gpu_s) == 2
    assert next_class_ns(runs(0, 0.0), NOW_NS) is None


def test_who_makes_room_for_whom() -> None:
    fresh = waits("fresh", 2)
    assert may_oust(fresh, runs(2, 1.5 * NODE_HOUR))
    assert not may_oust(fresh, runs(3, 0.5 * NODE_HOUR))
    assert may_oust(fresh, runs(4, 0.5 * NODE_HOUR))
    assert not may_oust(fresh, runs(8, 50 * NODE_HOUR, priority=1))
    served = waits("served", 1, served_gpu_s=50 * NODE_HOUR)
    assert not may_oust(served, runs(8, 5 * NODE_HOUR))
    assert may_oust(replace(served, priority=1), runs(1, 0.0))
    assert not may_oust(waits("cpu", 0), runs(8, 0.0))


def test_shares_and_groups_count_as_what_they_hold() -> None:
    share = Demand(2, Resources(1, gpu_percent=25), beside=(Group(1, Resources(4)),))
    assert share.gpus == 2 * 0.25 + 4
