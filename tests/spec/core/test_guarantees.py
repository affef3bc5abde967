"""What teams are guaranteed they get: on free nodes, else from who borrows, at the least cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.ids import JobId
from quarterdeck.basics.quantities import GIB
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Grant, Level, Resources, Wish
from quarterdeck.core.cluster.hardware import Location, Node, NodeState
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.jobs.place import QueuePlace
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.cover import Cover
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Because, Blocker, Plan
from quarterdeck.core.scheduling.pools import Cap, Cells, Member, Pool
from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot, Waiting
from quarterdeck.core.scheduling.standing import Keeper
from quarterdeck.testing.builders import START_NS, a_dgx

NOW_NS = START_NS + 10_000 * NS_PER_S
NODES = 4


def policy(**guarantees: Cells | tuple[Cells, ...]) -> Policy:
    pools = tuple(
        Pool(team, cells if isinstance(cells, tuple) else (cells,))
        for team, cells in sorted(guarantees.items())
    )
    return Policy(patience_s=1e9, nearness_patience_s=0, pod_patience_s=0, pools=pools)


def runs(
    name: str,
    team: str,
    node: int,
    first: int = 0,
    gpus: int = 8,
    *,
    for_s: float = 1000,
    **more: Any,
) -> Running:
    devices = tuple(f"GPU-d{node}-{n}" for n in range(first, first + gpus))
    grant = Grant(f"d{node}", devices, cpus=gpus)
    started_ns = NOW_NS - round(for_s * NS_PER_S)
    return Running(
        JobId(name), "local", Demand(1, Resources(gpus)), (grant,), more.pop("priority", 0),
        started_ns, started_ns, 0.0, team=team, **more,
    )  # fmt: skip


def waits(name: str, team: str, nodes: int = 1, gpus: int = 8, **more: Any) -> Waiting:
    demand = Demand(nodes, Resources(gpus), topology=more.pop("topology", Wish()))
    return Waiting(JobId(name), demand, more.pop("priority", 0), NOW_NS - 100, team=team, **more)


def places(down: int = 0) -> list[Node]:
    nodes = [a_dgx(f"d{n}", location=Location(f"r{n // 2}")) for n in range(NODES)]
    return [replace(one, state=NodeState.DOWN) if n < down else one for n, one in enumerate(nodes)]


def snapshot(running: list[Running], *waiting: Waiting, down: int = 0) -> Snapshot:
    rooms = tuple(
        room_of("local", node, [g for r in running for g in r.grants if g.node == node.name])
        for node in places(down)
    )
    return Snapshot(NOW_NS, 1, rooms, waiting, running=tuple(running))


def plan_of(given: Policy, running: list[Running], *waiting: Waiting, down: int = 0) -> Plan:
    return make_plan(snapshot(running, *waiting, down=down), given)


def victims(plan: Plan) -> list[str]:
    return sorted(one.job_id for one in plan.evictions)


FULL = [runs(f"b{n}", "b", n, for_s=1000 * (n + 1)) for n in range(NODES)]
ONE = Cells(1)


def test_an_owner_takes_a_free_node_and_stops_nobody() -> None:
    plan = plan_of(policy(a=ONE), FULL[:3], waits("a1", "a"))
    assert [(one.job_id, one.is_owed) for one in plan.placements] == [("a1", True)]
    assert victims(plan) == []


def test_the_cheapest_goes_which_has_run_for_the_shortest_time() -> None:
    plan = plan_of(policy(a=ONE), FULL, waits("a1", "a"))
    assert victims(plan) == ["b0"]
    assert plan.evictions[0].because is Because.GUARANTEE
    verdict = plan.verdicts[JobId("a1")]
    assert verdict.blocked_by is Blocker.MAKING_ROOM
    assert verdict.numbers == {"jobs_stopped": 1, "gpus_freed": 8, "gpu_seconds_lost": 8000}
    assert plan.clearances[JobId("a1")].nodes == ("d0",)


@pytest.mark.parametrize(
    ("change", "gone"),
    [
        ({"keeps_checkpoints": True}, "b3"),  # a minute is lost, not an hour
        ({"priority": -1}, "b0"),  # a fourth of 4000 is as much as b0 loses, who started later
    ],
)
def test_checkpoints_and_a_low_priority_make_a_stop_cheaper(
    change: dict[str, Any], gone: str
) -> None:
    running = [*FULL[:3], replace(FULL[3], **change)]
    assert victims(plan_of(policy(a=ONE), running, waits("a1", "a"))) == [gone]


@pytest.mark.parametrize(
    "change", [{"is_preemptible": False}, {"min_runtime_s": 5000.0}, {"priority": 1}]
)
def test_who_may_not_go_or_is_dearer_stays(change: dict[str, Any]) -> None:
    running = [replace(FULL[0], **change), *FULL[1:]]
    assert victims(plan_of(policy(a=ONE), running, waits("a1", "a"))) == ["b1"]


def test_whoever_is_covered_stays_and_nobody_is_owed_more_than_was_agreed() -> None:
    both = policy(a=ONE, b=Cells(3))
    owed = [replace(one, is_owed=True) for one in FULL[:3]]
    plan = plan_of(both, [*owed, FULL[3]], waits("a1", "a"), waits("a2", "a"))
    assert victims(plan) == ["b3"]
    assert plan.verdicts[JobId("a2")].blocked_by is Blocker.NO_CAPACITY


@pytest.mark.parametrize(
    "wanted", [Resources(1, cpus=200), Resources(1, memory_bytes=900 * GIB)], ids=["cpus", "memory"]
)
def test_who_holds_the_cpus_or_the_memory_of_a_node_with_free_gpus_goes(
    wanted: Resources,
) -> None:
    """Three nodes are of those who may not go; on the fourth seven GPUs are free."""
    grant = Grant("d3", ("GPU-d3-0",), cpus=100, memory_bytes=200 * GIB)
    small = replace(runs("b3", "b", 3, 0, 1), grants=(grant,))
    held = [replace(one, is_preemptible=False) for one in FULL[:3]]
    job = replace(waits("a1", "a"), demand=Demand(1, wanted))
    plan = plan_of(policy(a=ONE), [*held, small], job)
    assert victims(plan) == ["b3"]


def test_cells_of_one_rack_come_from_one_rack_though_it_costs_more() -> None:
    """d0 and d2 are the cheapest nodes, and stand in two racks."""
    running = [replace(FULL[n], started_at_ns=NOW_NS - s * NS_PER_S)
               for n, s in enumerate((10, 5000, 20, 100))]  # fmt: skip
    free = plan_of(policy(a=Cells(2)), running, waits("a1", "a", 2))
    assert victims(free) == ["b0", "b2"]
    bound = plan_of(policy(a=Cells(2, within=Level.RACK)), running, waits("a1", "a", 2))
    assert victims(bound) == ["b2", "b3"]


def test_a_job_that_requires_one_rack_gets_it() -> None:
    wish = Wish(require=Level.RACK)
    running = [replace(FULL[n], started_at_ns=NOW_NS - s * NS_PER_S)
               for n, s in enumerate((10, 5000, 20, 100))]  # fmt: skip
    plan = plan_of(policy(a=Cells(2)), running, waits("a1", "a", 2, topology=wish))
    assert victims(plan) == ["b2", "b3"]


def test_cells_that_are_parts_of_nodes_share_one() -> None:
    """Each is owed four GPUs on a node: of eight that somebody borrowed one by one four go."""
    running = [runs(f"c{n}", "c", 0, n, 1, for_s=100 + n) for n in range(8)] + FULL[1:]
    parts = policy(a=Cells(1, Resources(4)), b=Cells(3))
    plan = plan_of(parts, running, waits("a1", "a", gpus=4))
    assert victims(plan) == ["c0", "c1", "c2", "c3"]
    assert plan_of(parts, running, waits("a1", "a", gpus=8)).evictions == ()


def test_only_so_many_go_as_are_in_the_way() -> None:
    running = [runs(f"c{n}", "c", 0, n, 1, for_s=100 + n) for n in range(6)]
    running += [replace(one, is_preemptible=False) for one in FULL[1:]]
    plan = plan_of(policy(a=ONE), running, waits("a1", "a", gpus=4))
    assert victims(plan) == ["c0", "c1"]


def test_who_could_not_make_room_gets_only_what_nobody_is_guaranteed() -> None:
    three = policy(a=Cells(3))
    plan = plan_of(
        three, [], waits("c1", "c", is_preemptible=False), waits("c2", "c", is_preemptible=False)
    )
    assert [one.job_id for one in plan.placements] == ["c1"]
    verdict = plan.verdicts[JobId("c2")]
    assert (verdict.blocked_by, verdict.change) == (
        Blocker.GUARANTEED, (("preemptible", "true"),),
    )  # fmt: skip
    plan = plan_of(three, [], waits("c1", "c", 4, min_runtime_s=60.0))
    assert plan.verdicts[JobId("c1")].change == (("min_runtime", ""),)
    assert plan_of(three, [], waits("c1", "c", 4)).placements


def test_in_a_team_a_higher_priority_takes_the_cells_of_a_lower_one() -> None:
    low = replace(FULL[0], team="a", is_owed=True, priority=-1)
    others = [replace(one, is_preemptible=False) for one in FULL[1:]]
    plan = plan_of(policy(a=ONE), [low, *others], waits("a1", "a", priority=1))
    assert [(one.job_id, one.because) for one in plan.evictions] == [("b0", Because.PRIORITY)]
    young = replace(low, started_at_ns=NOW_NS - 599 * NS_PER_S)
    assert not plan_of(policy(a=ONE), [young, *others], waits("a1", "a", priority=1)).evictions
    assert not plan_of(policy(a=ONE), [low, *others], waits("a1", "a", priority=-1)).evictions


def test_while_somebody_is_leaving_nobody_else_has_to_go() -> None:
    leaving = [replace(FULL[0], is_leaving=True), *FULL[1:]]
    plan = plan_of(policy(a=ONE), leaving, waits("a1", "a"))
    assert victims(plan) == []
    assert plan.verdicts[JobId("a1")].blocked_by is Blocker.MAKING_ROOM


def test_what_comes_free_for_one_is_not_given_to_who_borrows() -> None:
    """Half of d0 is free, and all of it was made free for the owner."""
    half = [runs("b0", "b", 0, 0, 4, is_leaving=True), *FULL[1:]]
    plan = plan_of(policy(a=ONE), half, waits("a1", "a"), waits("c1", "c", gpus=2))
    assert plan.placements == ()


def test_with_nodes_down_what_is_left_is_given_and_the_rest_is_counted() -> None:
    given = policy(a=Cells(3), b=Cells(1))
    seen = snapshot([], down=2)
    assert Cover(capacity_of(seen.rooms), seen, given).shortfall == 2
    plan = plan_of(given, [], waits("a1", "a"), waits("a2", "a"), waits("a3", "a"), down=2)
    assert len(plan.placements) == 2


def test_a_large_job_of_a_team_is_not_passed_on_its_cells_for_ever() -> None:
    """a1 needs both cells and one is used: after the patience no small one takes the other."""
    given = replace(policy(a=Cells(2)), patience_s=60.0)
    used = replace(FULL[0], team="a", is_owed=True)
    others = [replace(one, is_preemptible=False, team="c") for one in FULL[2:]]
    gang = replace(waits("a1", "a", 2), submitted_at_ns=NOW_NS - 61 * NS_PER_S)
    plan = plan_of(given, [used, *others], gang, waits("a2", "a", gpus=1))
    assert plan.placements == ()
    young = replace(gang, submitted_at_ns=NOW_NS - 59 * NS_PER_S)
    passed = plan_of(given, [used, *others], young, waits("a2", "a", gpus=1))
    assert [one.job_id for one in passed.placements] == ["a2"]


def test_an_owner_does_not_take_what_the_cells_of_another_need() -> None:
    """On d3 somebody stays, so only in the rack of d0 and d1 are two nodes for a: b gets d2."""
    given = policy(a=Cells(2, within=Level.RACK), b=ONE)
    stays = [replace(FULL[3], team="c", is_preemptible=False)]
    plan = plan_of(given, stays, waits("b1", "b", data_at=(("d0", 1.0),)))
    assert [one.grants[0].node for one in plan.placements] == ["d2"]


def test_a_node_on_which_somebody_stays_is_no_whole_cell() -> None:
    """A small job would fit beside it, and its team would have no whole node any more."""
    stays = runs("c0", "c", 0, 0, 1, is_preemptible=False)
    plan = plan_of(policy(a=ONE), [stays, *FULL[1:]], waits("a1", "a", gpus=4))
    assert (plan.placements, victims(plan)) == ((), ["b1"])


def test_what_was_started_within_the_guarantee_is_covered_before_what_borrowed() -> None:
    owed = replace(FULL[0], team="a", is_owed=True, started_at_ns=NOW_NS - 10 * NS_PER_S)
    borrowed = replace(FULL[1], team="a")
    others = [replace(one, is_preemptible=False, team="c") for one in FULL[2:]]
    plan = plan_of(policy(a=ONE, b=ONE), [owed, borrowed, *others], waits("x1", "b"))
    assert victims(plan) == ["b1"]


def test_whoever_took_the_place_of_an_earlier_job_is_covered_as_that_would_have_been() -> None:
    early, late = (runs(f"a{node}", "a", node, for_s=900 - node) for node in (0, 1))
    taken = replace(late, queue_place=QueuePlace(JobId("a9"), 0, 8, 8))
    for running, borrows in (([early, late], late), ([early, taken], early)):
        seen = snapshot(running)
        cover = Cover(capacity_of(seen.rooms), seen, policy(a=ONE))
        assert list(cover.borrowed) == [borrows]


def test_what_is_more_than_owed_now_borrows() -> None:
    """The pool of a has become smaller: what started last has no cell any more."""
    owed = [
        replace(FULL[n], team="a", is_owed=True, started_at_ns=NOW_NS - (9 - n) * NS_PER_S)
        for n in (0, 1)
    ]
    others = [replace(one, is_preemptible=False, team="c") for one in FULL[2:]]
    plan = plan_of(policy(a=ONE, b=ONE), [*owed, *others], waits("x1", "b"))
    assert victims(plan) == [FULL[1].job_id]


def test_what_becomes_owed_takes_the_cell_of_what_borrows() -> None:
    """Whoever kept the cover of before finds the same."""
    given, keeper = policy(a=ONE), Keeper()
    second, first = (replace(FULL[n], team="a") for n in (0, 1))
    seen = snapshot([first, second])
    capacity = capacity_of(seen.rooms)
    assert Cover(capacity, seen, given, keeper).covered_of("a") == [first]
    owed = replace(second, is_owed=True)
    cover = Cover(capacity, replace(seen, running=(first, owed)), given, keeper)
    assert (cover.covered_of("a"), cover.borrowed) == ([owed], [first])


def test_room_that_was_made_for_somebody_is_theirs_first() -> None:
    """b1 comes before a1, but it is for a1 that d0 was cleared."""
    others = [replace(one, is_preemptible=False, team="c") for one in FULL[1:]]
    cleared = waits("a1", "a", clearance=Clearance("local", ("d0",), 1), priority=-1)
    plan = plan_of(policy(a=ONE, b=ONE), others, waits("b1", "b"), cleared)
    assert [one.job_id for one in plan.placements] == ["a1"]


HALF = Cells(1, Resources(4))


@pytest.mark.parametrize(
    ("cells", "winner", "node", "covered"),
    [
        (ONE, "c", "d0", []),
        (ONE, "c", "d1", ["a2"]),
        (ONE, "a", "d0", ["a2"]),  # in the cell that a2 has
        (HALF, "c", "d0", ["a2"]),
        (HALF, "a", "d0", ["a2", "b2"]),
    ],
)
def test_what_borrows_is_not_covered_where_room_was_made_for_others(
    cells: Cells, winner: str, node: str, covered: list[str]
) -> None:
    """As far as these need the room. What their team has there already counts once."""
    a2, b2 = runs("a2", "a", 0, 0, 2), runs("b2", "b", 0, 2, 4)
    clearance = Clearance("local", (node,), int(winner == "c"))
    seen = snapshot([a2, b2], waits("x1", winner, gpus=2, clearance=clearance))
    cover = Cover(capacity_of(seen.rooms), seen, policy(a=cells, b=cells, c=cells))
    assert [one.job_id for team in "ab" for one in cover.covered_of(team)] == covered


def test_what_was_kept_of_cover_follows_where_room_is_made() -> None:
    given, keeper, a2 = policy(a=ONE, c=ONE), Keeper(), runs("a2", "a", 0, 0, 2)
    seen = snapshot([a2])
    capacity = capacity_of(seen.rooms)
    cleared = waits("c1", "c", gpus=2, clearance=Clearance("local", ("d0",), 1))
    for waiting, covered in (((), [a2]), ((cleared,), []), ((), [a2])):
        now = replace(seen, waiting=waiting)
        assert Cover(capacity, now, given, keeper).covered_of("a") == covered


def test_room_that_was_made_counts_once_where_this_plan_gives_it() -> None:
    a2, b2 = runs("a2", "a", 0, 0, 4), waits("b2", "b", gpus=4)
    seen = snapshot([a2], replace(b2, clearance=Clearance("local", ("d0",), 1)))
    cover = Cover(capacity_of(seen.rooms), seen, policy(a=HALF, b=HALF))
    assert cover.grant("b", "local", runs("b2", "b", 0, 4, 4).grants)
    cover.go_without("a", ())
    assert cover.covered_of("a") == [a2]


def test_who_goes_for_a_job_of_its_team_leaves_no_cell_where_room_was_made_for_others() -> None:
    """The node that was cleared for a1 is lost, so a0 goes for it. By that a cell of a comes free,
    which would cover a2 on d1, where b1 is to lie."""
    a0 = runs("a0", "a", 0, is_owed=True)
    a2, leaving = runs("a2", "a", 1, 0, 1), runs("c1", "c", 1, 1, 7, is_leaving=True)
    stay = [runs(f"c{n}", "c", n, is_preemptible=False) for n in (2, 3)]
    a1 = waits("a1", "a", priority=1, clearance=Clearance("local", ("lost",), 1))
    b1 = waits("b1", "b", gpus=7, clearance=Clearance("local", ("d1",), 1))
    plan = plan_of(policy(a=Cells(2), b=ONE), [a0, a2, leaving, *stay], a1, b1)
    assert victims(plan) == ["a0"]
    assert {name: one.blocked_by for name, one in plan.verdicts.items()} == dict.fromkeys(
        ("a1", "b1"), Blocker.MAKING_ROOM
    )


def half_full() -> list[Running]:
    """Of d0 all goes, and half of d3 is free."""
    going = [runs("b0", "b", 0, 0, 4), runs("b1", "b", 0, 4, 4)]
    running = [replace(one, is_leaving=True) for one in going]
    return [*running, *FULL[1:3], runs("b3", "b", 3, 0, 4)]


def test_tasks_of_an_array_that_share_a_cell_start_where_room_is_made_for_them() -> None:
    given = Clearance("local", ("d0",), 1)
    array = waits("a1", "a", gpus=4, tasks=(0, 1), room=2, clearance=given)
    plan = plan_of(policy(a=ONE), half_full(), array)
    assert (plan.placements, plan.evictions) == ((), ())


def test_on_whom_others_of_the_team_count_with_cells_of_their_own_starts_at_once() -> None:
    a1 = waits("a1", "a", owner="ann", gpus=4, clearance=Clearance("local", ("d0",), 1))
    a2 = waits("a2", "a", owner="bob", gpus=4, clearance=Clearance("local", ("d0",), 0))
    plan = plan_of(ANNS, half_full(), a1, a2)
    assert [one.job_id for one in plan.placements] == ["a1"]


@pytest.mark.parametrize("down", [0, 1])
def test_who_others_count_on_starts_only_where_room_is_made_for_it(down: int) -> None:
    """Both have room made on one cell. If the first took it elsewhere somebody else would have to
    go for the second; only where there will be no such room it does."""
    running = half_full()
    a1 = waits("a1", "a", gpus=4, clearance=Clearance("local", ("d0",), 1))
    a2 = waits("a2", "a", gpus=4, clearance=Clearance("local", ("d0",), 0))
    plan = plan_of(policy(a=ONE), running, a1, a2, down=down)
    assert [one.job_id for one in plan.placements] == (["a1"] if down else [])
    assert victims(plan) == (["b3"] if down else [])
    assert plan.verdicts[JobId("a2")].blocked_by is Blocker.MAKING_ROOM


def test_who_others_count_on_waits_for_no_other_room_than_its_own() -> None:
    """The node that was cleared is lost. On d1 somebody leaves beside a job of the team, for whom
    ever; on d3 there is room now."""
    beside = [runs("a0", "a", 1, 0, 4, is_owed=True), runs("b1", "b", 1, 4, 4, is_leaving=True)]
    running = [*beside, FULL[2], runs("b3", "b", 3, 0, 4)]
    a1 = waits("a1", "a", gpus=4, clearance=Clearance("local", ("d0",), 1))
    a2 = waits("a2", "a", gpus=4, clearance=Clearance("local", ("d0",), 0))
    plan = plan_of(policy(a=Cells(2)), running, a1, a2, down=1)
    assert [one.job_id for one in plan.placements] == ["a1"]


def test_who_nobody_counts_on_starts_as_soon_as_it_can() -> None:
    running = [replace(FULL[0], is_leaving=True), *FULL[1:3], runs("b3", "b", 3, 0, 4)]
    a1 = waits("a1", "a", gpus=4, clearance=Clearance("local", ("d0",), 1))
    a2 = waits("a2", "a", gpus=4, clearance=Clearance("local", ("d0",), 1))
    other = waits("c1", "c", gpus=4, clearance=Clearance("local", ("d0",), 0))
    plan = plan_of(policy(a=Cells(2), c=ONE), running, a1, a2, other)
    assert [one.job_id for one in plan.placements] == ["a1"]


ANNS = Policy(
    patience_s=1e9, nearness_patience_s=0, pod_patience_s=0,
    pools=(Pool("a", (Cells(3),), people=(Member("ann", guarantee=(ONE,)),)),),
)  # fmt: skip


@pytest.mark.parametrize(("owner", "gone"), [("ann", ["b2"]), ("bob", [])])
def test_cells_of_a_person_are_for_nobody_else_of_the_team(owner: str, gone: list[str]) -> None:
    running = [runs(f"a{n}", "a", n, owner="bob", is_owed=True) for n in range(2)]
    plan = plan_of(ANNS, [*running, *FULL[2:]], waits("a3", "a", owner=owner))
    assert victims(plan) == gone


def test_groups_that_lie_together_stay_groups_whoever_has_cells_of_their_own() -> None:
    two = Cells(2, within=Level.RACK)
    ann = Member("ann", guarantee=(two,))
    assert Pool("a", (two, ONE, two), people=(ann,)).shared == (ONE, two)
    four = replace(ann, guarantee=(replace(two, count=4),))
    with pytest.raises(Invalid, match="4 too few for 4 nodes within one rack"):
        _ = Pool("a", (two, two), people=(four,)).shared  # Two racks are not one.
    given = replace(ANNS, pools=(Pool("a", (two, two)),))
    assert len(victims(plan_of(given, FULL, waits("a1", "a", 2)))) == 2


def test_what_is_a_persons_own_no_limit_of_the_team_takes_away() -> None:
    """Bob may not fill what the team may hold while ann does not use her node."""
    given = replace(ANNS, pools=(replace(ANNS.pools[0], limit=(Cap(24),)),))
    running = [runs(f"a{n}", "a", n, owner="bob", is_owed=True) for n in range(2)]
    third = waits("a3", "a", owner="bob")
    plan = plan_of(given, running, third)
    assert plan.verdicts[third.job_id].blocked_by is Blocker.POOL_LIMIT
    assert "holds 16, and 8 are kept for people of it" in plan.verdicts[third.job_id].message
    hers = [*running, runs("a2", "a", 2, owner="ann", is_owed=True)]
    for held, owner, starts in (
        (running, "ann", True), (hers, "ann", False), (hers[1:], "bob", True)
    ):  # fmt: skip
        plan = plan_of(given, held, replace(third, owner=owner))
        assert bool(plan.placements) is starts, (owner, plan.verdicts)


def test_beyond_their_own_cells_a_person_borrows() -> None:
    running = [runs("a0", "a", 0, owner="ann", is_owed=True), *FULL[1:]]
    assert victims(plan_of(ANNS, running, waits("a1", "a", owner="ann"))) == []
    plan = plan_of(ANNS, running, waits("a1", "a", owner="bob"))
    assert [one.because for one in plan.evictions] == [Because.GUARANTEE]


def test_who_makes_room_for_a_person_of_its_team_goes_for_their_guarantee() -> None:
    running = [runs(f"b{n}", "a", n, owner="bob", for_s=1000 * (n + 1)) for n in range(NODES)]
    plan = plan_of(ANNS, running, waits("a1", "a", owner="ann"))
    assert [(one.job_id, one.because) for one in plan.evictions] == [("b0", Because.GUARANTEE)]


def test_what_borrows_is_not_covered_where_others_need_the_rack() -> None:
    """b has a cell left, and borrows d0: covering that would leave a no rack of two nodes."""
    given = policy(a=Cells(2, within=Level.RACK), b=Cells(2))
    stays = replace(FULL[3], team="c", is_preemptible=False)
    seen = snapshot([FULL[0], stays])
    cover = Cover(capacity_of(seen.rooms), seen, given)
    assert (cover.shortfall, FULL[0] in cover.borrowed) == (1, True)
