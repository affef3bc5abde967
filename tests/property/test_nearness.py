"""Nobody waits for nearness longer than the patience, whatever is free and whoever else waits."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Level, Resources, Wish
from quarterdeck.core.cluster.hardware import Location
from quarterdeck.core.cluster.room import Room
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Plan
from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_dgx, a_job_id
from tests.oracles.rooms import less

AT_ONCE = Policy(patience_s=1e9, nearness_patience_s=0.0, pod_patience_s=0.0)
WHOLE = Resources(8)


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Up to three pods of racks, some nodes held or nowhere, gangs that have waited for a while."""
    rooms = []
    for number in range(draw(st.integers(2, 14))):
        where = Location(
            draw(st.sampled_from(("r0", "r1", "r2", ""))),
            draw(st.sampled_from(("", "", "u0", "u1"))),
            draw(st.sampled_from(("p0", "p1", "p2"))),
        )
        room = Room.empty("s", a_dgx(f"n{number:02}", location=where))
        rooms.append(less(room, WHOLE) if draw(st.integers(0, 2)) == 0 else room)
    waiting = [
        Waiting(
            a_job_id(number),
            Demand(
                draw(st.integers(1, 6)),
                WHOLE,
                topology=draw(st.sampled_from((Wish(), Wish(), Wish(prefer=Level.RACK)))),
            ),
            0,
            START_NS - draw(st.integers(0, 900)) * NS_PER_S,
        )
        for number in range(draw(st.integers(1, 4)))
    ]
    return Snapshot(START_NS, 1, tuple(rooms), tuple(waiting))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    seconds = st.sampled_from((0.0, 60.0, 300.0, 1000.0))
    return Policy(1e9, nearness_patience_s=draw(seconds), pod_patience_s=draw(seconds))


def put_off(plan: Plan) -> set[JobId]:
    return {job_id for job_id, one in plan.verdicts.items() if "wait_s" in one.numbers}


@settings(max_examples=300)
@given(snapshots(), policies())
def test_nobody_who_has_room_waits_longer_than_the_patience(
    snapshot: Snapshot, policy: Policy
) -> None:
    """Time goes on to when the plan says it is worth making again, and nothing ends meanwhile."""
    longest_s = max(policy.nearness_patience_s, policy.pod_patience_s)
    since_ns = {one.job_id: one.submitted_at_ns for one in snapshot.waiting}
    while True:
        plan = make_plan(snapshot, policy)
        for job_id in put_off(plan):
            assert snapshot.now_ns < since_ns[job_id] + longest_s * NS_PER_S
            left_ns = since_ns[job_id] + longest_s * NS_PER_S - snapshot.now_ns
            assert plan.verdicts[job_id].numbers["wait_s"] <= left_ns / NS_PER_S
        if plan.next_ready_ns is None:
            break
        assert plan.next_ready_ns > snapshot.now_ns
        snapshot = after(snapshot, plan)
    assert not put_off(plan)


@settings(max_examples=300)
@given(snapshots(), policies())
def test_who_is_put_off_would_start_without_the_wish_to_lie_near(
    snapshot: Snapshot, policy: Policy
) -> None:
    """It is the first in the queue that is compared: what others take is another thing."""
    first = min(snapshot.waiting, key=lambda one: one.order)
    alone = replace(snapshot, waiting=(first,))
    is_put_off = bool(put_off(make_plan(alone, policy)))
    plain = make_plan(alone, AT_ONCE)
    assert bool(plain.placements) or not is_put_off
    if not is_put_off:
        assert make_plan(alone, policy).placements == plain.placements


def after(snapshot: Snapshot, plan: Plan) -> Snapshot:
    """The same when the plan is worth making again, without what it has placed."""
    taken = {grant.node for one in plan.placements for grant in one.grants}
    started = {one.job_id for one in plan.placements}
    assert plan.next_ready_ns is not None
    return replace(
        snapshot,
        now_ns=plan.next_ready_ns,
        rooms=tuple(
            less(room, WHOLE) if room.node.name in taken else room for room in snapshot.rooms
        ),
        waiting=tuple(one for one in snapshot.waiting if one.job_id not in started),
    )
