"""Others make room for a job: as few as will do, and only if it starts by that."""

from __future__ import annotations

from typing import Any

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Grant, Level, Resources, Wish
from quarterdeck.core.cluster.hardware import Location
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.allowances import Allowance, Party
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Eviction, Plan
from quarterdeck.core.scheduling.snapshot import Order, Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx

NOW_NS = START_NS + 100 * 3600 * NS_PER_S
HOUR = 3600.0
NODE_HOUR = 8 * HOUR
POLICY = Policy(patience_s=1e9, order=Order.LEAST_SERVED, min_runtime_s=600.0)


def grant(node: str, first: int, count: int) -> Grant:
    return Grant(node, tuple(f"GPU-{node}-{n}" for n in range(first, first + count)), 1)


def runs(
    name: str, *grants: Grant, served_h: float = 5.0, for_s: float = HOUR, **more: Any
) -> Running:
    demand = a_demand(len(grants), len(grants[0].devices))
    started_ns = NOW_NS - round(for_s * NS_PER_S)
    return Running(
        JobId(name), "local", demand, grants, more.pop("priority", 0), started_ns, started_ns,
        served_h * NODE_HOUR, **more,
    )  # fmt: skip


def waits(name: str, demand: Demand, *, served_h: float = 0.0, **more: Any) -> Waiting:
    return Waiting(JobId(name), demand, more.pop("priority", 0), NOW_NS - NS_PER_S,
                   served_gpu_s=served_h * NODE_HOUR, **more)  # fmt: skip


def plan_for(
    running: list[Running], *waiting: Waiting, nodes: int = 2, policy: Policy = POLICY
) -> Plan:
    places = [a_dgx(f"d{n}", location=Location(f"r{n // 2}")) for n in range(nodes)]
    held = {node.name: [g for one in running for g in one.grants if g.node == node.name]
            for node in places}  # fmt: skip
    rooms = tuple(room_of("local", node, held[node.name]) for node in places)
    return make_plan(Snapshot(NOW_NS, 1, rooms, waiting, running=tuple(running)), policy)


def victims(plan: Plan) -> list[str]:
    return [one.job_id for one in plan.evictions]


def test_a_fresh_job_takes_the_place_of_one_that_had_much() -> None:
    full = [runs("a", grant("d0", 0, 8)), runs("b", grant("d1", 0, 8), served_h=50)]
    plan = plan_for(full, waits("new", a_demand(1, 8)))
    assert plan.evictions == (Eviction(JobId("b"), JobId("new")),)
    verdict = plan.verdicts[JobId("new")]
    assert verdict.blocked_by is Blocker.MAKING_ROOM
    assert (verdict.numbers, verdict.held_by) == ({"jobs_stopped": 1, "gpus_freed": 8}, ("b",))
    assert not plan.placements


def test_nobody_is_stopped_when_there_is_room() -> None:
    plan = plan_for([runs("a", grant("d0", 0, 8))], waits("new", a_demand(1, 8)))
    assert ([one.job_id for one in plan.placements], plan.evictions) == (["new"], ())


def test_nobody_is_stopped_in_vain() -> None:
    """One node of the three that it needs cannot be cleared."""
    held = [runs(f"a{n}", grant(f"d{n}", 0, 8)) for n in range(2)]
    held.append(runs("stays", grant("d2", 0, 1), is_preemptible=False))
    plan = plan_for(held, waits("gang", a_demand(3, 8)), nodes=3)
    assert plan.evictions == ()
    assert plan.verdicts[JobId("gang")].blocked_by is not Blocker.MAKING_ROOM


def test_only_those_go_that_are_in_the_way() -> None:
    """Two GPUs of d0 are free, and three more are enough; those who had most go first."""
    held = [runs("x", grant("d0", 2, 3)), runs("y", grant("d0", 5, 3), for_s=2 * HOUR)]
    held += [runs("z", grant("d1", 0, 8), served_h=0.1)]
    assert victims(plan_for(held, waits("new", a_demand(1, 5)))) == ["x"]
    held[1] = runs("y", grant("d0", 5, 3), served_h=500)
    assert victims(plan_for(held, waits("new", a_demand(1, 5)))) == ["y"]


def test_the_least_run_time_is_granted_to_everybody() -> None:
    for for_s, gone in ((599.0, []), (600.0, ["a"])):
        plan = plan_for([runs("a", grant("d0", 0, 8), for_s=for_s)], waits("n", a_demand(1, 8)),
                        nodes=1)  # fmt: skip
        assert victims(plan) == gone
        if not gone:
            assert plan.next_ready_ns == NOW_NS + NS_PER_S


