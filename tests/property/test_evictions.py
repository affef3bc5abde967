"""Whoever has to go makes somebody start, and nobody goes who need not."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.order import may_oust
from quarterdeck.core.scheduling.plan import Blocker, Plan
from quarterdeck.core.scheduling.snapshot import Order, Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_job_id, a_node

GPUS = 4
NODES = 4
POLICY = Policy(patience_s=1e9, order=Order.LEAST_SERVED, min_runtime_s=600.0)
SERVED_GPU_S = st.sampled_from((0.0, 15_000.0, 40_000.0, 500_000.0, 9_000_000.0))


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Jobs of one or two nodes hold GPUs from the left of each node; others wait."""
    free = [list(range(GPUS)) for _ in range(NODES)]
    running = []
    for number in range(draw(st.integers(0, 8))):
        gpus, count = draw(st.integers(1, GPUS)), draw(st.integers(1, 2))
        able = [node for node in range(NODES) if len(free[node]) >= gpus][:count]
        if len(able) < count:
            continue
        grants = tuple(
            Grant(f"n{node}", tuple(f"GPU-n{node}-{free[node].pop(0)}" for _ in range(gpus)), 1)
            for node in able
        )
        running.append(
            Running(
                a_job_id(100 + number),
                "local",
                Demand(count, Resources(gpus)),
                grants,
                draw(st.integers(-1, 1)),
                START_NS,
                START_NS - draw(st.sampled_from((10, 599, 600, 9000))) * NS_PER_S,
                draw(SERVED_GPU_S),
                draw(st.integers(0, 4)) > 0,
            )
        )
    waiting = tuple(
        Waiting(
            a_job_id(number),
            Demand(draw(st.integers(1, 3)), Resources(draw(st.integers(1, GPUS)))),
            draw(st.integers(-1, 1)),
            START_NS - number * NS_PER_S,
            served_gpu_s=draw(SERVED_GPU_S),
        )
        for number in range(draw(st.integers(1, 5)))
    )
    places = [a_node(f"n{n}", gpus=GPUS) for n in range(NODES)]
    rooms = tuple(
        room_of("local", node, [g for r in running for g in r.grants if g.node == node.name])
        for node in places
    )
    return Snapshot(START_NS, 1, rooms, waiting, running=tuple(running))


def after(snapshot: Snapshot, plan: Plan, gone: set[JobId]) -> Snapshot:
    """What is free once these have gone and what the plan places has started."""
    held: dict[str, list[Grant]] = {room.node.name: [] for room in snapshot.rooms}
    for grants in (
        *(one.grants for one in snapshot.running if one.job_id not in gone),
        *(one.grants for one in plan.placements),
    ):
        for grant in grants:
            held[grant.node].append(grant)
    rooms = tuple(room_of("local", room.node, held[room.node.name]) for room in snapshot.rooms)
    return replace(snapshot, rooms=rooms, running=())


@settings(max_examples=300)
@given(snapshots())
def test_evictions_are_deserved_needed_and_enough(snapshot: Snapshot) -> None:
    plan = make_plan(snapshot, POLICY)
    running = {one.job_id: one for one in snapshot.running}
    waiting = {one.job_id: one for one in snapshot.waiting}
    assert max(Counter(one.job_id for one in plan.evictions).values(), default=0) <= 1
    for one in plan.evictions:
        victim = running[one.job_id]
        assert may_oust(waiting[one.beneficiary], victim)
        assert victim.is_preemptible
        assert (START_NS - victim.started_at_ns) / NS_PER_S >= POLICY.min_runtime_s
    free = {device for room in snapshot.rooms for device in room.free_devices}
    assert free.issuperset(
        device for one in plan.placements for grant in one.grants for device in grant.devices
    )
    makers = {j for j, v in plan.verdicts.items() if v.blocked_by is Blocker.MAKING_ROOM}
    assert makers == {one.beneficiary for one in plan.evictions}
    gone = {one.job_id for one in plan.evictions}
    then = after(snapshot, plan, gone)
    started = make_plan(replace(then, waiting=tuple(waiting[j] for j in makers)), POLICY)
    assert {one.job_id for one in started.placements} == makers


@settings(max_examples=200)
@given(snapshots())
def test_with_one_less_to_go_the_job_would_not_start(snapshot: Snapshot) -> None:
    alone = replace(snapshot, waiting=snapshot.waiting[:1])
    plan = make_plan(alone, POLICY)
    gone = {one.job_id for one in plan.evictions}
    for spared in gone:
        assert not make_plan(after(alone, plan, gone - {spared}), POLICY).placements
