"""A plan takes nothing twice, forgets nobody and promises only what holds."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.quantities import GIB
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.core.cluster.room import Room
from quarterdeck.core.jobs.array import Array, Span
from quarterdeck.core.jobs.tasks import Wait
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Plan
from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_job_id, a_node
from tests.oracles.changes import let_go_as_promised

POLICY = Policy(patience_s=300.0)
GATES = (Blocker.NEEDS, Blocker.BACKOFF, Blocker.ARRAY_LIMIT)
NODES = st.builds(
    lambda number, gpus, cpus, state: a_node(
        f"n{number}", gpus=gpus, cpus=cpus, memory_bytes=4 * GIB, state=state
    ),
    st.integers(0, 5),
    st.integers(0, 4),
    st.integers(1, 8),
    st.sampled_from((NodeState.READY, NodeState.READY, NodeState.READY, NodeState.DOWN)),
)
ROOMS = st.builds(Room.empty, st.sampled_from(("one", "two")), NODES)
DEMANDS = st.builds(
    Demand,
    st.integers(1, 3),
    st.builds(Resources, st.integers(0, 4), st.none(), st.integers(1, 4), st.just(GIB)),
    st.sampled_from((None, None, None, "two")),
)
WAITS = st.builds(
    lambda since_s, lasts_s: Wait(START_NS - since_s * 10**9, START_NS + lasts_s * 10**9),
    st.integers(-5, 9),
    st.integers(-9, 9),
)


def a_part(
    demand: Demand, priority: int, tasks: int, room: int, unmet: int, waits: dict[int, Wait]
) -> Waiting:
    """A job, or what is left of an array when `tasks` is not 0."""
    needs = tuple(a_job_id(90 + number) for number in range(unmet))
    if tasks == 0:
        own: dict[int | None, Wait] = {None: waits[0]} if 0 in waits else {}
        return Waiting(a_job_id(0), demand, priority, 0, unmet=needs, waits=own)
    indices = tuple(range(3, 3 + tasks))
    later: dict[int | None, Wait] = {
        indices[place]: wait for place, wait in waits.items() if place < tasks
    }
    array = Array((Span(indices[0], indices[-1]),), room + 1)
    return Waiting(
        a_job_id(0), demand, priority, 0, indices, room, room + 1, needs, later, array=array
    )


WAITING = st.builds(
    a_part,
    DEMANDS,
    st.integers(-1, 1),
    st.sampled_from((0, 0, 0, 2, 5)),
    st.integers(0, 5),
    st.sampled_from((0, 0, 0, 0, 2)),
    st.dictionaries(st.integers(0, 4), WAITS, max_size=2),
)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    rooms = draw(st.lists(ROOMS, max_size=6, unique_by=lambda room: (room.site, room.node.name)))
    used = tuple(
        replace(room, free_devices=room.free_devices[draw(st.integers(0, 3)) :]) for room in rooms
    )
    waiting = tuple(
        replace(part, job_id=a_job_id(number), submitted_at_ns=START_NS - age_s * NS_PER_S)
        for number, (part, age_s) in enumerate(
            draw(st.lists(st.tuples(WAITING, st.integers(0, 600)), max_size=7))
        )
    )
    return Snapshot(START_NS, 1, used, waiting)


@settings(max_examples=200)
@given(snapshots())
def test_a_plan_is_sound(snapshot: Snapshot) -> None:
    plan = make_plan(snapshot, POLICY)
    check_answers(snapshot, plan)
    check_grants(snapshot, plan)
    check_impatience(snapshot, plan)


def check_answers(snapshot: Snapshot, plan: Plan) -> None:
    """Everything that waits is placed or hears why not, and nothing passes a gate."""
    placed: dict[str, list[int | None]] = {}
    for placement in plan.placements:
        placed.setdefault(placement.job_id, []).append(placement.task)
    assert {*placed, *plan.verdicts} == {waiting.job_id for waiting in snapshot.waiting}
    later: list[int] = []
    for waiting in snapshot.waiting:
        tasks = placed.get(waiting.job_id, [])
        verdict = plan.verdicts.get(waiting.job_id)
        assert (verdict is None) == (len(tasks) == len(waiting.tasks))
        assert len(set(tasks)) == len(tasks) <= waiting.room
        assert set(tasks) <= set(waiting.tasks)
        blocked = {
            task
            for task, wait in waiting.waits.items()
            if wait.since_ns <= snapshot.now_ns < wait.until_ns
        }
        assert blocked.isdisjoint(tasks)
        assert not (tasks and waiting.unmet)
        if not waiting.unmet:
            later += [waiting.waits[task].until_ns for task in blocked]
        if verdict is not None and verdict.blocked_by in GATES:
            could = set(waiting.tasks) - blocked if not waiting.unmet else set()
            assert len(tasks) == min(len(could), waiting.room)
    assert plan.next_ready_ns == min(later, default=None)


def check_grants(snapshot: Snapshot, plan: Plan) -> None:
    rooms = {(room.site, room.node.name): room for room in snapshot.rooms}
    wanted = {waiting.job_id: waiting.demand for waiting in snapshot.waiting}
    taken: dict[tuple[str, str], list[Grant]] = {}
    for placement in plan.placements:
        demand = wanted[placement.job_id]
        assert demand.site in (None, placement.site)
        assert len({grant.node for grant in placement.grants}) == demand.nodes
        for grant in placement.grants:
            need = demand.resources
            assert (len(grant.devices), grant.cpus) == (need.gpus, need.cpus)
            taken.setdefault((placement.site, grant.node), []).append(grant)
    for place, grants in taken.items():
        room = rooms[place]
        devices = [device for grant in grants for device in grant.devices]
        assert room.node.state is NodeState.READY
        assert len(set(devices)) == len(devices)
        assert set(devices) <= set(room.free_devices)
        assert sum(grant.cpus for grant in grants) <= room.free_cpus
        assert sum(grant.memory_bytes for grant in grants) <= room.free_memory_bytes


def check_impatience(snapshot: Snapshot, plan: Plan) -> None:
    """Nobody starts who is behind one that may not be passed."""
    by_id = {waiting.job_id: waiting for waiting in snapshot.waiting}
    behind = [v for v in plan.verdicts.values() if v.blocked_by is Blocker.BEHIND_OTHERS]
    for verdict in behind:
        ahead = by_id[verdict.held_by[0]]
        assert ahead.order < by_id[verdict.job_id].order
        assert (snapshot.now_ns - ahead.submitted_at_ns) / NS_PER_S >= POLICY.patience_s
        assert all(by_id[one.job_id].order <= ahead.order for one in plan.placements)


@settings(max_examples=150)
@given(snapshots())
def test_in_any_queue_what_would_start_now_does(snapshot: Snapshot) -> None:
    plan = make_plan(snapshot, POLICY)
    for waiting in snapshot.waiting:
        verdict = plan.verdicts.get(waiting.job_id)
        changed = let_go_as_promised(waiting, verdict) if verdict else None
        if changed is None:
            continue
        others = tuple(one for one in snapshot.waiting if one is not waiting)
        tried = make_plan(replace(snapshot, waiting=(*others, changed)), POLICY)
        before = sum(one.job_id == waiting.job_id for one in plan.placements)
        assert sum(one.job_id == waiting.job_id for one in tried.placements) > before


@settings(max_examples=100)
@given(snapshots(), st.randoms(use_true_random=False))
def test_the_order_of_what_is_handed_in_never_matters(snapshot: Snapshot, random: object) -> None:
    rooms, waiting = [*snapshot.rooms], [*snapshot.waiting]
    random.shuffle(rooms)  # type: ignore[attr-defined]
    random.shuffle(waiting)  # type: ignore[attr-defined]
    shuffled = replace(snapshot, rooms=tuple(rooms), waiting=tuple(waiting))
    assert make_plan(shuffled, POLICY) == make_plan(snapshot, POLICY)