def test_a_higher_priority_is_never_ousted_and_always_ousts() -> None:
    high = runs("high", grant("d0", 0, 8), served_h=500, priority=1)
    assert not plan_for([high], waits("n", a_demand(1, 8)), nodes=1).evictions
    low = runs("low", grant("d0", 0, 8), served_h=0)
    assert victims(plan_for([low], waits("n", a_demand(1, 8), priority=1), nodes=1)) == ["low"]


def test_a_plan_is_worth_making_again_when_a_running_job_has_had_more() -> None:
    """Both are in the first class; it comes into the second after another half of an hour."""
    young = runs("a", grant("d0", 0, 8), served_h=0.5)
    plan = plan_for([young], waits("n", a_demand(1, 8)), nodes=1)
    assert not plan.evictions
    assert plan.next_ready_ns == NOW_NS + round(0.5 * NODE_HOUR / 8 * NS_PER_S)


def test_what_is_required_of_the_place_holds_for_what_comes_free_too() -> None:
    """Only in rack r1 can both nodes be cleared."""
    held = [runs("stays", grant("d0", 0, 8), is_preemptible=False)]
    held += [runs(f"a{n}", grant(f"d{n}", 0, 8)) for n in (1, 2, 3)]
    demand = Demand(2, Resources(8), topology=Wish(require=Level.RACK))
    assert sorted(victims(plan_for(held, waits("g", demand), nodes=4))) == ["a2", "a3"]


def test_two_jobs_do_not_count_on_the_same_room() -> None:
    held = [runs("a", grant("d0", 0, 8)), runs("b", grant("d1", 0, 8))]
    three = [waits(f"n{n}", a_demand(1, 8)) for n in range(3)]
    plan = plan_for(held, *three)
    assert sorted(victims(plan)) == ["a", "b"]
    kept = [one.blocked_by for one in plan.verdicts.values()]
    assert sorted(kept) == [Blocker.MAKING_ROOM, Blocker.MAKING_ROOM, Blocker.NO_CAPACITY]


def test_what_makes_room_is_not_given_to_the_next_in_the_queue() -> None:
    """The gang clears both nodes; the small job behind it does not get a GPU of them."""
    held = [runs("a", grant("d0", 0, 7)), runs("b", grant("d1", 0, 8))]
    plan = plan_for(held, waits("gang", a_demand(2, 8)), waits("small", a_demand(1, 1), served_h=2))
    assert sorted(victims(plan)) == ["a", "b"]
    assert not plan.placements


def test_other_orders_stop_nobody() -> None:
    held = [runs("a", grant("d0", 0, 8), served_h=500)]
    for order in (Order.FIRST_COME, Order.SHORTEST):
        policy = Policy(order=order)
        plan = plan_for(held, waits("n", a_demand(1, 8), priority=1), nodes=1, policy=policy)
        assert plan.evictions == ()


def test_slices_and_shares_are_given_back_too() -> None:
    held = [runs("a", Grant("d0", ("GPU-d0-0/60%",), 1))]
    held += [runs("b", Grant("d0", ("GPU-d0-1/3g.40gb@4",), 1))]
    held += [runs("rest", grant("d0", 2, 6), is_preemptible=False)]
    whole = plan_for(held, waits("n", a_demand(1, 2)), nodes=1)
    assert sorted(victims(whole)) == ["a", "b"]


def test_who_starts_by_a_plan_may_have_to_go_later() -> None:
    """Two come at once for one node: the plan is worth making again after the least run time."""
    plan = plan_for([], waits("a", a_demand(1, 8)), waits("b", a_demand(1, 8)), nodes=1)
    assert [one.job_id for one in plan.placements] == ["a"]
    assert plan.next_ready_ns == NOW_NS + 600 * NS_PER_S


def test_nobody_goes_for_who_is_beyond_a_soft_limit() -> None:
    """In the order it comes after all others, so it would not get what was freed."""
    held = [runs("a", grant("d0", 0, 8), served_h=500)]
    places = tuple(room_of("local", a_dgx("d0"), held[0].grants) for _ in range(1))
    late: dict[Party, Allowance] = {("team", "red"): Allowance(3, is_late=True)}
    for allowances, gone in (({}, 1), (late, 0)):
        waiting = (waits("n", a_demand(1, 8), team="red"),)
        snapshot = Snapshot(NOW_NS, 1, places, waiting, running=tuple(held), allowances=allowances)
        assert len(make_plan(snapshot, POLICY).evictions) == gone


def test_what_the_stopped_still_hold_is_given_to_nobody_meanwhile() -> None:
    """The gang takes two of the three GPUs that come free; the third is not free yet."""
    held = [runs("a", grant("d0", 0, 3)), runs("b", grant("d0", 3, 5), is_preemptible=False)]
    plan = plan_for(
        held, waits("n", a_demand(1, 2)), waits("small", a_demand(1, 1), served_h=2), nodes=1
    )
    assert victims(plan) == ["a"]
    assert not plan.placements
