"""The queue played on into the future."""

from __future__ import annotations

from time import process_time

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Demand, GpuUnit, Grant, Resources
from quarterdeck.core.cluster.hardware import Node
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.capacity import Capacity, capacity_of
from quarterdeck.core.scheduling.lookahead import LookAhead, Queued, Runs, held_of
from quarterdeck.testing.builders import a_demand, a_node

NEVER = float("inf")


def site_of(nodes: int, gpus: int = 8, free: int | None = None) -> Capacity:
    """So many nodes, of each of which so many GPUs are free."""
    rooms = []
    for number in range(nodes):
        node = a_node(f"n{number}", gpus=gpus)
        held = gpus - (gpus if free is None else free)
        rooms.append(room_of("here", node, [granted(node, held)] if held else ()))
    return capacity_of(rooms)


def granted(node: Node, gpus: int) -> Grant:
    return Grant(node.name, tuple(one.id for one in node.devices[:gpus]), 1)


def runs(node: str, gpus: float, left_s: float) -> Runs:
    return Runs(((("here", node), gpus, 1),), left_s)


def queued(name: str, demand: Demand, expected_s: float = 100.0, **more: float) -> Queued:
    return Queued(
        JobId(name), demand, expected_s, more.get("holds_in_s", NEVER), int(more.get("count", 1))
    )


def foresee(capacity: Capacity, running: list[Runs], *queue: Queued) -> dict[str, float]:
    found = LookAhead().foresee(capacity, running, queue)
    return {str(job_id): start_s for job_id, start_s in found.items()}


def test_who_has_room_starts_now_and_who_has_none_when_what_runs_has_ended() -> None:
    capacity = site_of(1, free=4)
    found = foresee(
        capacity, [runs("n0", 4, 50.0)], queued("a", a_demand(1, 4)), queued("b", a_demand(1, 4))
    )
    assert found == {"a": 0.0, "b": 50.0}


def test_who_starts_is_in_the_way_of_the_next_for_as_long_as_it_should_run() -> None:
    one = a_demand(1, 8)
    found = foresee(site_of(1), [], *(queued(name, one, 100.0) for name in "abc"))
    assert found == {"a": 0.0, "b": 100.0, "c": 200.0}


def test_smaller_ones_pass_until_the_first_holds_the_queue() -> None:
    capacity = site_of(2, free=4)
    running = [runs("n0", 4, 60.0), runs("n1", 4, 500.0)]
    small = [queued(name, a_demand(1, 4), 1000.0) for name in "cd"]
    passed = foresee(capacity, running, queued("a", a_demand(2, 8)), *small)
    assert passed == {"a": 1000.0, "c": 0.0, "d": 0.0}
    held = foresee(capacity, running, queued("a", a_demand(2, 8), holds_in_s=0.0), *small)
    assert held == {"a": 500.0, "c": 600.0, "d": 600.0}


def test_gpus_of_two_nodes_are_not_together() -> None:
    """Four are free on each of two nodes: that is no room for one of eight."""
    found = foresee(
        site_of(2, free=4), [runs("n1", 4, 70.0)], queued("a", a_demand(1, 8), holds_in_s=0)
    )
    assert found == {"a": 70.0}


def test_who_never_has_room_is_not_foreseen() -> None:
    assert foresee(site_of(1), [], queued("a", a_demand(2, 8))) == {}
    assert foresee(site_of(1, free=0), [], queued("a", a_demand(1, 8))) == {}


def test_who_never_has_room_holds_up_nobody() -> None:
    never = queued("a", a_demand(2, 8), holds_in_s=0.0)
    assert foresee(site_of(1), [], never, queued("b", a_demand(1, 8))) == {"b": 0.0}


def test_of_an_array_the_first_task_is_told_and_all_of_them_take_room() -> None:
    one = a_demand(1, 8)
    found = foresee(site_of(2), [], queued("a", one, 10.0, count=5), queued("b", one))
    assert found == {"a": 0.0, "b": 20.0}


def test_parts_of_a_gpu_are_counted_as_parts() -> None:
    half = Demand(1, Resources(1, gpu_unit=GpuUnit.SHARE, gpu_percent=50))
    found = foresee(site_of(1, gpus=1), [], *(queued(name, half, 100.0) for name in "abc"))
    assert found == {"a": 0.0, "b": 0.0, "c": 100.0}


def test_jobs_without_gpus_wait_for_cpus() -> None:
    node = a_node("n0", cpus=4)
    capacity = capacity_of([room_of("here", node, ())])
    found = foresee(
        capacity, [], *(queued(name, Demand(1, Resources(cpus=3)), 30.0) for name in "ab")
    )
    assert found == {"a": 0.0, "b": 30.0}


def test_it_looks_no_further_than_it_is_asked_to() -> None:
    one = a_demand(1, 8)
    queue = [queued(name, one) for name in "abc"]
    assert LookAhead().foresee(site_of(1), [], queue, JobId("b")) == {"a": 0.0, "b": 100.0}


def test_what_an_attempt_holds_is_counted_by_node() -> None:
    node = a_node("n0", gpus=8)
    assert held_of("here", [granted(node, 3)])[0][:2] == (("here", "n0"), 3)


def test_a_thousand_who_wait_for_ten_thousand_gpus_are_foreseen_quickly() -> None:
    """The target is 100 ms on an idle machine; five times as long on one that is not."""
    capacity = site_of(1250, free=0)
    running = [runs(f"n{number}", 8, 10.0 + number) for number in range(1250)]
    shapes = [a_demand(nodes, gpus) for nodes, gpus in ((1, 1), (1, 4), (1, 8), (4, 8), (16, 8))]
    queue = [queued(f"q{n}", shapes[n % 5], 3600.0, holds_in_s=300.0) for n in range(1000)]
    ahead = LookAhead()
    ahead.foresee(capacity, running, queue)
    began = process_time()
    assert len(ahead.foresee(capacity, running, queue)) == 1000
    assert process_time() - began < 0.5


@pytest.mark.parametrize("seed", range(5))
def test_it_agrees_with_a_look_at_every_second(seed: int) -> None:
    """On nodes that are wanted whole there is nothing to fit: the start of each in a strict queue
    is when so many nodes are free, found here second by second."""
    from random import Random

    rng = Random(seed)
    sizes = [rng.randint(1, 3) for _ in range(8)]
    lasts = [rng.randint(1, 20) for _ in sizes]
    queue = [
        queued(f"q{n}", a_demand(size, 8), float(last), holds_in_s=0.0)
        for n, (size, last) in enumerate(zip(sizes, lasts, strict=True))
    ]
    found = foresee(site_of(3), [], *queue)
    free_at = [0] * 3
    begun = 0
    for one, size, last in zip(queue, sizes, lasts, strict=True):
        begun = next(t for t in range(begun, 999) if sum(f <= t for f in free_at) >= size)
        for node in sorted(range(3), key=lambda n: free_at[n])[:size]:
            free_at[node] = begun + last
        assert found[one.job_id] == begun
