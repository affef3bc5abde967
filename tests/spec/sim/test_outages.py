"""What a fast run makes of nodes that are lost, drained or cordoned, and of jobs that must go."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.hardware import Device, Node
from quarterdeck.core.scheduling.snapshot import Order, Policy
from quarterdeck.sim.fast.run import run
from quarterdeck.sim.fast.story import Begun, Cut, Outage, OutageKind, Ran, Story
from quarterdeck.sim.fast.workload import SimJob

LEAST = Policy(patience_s=1e9, order=Order.LEAST_SERVED, min_runtime_s=0.0)


def nodes(count: int) -> list[Node]:
    return [
        Node(f"n{n}", 64, 2**40, tuple(Device(f"G-{n}-{g}", "A100", 2**36) for g in range(4)))
        for n in range(count)
    ]


def job(
    name: str, submit_s: float, duration_s: float, gpus: int = 4, count: int = 1, **more: float
) -> SimJob:
    found = SimJob(1, name, submit_s, duration_s, Demand(count, Resources(gpus)))
    return replace(found, **more) if more else found  # type: ignore[arg-type]


def by_name(told: Story) -> dict[str, Ran]:
    return {one.job.name: one for one in told.ran}


def spans(one: Ran) -> list[tuple[float, float, Cut]]:
    return [(span.start_s, span.end_s, span.cut) for span in one.spans]


@pytest.mark.parametrize(
    ("checkpoint_s", "lost_s", "end_s"),
    [
        (None, 60.0, 260.0),  # all 60 s are gone: 200 s from 60 on
        (25.0, 25.0, 225.0),
        (0.0, 0.0, 200.0),
        (500.0, 60.0, 260.0),  # not more than it has run
    ],
)
def test_a_lost_node_costs_what_was_done_since_the_last_checkpoint(
    checkpoint_s: float | None, lost_s: float, end_s: float
) -> None:
    one = replace(job("a", 0, 200), checkpoint_s=checkpoint_s)
    told = run(nodes(2), [one], Policy(), outages=[Outage("n0", 60, 1000)])
    ran = by_name(told)["a"]
    assert spans(ran) == [(0, 60, Cut.NODE_LOST), (60, end_s, Cut.DONE)]
    assert [grant.node for span in ran.spans for grant in span.grants] == ["n0", "n1"]
    assert (ran.lost_s, ran.held_s) == (lost_s, end_s)


def test_starting_again_takes_its_time_and_is_counted_as_lost() -> None:
    one = job("a", 0, 200, checkpoint_s=0.0)
    told = run(nodes(2), [one], Policy(), outages=[Outage("n0", 60, 9), Outage("n1", 65, 9)],
               restart_s=10.0)  # fmt: skip
    ran = by_name(told)["a"]
    assert spans(ran)[:2] == [(0, 60, Cut.NODE_LOST), (60, 65, Cut.NODE_LOST)]
    assert spans(ran)[2] == (69, 69 + 10 + 140, Cut.DONE)
    assert ran.lost_s == 10 + 10


def test_a_node_that_is_lost_comes_back_and_meanwhile_jobs_wait() -> None:
    told = run(nodes(1), [job("a", 10, 5)], Policy(), outages=[Outage("n0", 0, 100)])
    assert by_name(told)["a"].start_s == 100


def test_of_two_outages_of_one_node_the_longer_counts() -> None:
    outages = [Outage("n0", 0, 100), Outage("n0", 50, 10)]
    assert by_name(run(nodes(1), [job("a", 10, 5)], Policy(), outages=outages))["a"].start_s == 100


def test_a_whole_gang_ends_when_one_of_its_nodes_is_lost() -> None:
    told = run(nodes(2), [job("gang", 0, 50, count=2)], Policy(), outages=[Outage("n1", 20, 30)])
    assert spans(by_name(told)["gang"]) == [(0, 20, Cut.NODE_LOST), (50, 100, Cut.DONE)]


def test_a_drain_moves_what_runs_and_a_cordon_lets_it_go_on() -> None:
    jobs = [job("a", 0, 100, checkpoint_s=0.0), job("b", 30, 10)]
    drained = run(nodes(2), jobs, Policy(), outages=[Outage("n0", 20, 500, OutageKind.DRAIN)])
    assert spans(by_name(drained)["a"]) == [(0, 20, Cut.DRAINED), (20, 100, Cut.DONE)]
    assert by_name(drained)["b"].start_s == 100
    cordoned = run(nodes(2), jobs, Policy(), outages=[Outage("n0", 20, 500, OutageKind.CORDON)])
    assert spans(by_name(cordoned)["a"]) == [(0, 100, Cut.DONE)]
    assert [grant.node for grant in by_name(cordoned)["b"].grants] == ["n1"]


def test_a_job_that_waits_for_a_node_that_never_comes_back_is_told_at_the_end() -> None:
    gone = [Outage("n0", 5, float("inf"))]
    told = run(nodes(1), [job("a", 0, 10), job("b", 6, 1)], Policy(), outages=gone)
    assert not told.ran
    assert sorted(one.name for one, _ in told.never) == ["a", "b"]
    assert all("would let it start" in why for _, why in told.never)


def test_a_job_that_had_much_makes_room_and_goes_on_where_it_was() -> None:
    """After 7,200 s on 4 GPUs the long job has had 8 GPU hours: the short one takes its place."""
    jobs = [job("long", 0, 20_000, checkpoint_s=0.0), job("short", 100, 50)]
    told = by_name(run(nodes(1), jobs, LEAST))
    assert spans(told["long"]) == [(0, 7200, Cut.PREEMPTED), (7250, 20_050, Cut.DONE)]
    assert spans(told["short"]) == [(7200, 7250, Cut.DONE)]
    assert told["long"].wait_s == 0


def test_who_must_not_be_preempted_is_not() -> None:
    jobs = [replace(job("long", 0, 20_000), is_preemptible=False), job("short", 100, 50)]
    assert spans(by_name(run(nodes(1), jobs, LEAST))["long"]) == [(0, 20_000, Cut.DONE)]


def test_who_holds_something_at_the_beginning_keeps_it() -> None:
    held = (Grant("n0", tuple(f"G-0-{g}" for g in range(4)), 1),)
    told = run(nodes(1), [job("new", 10, 5)], Policy(), begun=[Begun(job("old", 0, 40), held)])
    assert spans(by_name(told)["old"]) == [(0, 40, Cut.DONE)]
    assert by_name(told)["new"].start_s == 40


def test_outages_and_preemptions_give_the_same_story_twice_and_hold_no_gpu_twice() -> None:
    jobs = [job(f"j{n}", n * 13 % 400, 20 + n * 71 % 3000, 1 + n % 4, 1 + n % 2, checkpoint_s=60.0)
            for n in range(150)]  # fmt: skip
    outages = [Outage(f"n{n % 4}", 100.0 * n, 150.0, list(OutageKind)[n % 3]) for n in range(12)]
    first, second = (run(nodes(4), jobs, LEAST, outages=outages) for _ in range(2))
    assert first == second
    assert len(first.ran) == 150
    held: dict[str, list[tuple[float, float]]] = {}
    for one in first.ran:
        useful_s = one.held_s - one.lost_s
        assert useful_s == pytest.approx(one.job.duration_s)
        for span in one.spans:
            for grant in span.grants:
                for device in grant.devices:
                    held.setdefault(device, []).append((span.start_s, span.end_s))
    for times in held.values():
        times.sort()
        assert all(end <= start for (_, end), (start, _) in itertools.pairwise(times))
    lost = {(o.node, o.at_s) for o in outages if o.kind is OutageKind.LOSS}
    for node, at_s in lost:
        for one in first.ran:
            for span in one.spans:
                on_it = any(grant.node == node for grant in span.grants)
                assert not (on_it and span.start_s < at_s < span.end_s)
