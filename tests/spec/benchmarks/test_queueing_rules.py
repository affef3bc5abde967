"""The rules of others by which ours is measured: small cases by hand, and what was published."""

from __future__ import annotations

from statistics import mean
from typing import TYPE_CHECKING

import pytest

from benchmarks import muri
from benchmarks.baselines.queueing import (
    Gang,
    Nodes,
    first_come,
    run_in_order,
    shortest,
    smallest,
)
from benchmarks.baselines.queueing_easy import run_easy
from benchmarks.baselines.queueing_las import run_las
from benchmarks.baselines.queueing_preempting import run_remaining
from benchmarks.queueing_bars import PUBLISHED
from benchmarks.traces import find

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from benchmarks.baselines.queueing import Course

HALF_FIRST = [Gang(0, 10, 4), Gang(1, 10, 8), Gang(2, 3, 4)]
"""On one node: the second has no room beside the first, the third has."""


def test_strictly_first_come_lets_nobody_pass() -> None:
    course = run_in_order(HALF_FIRST, 1, first_come, may_skip=False)
    assert course.start_s == [0, 10, 20]
    assert course.end_s == [10, 20, 23]


def test_with_skipping_whoever_fits_passes() -> None:
    assert run_in_order(HALF_FIRST, 1, first_come, may_skip=True).start_s == [0, 10, 2]


def test_the_shortest_is_not_the_smallest() -> None:
    """Of 5 s on 8 GPUs and 7 s on 4."""
    gangs = [Gang(0, 10, 8), Gang(1, 5, 8), Gang(2, 7, 4)]
    assert run_in_order(gangs, 1, shortest, may_skip=False).start_s == [0, 10, 15]
    assert run_in_order(gangs, 1, smallest, may_skip=False).start_s == [0, 17, 10]


def test_a_gang_goes_to_the_fullest_node_with_room_or_to_whole_ones() -> None:
    nodes = Nodes(3)
    nodes.take([1], 4)
    assert nodes.find_room(4) == [1]
    assert nodes.find_room(5) == [0]
    assert nodes.find_room(12) == [0, 2]
    assert nodes.find_room(17) is None
    nodes.give_back([1], 4)
    assert nodes.find_room(17) == [0, 1, 2]


def test_a_gang_that_could_never_run_is_refused() -> None:
    for rule in (run_easy, run_las):
        with pytest.raises(ValueError, match="a gang of 9 GPUs cannot run on 1 nodes"):
            rule([Gang(0, 1, 9)], 1)


def test_backfill_may_not_delay_the_first() -> None:
    """The second is promised 10. The third ends before; the fourth would still run then."""
    gangs = [Gang(0, 10, 4), Gang(1, 5, 8), Gang(2, 3, 4), Gang(2, 20, 4)]
    assert run_easy(gangs, 1).start_s == [0, 10, 2, 15]


def test_backfill_may_outlast_the_promise_where_the_first_does_not_need_the_gpus() -> None:
    """The third gets the first node at 10, whatever runs on the second node then."""
    gangs = [Gang(0, 10, 8), Gang(0, 20, 4), Gang(1, 5, 8), Gang(2, 30, 4)]
    assert run_easy(gangs, 2).start_s == [0, 0, 10, 2]


def test_gpus_enough_in_number_do_not_keep_a_promise_of_whole_nodes() -> None:
    """At 10 the first and the third node are whole. The last job would hold 2 GPUs of the first:
    19 were free then, and one node whole."""
    gangs = [Gang(0, 10, 6), Gang(0, 100, 3), Gang(0, 10, 8), Gang(1, 5, 16), Gang(2, 200, 2)]
    assert run_easy(gangs, 3).start_s == [0, 0, 0, 10, 10]


def test_what_ends_together_with_the_last_that_is_needed_is_free_as_well() -> None:
    """At 10 both nodes are free, so the last may hold half of the first one."""
    gangs = [Gang(0, 10, 4), Gang(0, 10, 8), Gang(1, 5, 8), Gang(2, 50, 4)]
    assert run_easy(gangs, 2).start_s == [0, 0, 10, 2]


def test_who_has_less_time_left_goes_first_and_the_other_goes_on_afterwards() -> None:
    gangs = [Gang(0, 10, 1), Gang(2, 3, 8)]
    assert run_remaining(gangs, 1, is_by_gpu_time=False).end_s == [13, 5]


def test_by_gpu_time_the_small_one_keeps_its_place() -> None:
    """8 s on one GPU are left, against 3 s on eight."""
    gangs = [Gang(0, 10, 1), Gang(2, 3, 8)]
    assert run_remaining(gangs, 1, is_by_gpu_time=True).end_s == [10, 13]


def test_placing_costs_progress_except_before_the_end_that_is_next() -> None:
    """The first runs for 2 s and gets 1 s done, then 9 s are left from 5 on."""
    gangs = [Gang(0, 10, 8, overhead_s=1), Gang(2, 3, 8, overhead_s=1)]
    assert run_remaining(gangs, 1, is_by_gpu_time=False).end_s == [14, 5]


def test_a_gang_keeps_its_queue_until_its_gpu_time_is_used_up() -> None:
    """3,250 GPU seconds on 8 GPUs are 407 whole seconds; then the newcomer goes first."""
    gangs = [Gang(0, 2000, 8), Gang(100, 50, 8)]
    course = run_las(gangs, 1)
    assert course.start_s == [0, 407]
    assert course.end_s == [2050, 457]


@pytest.mark.parametrize(
    ("policy", "rule"),
    [
        ("SRTF", lambda gangs, nodes: run_remaining(gangs, nodes, is_by_gpu_time=False)),
        ("SRSF", lambda gangs, nodes: run_remaining(gangs, nodes, is_by_gpu_time=True)),
        ("Tiresias", run_las),
    ],
)
def test_the_published_completions_come_out_again(
    policy: str, rule: Callable[[Sequence[Gang], int], Course]
) -> None:
    """To a second, on Muri's trace 3, with what placing costs in its simulator."""
    if find("muri/trace3.csv") is None:
        pytest.skip("no traces here: set QD_TRACES")
    gangs = muri.read_charged("3")
    ends = rule(gangs, muri.read_nodes()).end_s
    completion_s = mean(end - gang.submit_s for end, gang in zip(ends, gangs, strict=True))
    assert round(completion_s) == PUBLISHED["muri3-charged"][policy]
