"""Which jobs are moved so that a slice fits: worked out by hand on a few GPUs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from quarterdeck.basics.quantities import GIB
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Grant
from quarterdeck.core.cluster.gpus import parse_gpus
from quarterdeck.core.cluster.hardware import Cordon, Node
from quarterdeck.core.cluster.parts import parse_part
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.moves import find_moves, moves_left
from quarterdeck.core.scheduling.regrouping import Regrouping
from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import SITE, START_NS, a_job_id, a_node

WANTED = a_job_id(99)


def wanted_of(asked: str, *, cpus: int = 1, memory_bytes: int = 0) -> Demand:
    return Demand(1, replace(parse_gpus(asked), cpus=cpus, memory_bytes=memory_bytes))


def running(number: int, device: str, node: str = "a", *, age_s: int = 60, **also: int) -> Running:
    """A job with a slice, which has run for so long; `device` is like `0/1g.10gb@3`."""
    gpu, _, rest = device.partition("/")
    part = f"GPU-{node}-{gpu}/{rest}"
    demand = wanted_of(f"mig-{parse_part(part).profile}", **also)
    grant = Grant(node, (part,), demand.resources.cpus, demand.resources.memory_bytes)
    started_at_ns = START_NS - age_s * NS_PER_S
    return Running(a_job_id(number), SITE, demand, (grant,), 0, started_at_ns, started_at_ns, 0.0)


def find(
    asked: str,
    jobs: Sequence[Running],
    *,
    fixed: Sequence[Running] = (),
    nodes: Sequence[Node] = (a_node("a", gpus=2, may_slice=True),),
    most: int = 2,
    cordons: tuple[Cordon, ...] = (),
) -> Regrouping | None:
    """What is found for a job that asks for this; `fixed` may not be moved."""
    rooms = [
        room_of(
            SITE,
            node,
            [grant for one in (*jobs, *fixed) for grant in one.grants if grant.node == node.name],
            cordons,
        )
        for node in nodes
    ]
    waiting = Waiting(WANTED, wanted_of(asked), 0, START_NS)
    stay = (replace(one, is_preemptible=False) for one in fixed)
    snapshot = Snapshot(START_NS, 1, rooms, (waiting,), running=(*jobs, *stay))
    found = find_moves(snapshot, waiting, most)
    assert found is None or make_plan(snapshot, Policy()).placements == ()
    return found


def said(found: Regrouping | None) -> tuple[str, list[tuple[str, str]]] | None:
    """The new place, and from where to where others move, without what is alike in all."""
    if found is None:
        return None
    moves = [(one.job.grants[0].devices[0], one.after.grants[0].devices[0]) for one in found.moves]
    return found.placement.grants[0].devices[0], moves


def test_the_slice_that_is_in_the_way_goes_where_it_is_missed_least() -> None:
    jobs = [running(1, "0/1g.10gb@0"), running(2, "1/4g.40gb@0")]
    assert said(find("mig-7g.80gb", jobs)) == (
        "GPU-a-0/7g.80gb@0",
        [("GPU-a-0/1g.10gb@0", "GPU-a-1/1g.10gb@6")],
    )


def test_who_may_not_be_preempted_stays() -> None:
    fixed = [running(1, "0/1g.10gb@0")]
    assert find("mig-7g.80gb", [running(2, "1/4g.40gb@0")], fixed=fixed) is None


def test_nothing_moves_where_there_is_room() -> None:
    assert find("mig-3g.40gb", [running(1, "0/1g.10gb@0")]) is None


def test_a_slice_moves_within_its_gpu() -> None:
    """1g at 5 leaves no half of the GPU whole; at the end of the other half it would."""
    jobs = [running(1, "0/1g.10gb@5"), running(2, "0/2g.20gb@0")]
    one_gpu = [a_node("a", gpus=1, may_slice=True)]
    assert said(find("mig-3g.40gb", jobs, nodes=one_gpu)) == (
        "GPU-a-0/3g.40gb@4",
        [("GPU-a-0/1g.10gb@5", "GPU-a-0/1g.10gb@3")],
    )


def test_a_slice_with_media_engines_is_not_in_its_own_way() -> None:
    jobs = [running(1, "0/1g.10gb+me@5")]
    one_gpu = [a_node("a", gpus=1, may_slice=True)]
    found = find("mig-2g.20gb", jobs, fixed=[running(2, "0/3g.40gb@0")], nodes=one_gpu)
    assert said(found) == (
        "GPU-a-0/2g.20gb@4",
        [("GPU-a-0/1g.10gb+me@5", "GPU-a-0/1g.10gb+me@6")],
    )


def test_two_are_moved_only_where_two_may_be() -> None:
    jobs = [running(1, "0/1g.10gb@0"), running(2, "0/2g.20gb@2"), running(3, "1/4g.40gb@0")]
    assert find("mig-7g.80gb", jobs, most=1) is None
    found = find("mig-7g.80gb", jobs, most=2)
    assert found is not None
    assert {one.job.job_id for one in found.moves} == {a_job_id(1), a_job_id(2)}


def test_of_several_the_one_moves_that_loses_least_work() -> None:
    nodes = [a_node("a", gpus=3, may_slice=True)]
    fixed = [running(3, "2/4g.40gb@0")]
    for ages, moved in (((60, 600), 1), ((600, 60), 2)):
        jobs = [running(1, "0/1g.10gb@0", age_s=ages[0]), running(2, "1/1g.10gb@0", age_s=ages[1])]
        found = find("mig-7g.80gb", jobs, fixed=fixed, nodes=nodes)
        assert found is not None
        assert [one.job.job_id for one in found.moves] == [a_job_id(moved)]


def test_one_long_run_is_cut_rather_than_two_short_ones() -> None:
    nodes = [a_node("a", gpus=3, may_slice=True)]
    jobs = [running(1, "0/1g.10gb@0", age_s=10**6),
            running(2, "1/1g.10gb@0", age_s=1), running(3, "1/1g.10gb@1", age_s=1)]  # fmt: skip
    found = find("mig-7g.80gb", jobs, fixed=[running(4, "2/4g.40gb@0")], nodes=nodes)
    assert found is not None
    assert [one.job.job_id for one in found.moves] == [a_job_id(1)]


def test_nothing_moves_if_the_moved_one_has_nowhere_to_go() -> None:
    jobs = [running(1, "0/3g.40gb@4"), running(2, "1/4g.40gb@0"), running(3, "1/2g.20gb@4")]
    assert find("mig-7g.80gb", jobs) is None


def test_two_that_would_need_the_same_place_do_not_move() -> None:
    jobs = [running(1, "0/3g.40gb@0"), running(2, "0/3g.40gb@4"), running(3, "1/4g.40gb@0")]
    assert find("mig-7g.80gb", jobs) is None


def test_the_moved_one_needs_its_cpus_where_it_goes() -> None:
    nodes = [a_node("a", gpus=1, may_slice=True), a_node("b", gpus=1, may_slice=True)]
    there = running(2, "0/4g.40gb@0", "b", cpus=12)
    assert (
        find("mig-7g.80gb", [running(1, "0/1g.10gb@0", cpus=5)], fixed=[there], nodes=nodes) is None
    )
    found = find("mig-7g.80gb", [running(1, "0/1g.10gb@0", cpus=4)], fixed=[there], nodes=nodes)
    assert said(found) is not None


def test_a_job_that_moves_within_its_node_takes_its_cpus_along() -> None:
    jobs = [running(1, "0/1g.10gb@0", cpus=14)]
    found = find("mig-7g.80gb", jobs, fixed=[running(2, "1/4g.40gb@0")])
    assert found is not None
    assert len(found.moves) == 1


def test_memory_is_given_back_and_taken_again() -> None:
    jobs = [running(1, "0/1g.10gb@0", memory_bytes=60 * GIB)]
    found = find("mig-7g.80gb", jobs, fixed=[running(2, "1/4g.40gb@0")])
    assert found is not None
    assert found.moves[0].after.grants[0].memory_bytes == 60 * GIB


@pytest.mark.parametrize("device", [None, "GPU-a-0"])
def test_no_room_is_made_on_what_is_cordoned(device: str | None) -> None:
    jobs = [running(1, "0/1g.10gb@0"), running(2, "1/4g.40gb@0")]
    cordons = (Cordon("a", device, "ECC", "ada", START_NS),)
    assert find("mig-7g.80gb", jobs, cordons=cordons) is None


@pytest.mark.parametrize("asked", ["1", "share-25%", "mig-1g.10gb:2"])
def test_only_for_a_single_slice_is_anything_moved(asked: str) -> None:
    full = [running(n, f"{n}/7g.80gb@0") for n in range(2)]
    assert find(asked, full) is None


def test_no_policy_moves_anything_unless_it_says_so() -> None:
    assert moves_left(Policy(), started=10**6, moved=0) == 0


def test_moves_are_a_small_part_of_starts() -> None:
    policy = Policy(moves_max=2, moves_percent=5.0)
    found = [moves_left(policy, *at) for at in ((19, 0), (20, 0), (40, 0), (400, 19), (400, 25))]
    assert found == [0, 1, 2, 1, 0]
