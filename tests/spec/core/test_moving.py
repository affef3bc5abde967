"""Jobs move out of the way of one that fits nowhere: who, when it pays, and who has what then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Kind
from quarterdeck.core.calendar.occurrences import Occurrence
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.gpus import parse_gpus
from quarterdeck.core.cluster.hardware import Node, NodeState
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.scheduling.booked import Bookings
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Because, Blocker, Plan
from quarterdeck.core.scheduling.pools import Cells, Pool
from quarterdeck.core.scheduling.promised import Promised
from quarterdeck.core.scheduling.snapshot import Backfill, Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_dgx, a_node

NOW_NS = START_NS + 100_000 * NS_PER_S
MOVES = Policy(patience_s=1e9, moves_max=2, moves_percent=100.0)
BIG = JobId("big")


def runs(name: str, node: str, *gpus: int, for_s: float = 1000, **more: Any) -> Running:
    """A job that keeps checkpoints and has run for so long on these GPUs."""
    began_ns = NOW_NS - round(for_s * NS_PER_S)
    grant = Grant(node, tuple(f"GPU-{node}-{gpu}" for gpu in gpus), 1)
    demand = Demand(1, Resources(len(gpus)))
    one = Running(JobId(name), "local", demand, (grant,), 0, began_ns, began_ns, 0.0)
    return replace(one, **{"keeps_checkpoints": True, **more})


def waits(name: str = "big", gpus: int = 8, *, for_s: float = 10_000, **more: Any) -> Waiting:
    at_ns = NOW_NS - round(for_s * NS_PER_S)
    return Waiting(JobId(name), Demand(1, Resources(gpus)), 0, at_ns, **more)


def plan_of(
    running: Sequence[Running],
    *waiting: Waiting,
    nodes: Sequence[Node] = (a_dgx("a"), a_dgx("b")),
    policy: Policy = MOVES,
    **more: Any,
) -> Plan:
    rooms = [
        room_of("local", node, [g for r in running for g in r.grants if g.node == node.name])
        for node in nodes
    ]
    more = {"started_lately": 500, **more}
    return make_plan(Snapshot(NOW_NS, 1, rooms, waiting, running=tuple(running), **more), policy)


def moved(plan: Plan) -> dict[str, list[str]]:
    """Who moves, and to which GPUs."""
    assert all(one.because is Because.MOVE and one.goes_to for one in plan.evictions)
    return {
        one.job_id: [device for grant in one.goes_to for device in grant.devices]
        for one in plan.evictions
    }


def starts(plan: Plan) -> dict[str, list[str]]:
    return {one.job_id: [grant.node for grant in one.grants] for one in plan.placements}


def stopping(plan: Plan, running: Sequence[Running]) -> list[Running]:
    """These once the plan is under way: who moves is being stopped."""
    to = {one.job_id: one.goes_to for one in plan.evictions}
    return [
        replace(one, is_leaving=True, goes_to=to[one.job_id]) if one.job_id in to else one
        for one in running
    ]


def told(plan: Plan, waiting: Waiting) -> Waiting:
    return replace(waiting, goes_to=plan.clearances[waiting.job_id])


def again(one: Running, plan: Plan) -> Waiting:
    """One that has moved out, and is in the queue."""
    (to,) = (each.goes_to for each in plan.evictions if each.job_id == one.job_id)
    given = Clearance("local", tuple(grant.node for grant in to), grants=to, is_moved=True)
    return Waiting(one.job_id, one.demand, one.priority, one.submitted_at_ns, goes_to=given)


TWO = [runs("r1", "a", 0, 1, 2, 3), runs("r2", "b", 4, 5, 6, 7)]


def test_one_of_two_halves_moves_and_a_whole_node_is_free() -> None:
    plan = plan_of(TWO, waits())
    # Both lose the same; r1 and r2 began together, so the node decides.
    assert moved(plan) == {"r1": [f"GPU-b-{gpu}" for gpu in range(4)]}
    given = plan.clearances[BIG]
    assert given.grants == (Grant("a", tuple(f"GPU-a-{gpu}" for gpu in range(8)), 1, 0),)
    verdict = plan.verdicts[BIG]
    assert verdict.blocked_by is Blocker.MAKING_ROOM
    assert verdict.message == "a job moves for it: 4.0 GPU minutes of work are lost"
    assert verdict.numbers == {"jobs_moved": 1, "gpu_seconds_lost": 240}
    assert (plan.placements, plan.next_ready_ns) == ((), None)


def test_the_policy_says_whether_and_how_many() -> None:
    for policy in (Policy(), replace(MOVES, moves_max=0), replace(MOVES, moves_percent=0.0)):
        assert plan_of(TWO, waits(), policy=policy).evictions == ()
    share = replace(MOVES, moves_percent=5.0)
    for starts_, moves, count in ((19, 0, 0), (20, 0, 1), (20, 1, 0), (40, 1, 1)):
        plan = plan_of(TWO, waits(), policy=share, started_lately=starts_, moved_lately=moves)
        assert len(plan.evictions) == count
    pairs = [runs("r1", "a", 0, 1), runs("r2", "a", 2, 3), runs("r3", "b", 4, 5, 6, 7)]
    fixed = [*pairs[:2], replace(pairs[2], is_preemptible=False)]
    assert len(plan_of(fixed, waits()).evictions) == 2
    assert plan_of(fixed, waits(), policy=replace(MOVES, moves_max=1)).evictions == ()


def test_the_least_work_is_lost() -> None:
    """A node with two GPUs in use is cleared rather than one with four; of equals the one that
    loses less since it has just begun."""
    jobs = [runs("r1", "a", 0, 1, 2, 3), runs("r2", "b", 0), runs("r3", "b", 1)]
    assert {*moved(plan_of(jobs, waits()))} == {"r2", "r3"}
    young = [TWO[0], replace(TWO[1], started_at_ns=NOW_NS - 30 * NS_PER_S)]
    plan = plan_of(young, waits(), policy=replace(MOVES, min_runtime_s=0))
    assert {*moved(plan)} == {"r2"}
    assert plan.verdicts[BIG].numbers["gpu_seconds_lost"] == 120


def test_nobody_moves_who_need_not() -> None:
    """Three GPUs more are wanted: the two that hold two each on a; the single one stays."""
    jobs = [
        runs("r1", "a", 0, 1), runs("r2", "a", 2, 3), runs("r3", "a", 4),
        replace(runs("r4", "b", 0, 1, 2, 3), is_preemptible=False),
    ]  # fmt: skip
    plan = plan_of(jobs, waits(gpus=7), policy=replace(MOVES, moves_max=9))
    assert {*moved(plan)} == {"r1", "r2"}


@pytest.mark.parametrize(
    "change",
    [
        {"is_preemptible": False},
        {"keeps_checkpoints": False},
        {"started_at_ns": NOW_NS - 599 * NS_PER_S},
        {"min_runtime_s": 1001.0},
        {"task": 3},
        {"is_leaving": True},
        {"priority": 1},
        {"demand": Demand(1, Resources(4), nodes_max=2)},
    ],
)
def test_who_does_not_move(change: dict[str, Any]) -> None:
    fixed = replace(TWO[1], is_preemptible=False)
    assert {*moved(plan_of([TWO[0], fixed], waits()))} == {"r1"}
    assert plan_of([replace(TWO[0], **change), fixed], waits()).evictions == ()


def test_who_is_too_young_is_looked_at_again_in_time() -> None:
    young = [replace(one, started_at_ns=NOW_NS - 500 * NS_PER_S) for one in TWO]
    plan = plan_of(young, waits())
    assert (plan.evictions, plan.next_ready_ns) == ((), NOW_NS + 100 * NS_PER_S)


def test_it_happens_only_once_it_pays() -> None:
    """Four GPUs lose a minute each; the job asks for eight, and so waits for half a minute."""
    plan = plan_of(TWO, waits(for_s=29.5))
    assert (plan.evictions, plan.next_ready_ns) == ((), NOW_NS + NS_PER_S // 2)
    assert plan.verdicts[BIG].blocked_by is Blocker.FRAGMENTED
    assert len(plan_of(TWO, waits(for_s=30)).evictions) == 1


def test_without_a_place_for_all_that_move_nobody_does() -> None:
    jobs = [runs("r1", "a", 0, 1, 2, 3), replace(runs("r2", "b", *range(5)), is_preemptible=False)]
    assert plan_of(jobs, waits()).evictions == ()
    # Nor where what is free elsewhere is booked by others, or on a node that is down.
    booked = Occurrence("k1", Kind.MAINTENANCE, NOW_NS - 1, NOW_NS + 10**15, nodes=("b",))
    fixed = [TWO[0], replace(TWO[1], is_preemptible=False)]
    assert len(plan_of(fixed, waits()).evictions) == 1
    assert plan_of(fixed, waits(), bookings=Bookings((booked,))).evictions == ()
    down = [a_dgx("a"), a_dgx("b", state=NodeState.DOWN)]
    assert plan_of(fixed, waits(), nodes=down).evictions == ()


def test_two_that_both_fit_elsewhere_alone_do_not_move_into_the_same_gap() -> None:
    jobs = [runs("r1", "a", 0, 1), runs("r2", "a", 2, 3)]
    for in_use, count in ((5, 0), (4, 2)):
        other = replace(runs("r3", "b", *range(in_use)), is_preemptible=False)
        assert len(plan_of([*jobs, other], waits()).evictions) == count


def test_what_will_be_free_in_a_moment_is_waited_for() -> None:
    going = [TWO[0], replace(TWO[1], is_leaving=True)]
    assert plan_of(going, waits()).evictions == ()


def test_nobody_else_gets_what_is_promised_until_all_have_it() -> None:
    """From the stop to the start: small jobs of any priority find nothing there."""
    first = plan_of(TWO, waits())
    small = [waits(f"s{n}", 1, for_s=1) for n in range(8)]
    urgent = replace(small[0], priority=9)
    mine = told(first, waits())
    while_stopping = plan_of(stopping(first, TWO), mine, urgent, *small[1:])
    assert (while_stopping.placements, while_stopping.evictions) == ((), ())
    verdict = while_stopping.verdicts[BIG]
    assert verdict.message == "a job moves for it: 4.0 GPU minutes of work are lost"
    assert verdict.held_by == ("r1",)
    # It has stopped: both start before all others, with just what was told to them.
    then = plan_of(TWO[1:], mine, again(TWO[0], first), urgent, *small[1:])
    assert starts(then) == {"big": ["a"], "r1": ["b"]}
    grants = {one.job_id: one.grants for one in then.placements}
    assert grants == {BIG: first.clearances[BIG].grants, "r1": first.evictions[0].goes_to}
    assert then.evictions == ()


def test_in_the_plan_that_moves_them_nobody_is_told_that_there_is_room() -> None:
    plan = plan_of(TWO, waits(), waits("small", 5, for_s=1))
    assert plan.verdicts[JobId("small")].numbers["gpus_free_now"] == 0


def test_what_is_left_beside_it_others_get() -> None:
    nodes = (a_dgx("a"), a_dgx("b"), a_dgx("c"))
    jobs = [*TWO, replace(runs("r3", "c", *range(6)), is_preemptible=False)]
    first = plan_of(jobs, waits(), nodes=nodes)
    mine = told(first, waits())
    plan = plan_of(stopping(first, jobs), mine, waits("s", 2, for_s=1), nodes=nodes)
    assert starts(plan) == {"s": ["c"]}


def test_nobody_moves_twice_without_a_change() -> None:
    first = plan_of(TWO, waits())
    mine = told(first, waits())
    for running, more in ((stopping(first, TWO), ()), (TWO[1:], (again(TWO[0], first),))):
        assert plan_of(running, mine, *more).evictions == ()


def test_one_whose_place_is_lost_is_in_the_queue_like_all_others() -> None:
    first = plan_of(TWO, waits())
    mine, back = told(first, waits()), again(TWO[0], first)
    nodes = (a_dgx("a"), a_dgx("b", state=NodeState.DOWN))
    plan = plan_of(TWO[1:], mine, back, nodes=nodes)
    assert starts(plan) == {"big": ["a"]}
    assert plan.verdicts[back.job_id].blocked_by is Blocker.NO_CAPACITY
    # Somebody has taken it: what else is free will do.
    more = (a_dgx("a"), a_dgx("b"), a_dgx("c"))
    plan = plan_of([*TWO[1:], runs("x", "b", 0)], mine, back, nodes=more)
    assert starts(plan) == {"big": ["a"], "r1": ["c"]}


def test_where_the_room_is_lost_the_job_waits_like_all_others() -> None:
    first = plan_of(TWO, waits())
    mine = told(first, waits())
    nodes = (a_dgx("a", state=NodeState.DOWN), a_dgx("b"))
    plan = plan_of(stopping(first, TWO), mine, nodes=nodes)
    assert plan.verdicts[BIG].blocked_by is Blocker.NO_CAPACITY


def test_a_limit_that_came_meanwhile_holds() -> None:
    first = plan_of(TWO, waits())
    mine = replace(told(first, waits()), unmet=(JobId("n"),))
    plan = plan_of(TWO[1:], mine, again(TWO[0], first), waits("s", 8, for_s=1))
    assert starts(plan) == {"r1": ["b"], "s": ["a"]}


def test_nobody_moves_to_where_another_one_is_promised_a_start() -> None:
    """All of b is promised to one that comes later in the order, from when r2 ends."""
    fixed = replace(TWO[1], is_preemptible=False, ends_at_ns=NOW_NS + 100 * NS_PER_S)
    policy = replace(MOVES, patience_s=10.0, backfill=Backfill.CONSERVATIVE)
    early, later = waits("early", 7, for_s=20_000), waits("later", 8)
    promised = Promised(later.job_id, NOW_NS + 100 * NS_PER_S, "local", ("b",))
    jobs = [TWO[0], fixed]
    for given, count in (((), 1), ((promised,), 0)):
        plan = plan_of(jobs, early, later, policy=policy, promised=given)
        assert len(plan.evictions) == count


def test_who_was_promised_a_start_has_what_others_leave_instead() -> None:
    """Not both: until it starts others may have what it would have got later."""
    policy = replace(MOVES, patience_s=10.0, backfill=Backfill.CONSERVATIVE)
    ends_ns = NOW_NS + 50_000 * NS_PER_S
    last = runs("r3", "c", *range(7), is_preemptible=False, ends_at_ns=ends_ns)
    jobs = [*TWO, last]
    more: dict[str, Any] = {"nodes": (a_dgx("a"), a_dgx("b"), a_dgx("c")), "policy": policy}
    first = plan_of(jobs, waits(), **more)
    assert [(one.job_id, one.nodes) for one in first.promised] == [(BIG, ("c",))]
    assert {*moved(first)} == {"r1"}
    mine = told(first, waits())
    long = waits("long", 1, for_s=5)
    then = plan_of(stopping(first, jobs), mine, long, promised=first.promised, **more)
    assert (starts(then), then.promised) == ({"long": ["c"]}, ())


def test_where_teams_are_guaranteed_anything_nobody_moves() -> None:
    pools = (Pool("t", guarantee=(Cells(1),)),)
    assert plan_of(TWO, waits(), policy=replace(MOVES, pools=pools)).evictions == ()


def test_a_slice_moves_likewise() -> None:
    node = a_node("a", gpus=2, may_slice=True)

    def slice_of(name: str, device: str) -> Running:
        demand = Demand(1, parse_gpus(f"mig-{device.partition('/')[2].partition('@')[0]}"))
        return replace(runs(name, "a"), demand=demand, grants=(Grant("a", (device,), 1),))

    jobs = [slice_of("s1", "GPU-a-0/1g.10gb@0"), slice_of("s2", "GPU-a-1/4g.40gb@0")]
    waiting = replace(waits(), demand=Demand(1, parse_gpus("mig-7g.80gb")))
    first = plan_of(jobs, waiting, nodes=[node])
    assert moved(first) == {"s1": ["GPU-a-1/1g.10gb@6"]}
    mine = told(first, waiting)
    small = replace(waits("x", for_s=1), demand=Demand(1, parse_gpus("mig-1g.10gb")))
    meanwhile = plan_of(stopping(first, jobs), mine, *[replace(small, job_id=JobId(f"x{n}"))
                                                     for n in range(9)], nodes=[node])  # fmt: skip
    given = {d for one in meanwhile.placements for grant in one.grants for d in grant.devices}
    assert not any(one.startswith("GPU-a-0") or one.endswith("@6") for one in given)
    then = plan_of(jobs[1:], mine, again(jobs[0], first), small, nodes=[node])
    assert [one.job_id for one in then.placements[:2]] == ["big", "s1"]
