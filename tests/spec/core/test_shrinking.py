"""An elastic job that borrows gives up the nodes that are needed, and goes on with the rest."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Kind
from quarterdeck.core.calendar.occurrences import Occurrence
from quarterdeck.core.cluster.demand import Demand, Grant, Group, Level, Resources
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.scheduling.allowances import Allowance, Party
from quarterdeck.core.scheduling.booked import Bookings
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.fragments import typical_of
from quarterdeck.core.scheduling.free import Free
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Plan
from quarterdeck.core.scheduling.pools import Cap, Cells, Pool
from quarterdeck.core.scheduling.snapshot import Kept, Order, Policy, Running, Snapshot, Waiting
from tests.spec.core.test_guarantees import NOW_NS, ONE, places, policy, runs, victims, waits

ELASTIC = JobId("e")


def elastic(
    least: int, *nodes: int, team: str = "b", for_s: float = 1000, saves: bool = True, **more: Any
) -> Running:
    """A job of `least` to 4 nodes that has these."""
    parts = [runs("e", team, node, for_s=for_s) for node in nodes]
    grants = tuple(one.grants[0] for one in parts)
    demand = Demand(least, Resources(8), nodes_max=4)
    return replace(parts[0], demand=demand, grants=grants, keeps_checkpoints=saves, **more)


def again(one: Running, *kept: int) -> Waiting:
    """The same once it has stopped."""
    grants = tuple(grant for grant in one.grants if grant.node in {f"d{n}" for n in kept})
    return Waiting(
        one.job_id, one.demand, one.priority, one.submitted_at_ns, team=one.team,
        kept=Kept("local", grants, len(one.grants)),
    )  # fmt: skip


def plan_of(
    given: Policy, running: list[Running], *waiting: Waiting, down: int = 0, **more: Any
) -> Plan:
    rooms = tuple(
        room_of("local", node, [g for r in running for g in r.grants if g.node == node.name])
        for node in places(down)
    )
    return make_plan(Snapshot(NOW_NS, 1, rooms, waiting, running=tuple(running), **more), given)


def kept(plan: Plan) -> dict[str, set[str]]:
    return {one.job_id: {*one.keeps} for one in plan.evictions}


def starts(plan: Plan) -> dict[str, list[str]]:
    return {one.job_id: [grant.node for grant in one.grants] for one in plan.placements}


def test_it_gives_up_only_what_is_needed() -> None:
    plan = plan_of(policy(a=Cells(2)), [elastic(1, 0, 1, 2, 3)], waits("a1", "a", 2))
    given = {*plan.clearances[JobId("a1")].nodes}
    assert len(given) == 2
    assert kept(plan) == {"e": {"d0", "d1", "d2", "d3"} - given}
    verdict = plan.verdicts[JobId("a1")]
    assert verdict.blocked_by is Blocker.MAKING_ROOM
    # All 32 GPUs start again, though 16 of them stay.
    assert verdict.numbers == {
        "jobs_stopped": 0, "jobs_made_smaller": 1, "gpus_freed": 16, "gpu_seconds_lost": 60 * 32,
    }  # fmt: skip
    assert "a job gives up some nodes of it" in verdict.message


@pytest.mark.parametrize(("least", "left"), [(2, 2), (3, 0)])
def test_it_never_keeps_fewer_nodes_than_it_needs(least: int, left: int) -> None:
    plan = plan_of(policy(a=Cells(2)), [elastic(least, 0, 1, 2, 3)], waits("a1", "a", 2))
    assert len(kept(plan)["e"]) == left


def test_a_job_of_a_fixed_size_or_a_task_of_an_array_goes_whole() -> None:
    one = elastic(1, 0, 1, 2, 3)
    fixed = replace(one, demand=Demand(4, Resources(8)))
    for whole in (fixed, replace(one, task=0)):
        assert kept(plan_of(policy(a=ONE), [whole], waits("a1", "a"))) == {"e": set()}


def test_a_node_on_which_a_role_runs_is_not_given_up() -> None:
    beside = (Group(1, Resources(0)),)
    one = elastic(1, 0, 1)
    role = replace(one.grants[0], devices=())
    one = replace(one, demand=replace(one.demand, beside=beside), grants=(*one.grants, role))
    others = [runs(f"c{n}", "c", n, is_preemptible=False) for n in (2, 3)]
    plan = plan_of(policy(a=ONE), [one, *others], waits("a1", "a"))
    assert (kept(plan), plan.clearances[JobId("a1")].nodes) == ({"e": {"d0"}}, ("d1",))


def test_who_saves_gives_up_nodes_before_anybody_is_stopped() -> None:
    """b3 would lose a second; but it would have to wait."""
    young = runs("b3", "b", 3, for_s=1)
    plan = plan_of(policy(a=ONE), [elastic(1, 0, 1, 2), young], waits("a1", "a"))
    assert [one.job_id for one in plan.evictions if one.keeps] == ["e"]
    # It cannot give two and keep two, so what is lost decides: nobody else helps.
    plan = plan_of(policy(a=Cells(2)), [elastic(2, 0, 1, 2), young], waits("a1", "a", 2))
    assert kept(plan) == {"e": set()}


def test_who_does_not_save_loses_all_by_it_so_the_cheapest_goes() -> None:
    young = runs("b3", "b", 3, for_s=1)
    plan = plan_of(policy(a=ONE), [elastic(1, 0, 1, 2, saves=False), young], waits("a1", "a"))
    assert victims(plan) == ["b3"]
    old = runs("b3", "b", 3, for_s=9000)
    plan = plan_of(policy(a=ONE), [elastic(1, 0, 1, 2, saves=False), old], waits("a1", "a"))
    assert [len(nodes) for nodes in kept(plan).values()] == [2]
    assert plan.verdicts[JobId("a1")].numbers["gpu_seconds_lost"] == 24_000


def test_two_give_up_a_node_each_rather_than_that_one_stops() -> None:
    other = replace(elastic(1, 2, 3), job_id=JobId("f"))
    plan = plan_of(policy(a=Cells(2)), [elastic(1, 0, 1), other], waits("a1", "a", 2))
    assert [len(nodes) for nodes in kept(plan).values()] == [1, 1]


def test_cells_of_one_rack_are_given_up_in_one_rack() -> None:
    given = policy(a=Cells(2, within=Level.RACK))
    plan = plan_of(given, [elastic(2, 0, 1, 2, 3)], waits("a1", "a", 2))
    assert {*plan.clearances[JobId("a1")].nodes} in ({"d0", "d1"}, {"d2", "d3"})
    assert len(kept(plan)["e"]) == 2


def test_what_stays_of_a_job_of_the_team_keeps_its_cells() -> None:
    """So what the team borrows is still not covered, and makes room for others that are owed it."""
    own = elastic(1, 0, 1, team="b", is_owed=True)
    light = [runs(f"b{n}", "b", n, gpus=1) for n in (2, 3)]
    urgent = waits("b6", "b", priority=1)
    stayer = waits("b7", "b", gpus=1, min_runtime_s=150.0)
    plan = plan_of(
        policy(a=Cells(2), b=Cells(2)), [own, *light], urgent, stayer, waits("a1", "a", 2)
    )
    assert kept(plan) == {"e": {"d1"}, "b2": set(), "b3": set()}
    assert plan.verdicts[JobId("a1")].blocked_by is Blocker.MAKING_ROOM
    assert "b7" not in starts(plan)


def test_what_is_covered_is_not_given_up_but_to_a_higher_priority_of_the_team() -> None:
    own = elastic(1, 0, 1, 2, 3, team="a", is_owed=True)
    assert plan_of(policy(a=Cells(4), b=ONE), [own], waits("b1", "b")).evictions == ()
    plan = plan_of(policy(a=Cells(4)), [own], waits("a1", "a", 2, priority=1))
    assert len(kept(plan)["e"]) == 2


def test_what_it_keeps_does_not_come_free() -> None:
    """It stops, and keeps d0 and d1: neither who is owed a node gets them, nor who borrows."""
    stopping = elastic(1, 0, 1, 2, 3, is_leaving=True, keeps=("d0", "d1"))
    plan = plan_of(policy(a=Cells(2)), [stopping], waits("a1", "a", 2), waits("c1", "c"))
    assert (plan.placements, plan.evictions) == ((), ())
    assert plan.verdicts[JobId("a1")].blocked_by is Blocker.MAKING_ROOM


def test_an_order_that_evicts_counts_only_on_what_comes_free() -> None:
    stopping = elastic(1, 0, 1, 2, 3, is_leaving=True, keeps=("d0", "d1"))
    order = Policy(order=Order.LEAST_SERVED, nearness_patience_s=0, pod_patience_s=0)
    for nodes, blocker in ((2, Blocker.MAKING_ROOM), (3, Blocker.NO_CAPACITY)):
        plan = plan_of(order, [stopping], waits("c1", "c", nodes))
        assert plan.verdicts[JobId("c1")].blocked_by is blocker


def test_while_it_stops_it_gives_up_more_at_no_cost_and_stops_once() -> None:
    stopping = elastic(1, 0, 1, 2, is_leaving=True, keeps=("d0", "d1"), saves=False)
    young = runs("b3", "b", 3, for_s=1)
    plan = plan_of(policy(a=Cells(2)), [stopping, young], waits("a1", "a"), waits("a2", "a"))
    assert plan.verdicts[JobId("a1")].numbers == {}  # d2 comes free
    assert [len(nodes) for nodes in kept(plan).values()] == [1]
    assert plan.verdicts[JobId("a2")].numbers["gpu_seconds_lost"] == 0


def test_two_jobs_in_one_plan_take_more_and_more_of_it() -> None:
    plan = plan_of(
        policy(a=ONE, c=ONE), [elastic(2, 0, 1, 2, 3)], waits("a1", "a"), waits("c1", "c")
    )
    (given,) = plan.evictions
    nodes = {node for one in plan.clearances.values() for node in one.nodes}
    assert {*given.keeps} == {"d0", "d1", "d2", "d3"} - nodes
    assert len(given.keeps) == 2


def test_what_it_keeps_without_a_cell_goes_to_who_is_owed_it_in_the_same_plan() -> None:
    """b6 is to lie in the rack of d2 and d3, so what e keeps needs a third cell."""
    own, stays = elastic(1, 1, 2, is_owed=True), runs("c0", "c", 0, is_preemptible=False)
    b6, a1 = waits("b6", "b", 2, priority=1), waits("a1", "a")
    for cells, keeps in ((2, set()), (3, {"d1"})):
        given = policy(a=ONE, b=Cells(cells))
        plan = plan_of(given, [own, stays], b6)
        assert (kept(plan), plan.clearances[b6.job_id].nodes) == ({"e": {"d1"}}, ("d2", "d3"))
        plan = plan_of(given, [own, stays], b6, a1)
        assert kept(plan) == {"e": keeps}
        assert (plan.verdicts[a1.job_id].blocked_by is Blocker.MAKING_ROOM) is (not keeps)
        assert (a1.job_id in plan.clearances) is (not keeps)


def test_it_goes_on_just_where_it_was_before_all_others() -> None:
    one = elastic(1, 0, 1, 2, 3)
    urgent = waits("c1", "c", priority=1)
    plan = plan_of(policy(a=Cells(2)), [], urgent, again(one, 1, 2), waits("a1", "a", 2))
    assert starts(plan) == {"a1": ["d0", "d3"], "e": ["d1", "d2"]}
    (going_on,) = [placed for placed in plan.placements if placed.job_id == ELASTIC]
    assert going_on.grants == one.grants[1:3]
    assert going_on.grounds == ("it gave up nodes for others, and goes on with 2 of 4",)
    assert starts(plan_of(Policy(), [], urgent, again(one, 1, 2)))["e"] == ["d1", "d2"]


def test_a_node_that_was_lost_meanwhile_it_does_without() -> None:
    one = elastic(1, 0, 1, 2, 3)
    assert starts(plan_of(policy(a=ONE), [], again(one, 0, 1), down=1))["e"] == ["d1"]
    one = elastic(2, 0, 1, 2, 3)
    # d1 alone is too little: it is in the queue as others are, and starts on any.
    assert starts(plan_of(policy(a=ONE), [], again(one, 0, 1), down=1))["e"] == ["d1", "d2", "d3"]


def test_who_is_owed_a_node_at_that_very_moment_gets_one_that_was_kept() -> None:
    stays = [runs(f"c{n}", "c", n, is_preemptible=False) for n in (2, 3)]
    given = policy(a=ONE)
    plan = plan_of(given, stays, waits("a1", "a"), again(elastic(1, 0, 1), 0, 1))
    assert sorted(map(len, starts(plan).values())) == [1, 1]
    assert plan.verdicts == {}
    plan = plan_of(given, stays, waits("a1", "a"), again(elastic(2, 0, 1), 0, 1))
    assert [*starts(plan)] == ["a1"]
    assert [*plan.verdicts] == ["e"]


def test_what_it_goes_on_with_its_own_cells_may_cover() -> None:
    """b has two cells: what e keeps is covered, and nobody gets it."""
    stays = [runs(f"c{n}", "c", n, is_preemptible=False) for n in (2, 3)]
    plan = plan_of(
        policy(a=ONE, b=Cells(2)), stays, waits("a1", "a"), again(elastic(1, 0, 1), 0, 1)
    )
    assert starts(plan) == {"e": ["d0", "d1"]}


def test_it_starts_once_though_its_team_is_guaranteed_nodes_too() -> None:
    plan = plan_of(policy(b=Cells(4)), [], again(elastic(1, 0, 1), 0, 1))
    assert [one.job_id for one in plan.placements] == ["e"]


@pytest.mark.parametrize("allowance", [Allowance(2, 2), Allowance(2, sites=("annex",))])
def test_a_limit_that_was_set_meanwhile_keeps_it_in_the_queue(allowance: Allowance) -> None:
    plan = plan_of(
        Policy(), [], waits("c1", "c"), again(elastic(1, 0, 1), 0, 1),
        allowances={("team", "b"): allowance},
    )  # fmt: skip
    assert [*starts(plan)] == ["c1"]
    assert plan.verdicts[ELASTIC].blocked_by is Blocker.LIMIT


@pytest.mark.parametrize(("gpus", "nodes"), [(24, 3), (8, 1), (7, None)])
def test_a_cap_that_was_lowered_meanwhile_leaves_it_fewer_nodes(
    gpus: int, nodes: int | None
) -> None:
    capped = Policy(pools=(Pool("b", limit=(Cap(gpus),)),))
    later = waits("b1", "b", priority=1)
    plan = plan_of(capped, [], again(elastic(1, 0, 1, 2, 3), 0, 1, 2), later)
    assert starts(plan).get("e", []) == [f"d{n}" for n in range(nodes or 0)]
    assert "b1" not in starts(plan)


def test_it_counts_against_the_limit_of_its_team() -> None:
    one_more: dict[Party, Allowance] = {("team", "b"): Allowance(2, 3)}
    before = waits("b1", "b", priority=1)
    plan = plan_of(Policy(), [], before, again(elastic(1, 0, 1), 0, 1), allowances=one_more)
    assert [*starts(plan)] == ["e"]


def test_what_is_booked_by_now_it_does_without() -> None:
    booked = Occurrence(
        "b1", Kind.RESERVATION, NOW_NS - NS_PER_S, NOW_NS + 3600 * NS_PER_S, team="c",
        nodes=("d0",),
    )  # fmt: skip
    given = Bookings((booked,))
    plan = plan_of(Policy(), [], again(elastic(1, 0, 1), 0, 1), bookings=given)
    assert starts(plan) == {"e": ["d1"]}


def test_a_job_of_its_team_for_which_room_was_made_has_the_cells_before_what_it_keeps() -> None:
    """a2 came within the guarantee meanwhile, on a node that was cleared for a1; so of two cells
    one is left, and a1 is to have it."""
    kept_one = elastic(1, 1, 2, team="a", is_owed=True, is_leaving=True, keeps=("d2",), priority=-1)
    a2 = runs("a2", "a", 0, 0, 4, is_owed=True, is_preemptible=False)
    cleared = waits("a1", "a", 2, 4, clearance=Clearance("local", ("d0", "d1"), 2))
    seen = [kept_one, a2, runs("c3", "c", 3, is_preemptible=False)]
    plan = plan_of(policy(a=Cells(2)), seen, cleared)
    assert (plan.evictions, plan.verdicts[JobId("a1")].blocked_by) == ((), Blocker.MAKING_ROOM)


def test_room_that_was_made_beside_a_job_of_the_team_is_kept_when_that_has_ended() -> None:
    """a0 ran on d0 and is over. The cell there is for a1, and does not cover a2 on d1."""
    borrowing = runs("a2", "a", 1, is_preemptible=False)
    leaving = elastic(1, 0, 2, is_leaving=True, keeps=("d2",))
    cleared = waits("a1", "a", clearance=Clearance("local", ("d0",), 0))
    seen = [borrowing, leaving, runs("c3", "c", 3, is_preemptible=False)]
    plan = plan_of(policy(a=ONE), seen, cleared)
    assert (plan.evictions, plan.verdicts[JobId("a1")].blocked_by) == ((), Blocker.MAKING_ROOM)


def test_what_it_keeps_beside_a_job_that_it_makes_room_for_is_not_covered_instead() -> None:
    """One cell of its team would do for what e keeps; it is beside b1 that it lies there."""
    parts = [runs("e", "a", node, 0, 1) for node in (1, 2)]
    demand = Demand(1, Resources(1), nodes_max=2)
    grants = tuple(one.grants[0] for one in parts)
    one = replace(parts[0], demand=demand, grants=grants, keeps_checkpoints=True)
    others = [runs("c0", "c", 0), runs("c1", "c", 1, 1, 4), runs("c3", "c", 3)]
    given, b1 = policy(a=ONE, b=Cells(2)), waits("b1", "b", 2, 4)
    plan = plan_of(given, [one, *others], b1)
    assert (kept(plan), plan.clearances[b1.job_id].nodes) == ({"e": {"d2"}}, ("d1", "d2"))
    stopping = replace(one, is_leaving=True, keeps=("d2",))
    cleared = replace(b1, clearance=plan.clearances[b1.job_id])
    plan = plan_of(given, [stopping, *others], cleared)
    assert (plan.evictions, plan.verdicts[b1.job_id].blocked_by) == ((), Blocker.MAKING_ROOM)
    plan = plan_of(given, others, cleared, again(one, 2))
    assert starts(plan) == {"b1": ["d1", "d2"], "e": ["d2"]}


def test_it_is_gentle_with_cells_of_another_shape_too() -> None:
    """On d3 the other cell could be had for less; but b3 would have to wait."""
    b3 = runs("b3", "b", 3, 4, 4, for_s=1)
    stays = runs("c3", "c", 3, 0, 4, is_preemptible=False)
    given = policy(a=(Cells(1, Resources(4)), Cells(1)))
    for cells in (given, policy(a=(Cells(1), Cells(1, Resources(4))))):
        plan = plan_of(cells, [elastic(1, 0, 1, 2), b3, stays], waits("a1", "a", gpus=4))
        assert [(one.job_id, len(one.keeps)) for one in plan.evictions] == [("e", 2)]


def test_a_share_of_a_gpu_is_kept_only_where_it_is_still_free() -> None:
    free = Free(capacity_of([room_of("local", places()[0], [])]), typical_of(()))
    gpu = "GPU-d0-0"
    half = Grant("d0", (f"{gpu}/50%",))
    assert free.has(0, half)
    assert free.granted([("local", half)]).has(0, half)
    taken = free.granted([("local", Grant("d0", (f"{gpu}/60%",)))])
    assert not taken.has(0, half)
    assert not taken.has(0, Grant("d0", (gpu,)))
    assert not taken.has(0, Grant("d0", (f"{gpu}/1g.10gb@0",)))
    assert not free.has(0, Grant("d0", (gpu,), cpus=257))
