"""No team, and nobody in one, comes to hold more GPUs than their pool allows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Demand, GpuUnit, Grant, Resources
from quarterdeck.core.cluster.hardware import Node
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.ledger.usage import gpus_of
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Plan
from quarterdeck.core.scheduling.pools import Cap, Cells, Member, Pool
from quarterdeck.core.scheduling.snapshot import Order, Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_dgx, a_node

NODES = ("a0", "a1", "a2", "v0", "v1")


def node_of(name: str) -> Node:
    if name[0] == "a":
        return a_dgx(name)
    node = a_node(name, gpus=8, cpus=128)
    devices = tuple(replace(one, model="V100-SXM2-32GB") for one in node.devices)
    return replace(node, devices=devices)


def waits(name: str, team: str = "red", gpus: int = 8, nodes: int = 1, **more: Any) -> Waiting:
    wanted = Resources(gpus, more.pop("model", None), **more.pop("resources", {}))
    demand = Demand(nodes, wanted, nodes_max=more.pop("most", None))
    number = int(name[1:])
    return Waiting(JobId(name), demand, 0, START_NS + number, team=team, **more)


def runs(name: str, node: str, gpus: int, team: str = "red", owner: str = "") -> Running:
    devices = tuple(one.id for one in node_of(node).devices[:gpus])
    grant = Grant(node, devices, cpus=gpus)
    demand = Demand(1, Resources(gpus))
    return Running(JobId(name), "local", demand, (grant,), 0, 0, 0, 0.0, team=team, owner=owner)


def plan(pools: tuple[Pool, ...], waiting: list[Waiting], *running: Running, **more: Any) -> Plan:
    grants = [grant for one in running for grant in one.grants]
    rooms = [
        room_of("local", node_of(name), [one for one in grants if one.node == name])
        for name in NODES
    ]
    policy = Policy(pools=pools, nearness_patience_s=0, pod_patience_s=0, **more)
    return make_plan(Snapshot(START_NS + 10**12, 1, rooms, tuple(waiting), running=running), policy)


def placed(made: Plan) -> dict[str, str]:
    return {one.job_id: one.grants[0].node for one in made.placements}


def red(*caps: Cap, **more: Any) -> tuple[Pool, ...]:
    return (Pool("red", limit=caps, **more),)


def test_beyond_its_cap_a_team_waits_and_hears_the_numbers() -> None:
    made = plan(red(Cap(12)), [waits("j1"), waits("j2", gpus=4)], runs("r1", "a0", 4))
    assert placed(made).keys() == {"j1"}
    verdict = made.verdicts[JobId("j2")]
    assert verdict.blocked_by is Blocker.POOL_LIMIT
    assert verdict.message == "team red may hold 12 GPUs at once and holds 12; this takes 4"
    assert verdict.numbers == {"gpus_held": 12, "gpus_max": 12}


def test_who_asks_for_more_than_the_cap_hears_that_waiting_is_no_help() -> None:
    made = plan(red(Cap(12)), [waits("j1", nodes=2), waits("j2", gpus=4)])
    assert placed(made).keys() == {"j2"}
    assert "only once it is raised" in made.verdicts[JobId("j1")].hint


def test_a_cap_of_one_model_leaves_the_others() -> None:
    caps = red(Cap(8, ("A100",)))
    made = plan(caps, [waits("j1"), waits("j2"), waits("j3", model="A100")], runs("r1", "a0", 4))
    assert {node[0] for node in placed(made).values()} == {"v"}
    assert placed(made).keys() == {"j1", "j2"}
    verdict = made.verdicts[JobId("j3")]
    assert verdict.blocked_by is Blocker.POOL_LIMIT
    assert "8 A100 GPUs at once and holds 4; this takes 8" in verdict.message


def test_who_is_capped_holds_up_nobody_however_long() -> None:
    made = plan(red(Cap(4)), [waits("j1"), waits("j2", "blue")], patience_s=0.0)
    assert placed(made).keys() == {"j2"}


def test_a_person_has_a_cap_of_their_own_in_the_team() -> None:
    pools = red(Cap(16), people=(Member("ann", limit=(Cap(4),)),))
    waiting = [
        waits("j1", owner="ann", gpus=4),
        waits("j2", owner="ann", gpus=1),
        waits("j3", owner="bob"),
        waits("j4", "blue", owner="ann"),
    ]
    made = plan(pools, waiting)
    assert placed(made).keys() == {"j1", "j3", "j4"}
    assert made.verdicts[JobId("j2")].message.startswith("user ann in team red may hold 4 GPUs")


def test_of_an_array_as_many_tasks_start_as_fit_under_it() -> None:
    array = waits("j1", gpus=3, tasks=tuple(range(5)), room=5)
    made = plan(red(Cap(10)), [array])
    assert [one.task for one in made.placements] == [0, 1, 2]
    assert made.verdicts[JobId("j1")].blocked_by is Blocker.POOL_LIMIT


def test_a_gang_that_takes_what_is_free_takes_no_more_than_the_cap() -> None:
    made = plan(red(Cap(16)), [waits("j1", nodes=1, most=5)])
    assert len(made.placements[0].grants) == 2


def test_parts_of_gpus_count_as_parts_and_cpus_as_nothing() -> None:
    half = {"gpu_unit": GpuUnit.SHARE, "gpu_percent": 50}
    shares = [waits(f"j{n}", gpus=1, resources=half) for n in range(1, 4)]
    made = plan(red(Cap(1)), [*shares, waits("j9", gpus=0)])
    assert placed(made).keys() == {"j1", "j2", "j9"}


def test_what_is_guaranteed_stays_under_the_cap_too() -> None:
    pools = (Pool("red", (Cells(2),), limit=(Cap(8),)),)
    made = plan(pools, [waits("j1"), waits("j2")], runs("r1", "a0", 8, "blue"))
    assert placed(made).keys() == {"j1"}
    assert made.verdicts[JobId("j2")].blocked_by is Blocker.POOL_LIMIT


def test_nobody_is_stopped_for_a_job_beyond_a_cap() -> None:
    pools = (Pool("red", (Cells(5),), limit=(Cap(8),)),)
    held = [runs(f"b{n}", node, 8, "blue") for n, node in enumerate(NODES)]
    waiting = [waits("j1", gpus=8), waits("j2", gpus=8)]
    assert {one.beneficiary for one in plan(pools, waiting, *held).evictions} == {"j1"}


TEAM = st.sampled_from(["red", "blue"])
OWNER = st.sampled_from(["ann", "bob"])
CAPS = st.lists(
    st.builds(Cap, st.integers(0, 24), st.sampled_from([(), ("A100",), ("V100",)])), max_size=2
).map(tuple)


@settings(max_examples=150)
@given(
    CAPS,
    CAPS,
    st.sampled_from([(), (Cells(2),)]),
    st.lists(st.tuples(TEAM, OWNER, st.integers(0, 4), st.integers(1, 8)), max_size=4),
    st.lists(
        st.tuples(TEAM, OWNER, st.integers(1, 8), st.integers(1, 3), st.integers(1, 3)), max_size=8
    ),
)
def test_no_plan_takes_anybody_beyond_a_cap(
    caps: tuple[Cap, ...],
    of_ann: tuple[Cap, ...],
    guarantee: tuple[Cells, ...],
    held: list[tuple[str, str, int, int]],
    queue: list[tuple[str, str, int, int, int]],
) -> None:
    nodes = {at: (team, owner, gpus) for team, owner, at, gpus in held}
    running = [
        runs(f"r{at}", NODES[at], gpus, team, owner) for at, (team, owner, gpus) in nodes.items()
    ]
    waiting = [
        waits(f"j{n}", team, gpus, many, owner=owner, tasks=tuple(range(tasks)), room=tasks)
        for n, (team, owner, gpus, many, tasks) in enumerate(queue)
    ]
    pools = (Pool("red", guarantee, limit=caps, people=(Member("ann", limit=of_ann),)),)
    made = plan(pools, waiting, *running)
    team_of = {one.job_id: (one.team, one.owner) for one in waiting}
    mine = [(one.team, one.owner, one.grants) for one in running]
    now = [*mine, *((*team_of[one.job_id], one.grants) for one in made.placements)]

    def count(
        cap: Cap, whose: str | None, among: list[tuple[str, str, tuple[Grant, ...]]]
    ) -> float:
        first = {"A100": "a", "V100": "v"}[cap.models[0]] if cap.models else ""
        grants = [
            grant
            for team, owner, these in among
            if team == "red" and whose in {None, owner}
            for grant in these
            if grant.node.startswith(first)
        ]
        return gpus_of(grants)

    for cap, whose in [*((cap, None) for cap in caps), *((cap, "ann") for cap in of_ann)]:
        assert count(cap, whose, now) <= max(cap.gpus, count(cap, whose, mine)) + 1e-6
    for one in waiting:
        if one.team == "blue" and one.job_id in made.verdicts:
            assert made.verdicts[one.job_id].blocked_by is not Blocker.POOL_LIMIT


def test_the_words_of_a_cap() -> None:
    assert [str(Cap(16)), str(Cap(4, ("A100", "H100")))] == ["16 GPUs", "A100|H100:4"]


@pytest.mark.parametrize("weight", [1.0, 3.0])
def test_a_person_of_more_weight_gets_more_turns_in_the_team(weight: float) -> None:
    pools = (Pool("red", people=(Member("bob", weight),)),)
    waiting = [waits(f"j{n}", gpus=8, owner="ann") for n in range(1, 5)]
    waiting += [waits(f"j{n}", gpus=8, owner="bob") for n in range(5, 9)]
    made = plan(pools, waiting, order=Order.FAIR_SHARE)
    bobs = sum(one.job_id in {"j5", "j6", "j7", "j8"} for one in made.placements)
    assert bobs == (2 if weight == 1.0 else 3)
