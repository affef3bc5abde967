"""Who runs where: the order, the fit, and a word to everybody who waits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.hardware import Node, NodeState
from quarterdeck.core.cluster.room import Room
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Plan
from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx, a_node
from tests.oracles.rooms import less

NOW_NS = START_NS + 10 * NS_PER_S
POLICY = Policy(patience_s=300.0)


def waits(
    name: str, demand: Demand, *, priority: int = 0, since_s: float = 0.0, **more: Any
) -> Waiting:
    """A job that was submitted so many seconds before now."""
    submitted_at_ns = NOW_NS - int(since_s * NS_PER_S)
    return Waiting(JobId(name), demand, priority, submitted_at_ns, **more)


def plan_for(rooms: Iterable[Room], *waiting: Waiting, policy: Policy = POLICY) -> Plan:
    plan = make_plan(Snapshot(NOW_NS, 17, tuple(rooms), waiting), policy)
    placed = [placement.job_id for placement in plan.placements]
    assert sorted([*placed, *plan.verdicts]) == sorted(one.job_id for one in waiting)
    assert all(verdict.job_id == job_id for job_id, verdict in plan.verdicts.items())
    return plan


def empty(*nodes: Node, site: str = "local") -> list[Room]:
    return [Room.empty(site, node) for node in nodes]


def placed(plan: Plan) -> dict[str, list[str]]:
    return {one.job_id: [grant.node for grant in one.grants] for one in plan.placements}


def test_an_empty_queue_makes_an_empty_plan() -> None:
    assert plan_for(empty(a_dgx())) == Plan(17)


def test_what_fits_is_placed() -> None:
    plan = plan_for(empty(a_dgx("d")), waits("a", a_demand(1, 2, cpus=3)))
    (placement,) = plan.placements
    assert (plan.as_of, placement.task, placement.site) == (17, None, "local")
    assert placement.grants == (Grant("d", ("GPU-d-0", "GPU-d-1"), 3),)


def test_first_come_is_first_served() -> None:
    plan = plan_for(
        empty(a_dgx()),
        waits("late", a_demand(1, 8), since_s=1),
        waits("early", a_demand(1, 8), since_s=2),
    )
    assert list(placed(plan)) == ["early"]


def test_priority_goes_before_first_come() -> None:
    plan = plan_for(
        empty(a_dgx()),
        waits("early", a_demand(1, 8), since_s=200),
        waits("low", a_demand(1, 8), since_s=250, priority=-1),
        waits("high", a_demand(1, 8), priority=1),
    )
    assert list(placed(plan)) == ["high"]


def test_the_id_settles_a_tie() -> None:
    jobs = [waits(name, a_demand(1, 8)) for name in ("b", "a", "c")]
    assert list(placed(plan_for(empty(a_dgx()), *jobs))) == ["a"]


def test_the_order_of_what_is_handed_in_does_not_matter() -> None:
    rooms = empty(a_dgx("d1"), a_dgx("d2"), a_node("n", gpus=2))
    jobs = [waits(name, a_demand(1, gpus), since_s=gpus) for name, gpus in (("a", 8), ("b", 2))]
    assert plan_for(rooms, *jobs) == plan_for(rooms[::-1], *jobs[::-1])


def test_a_gang_lies_on_different_nodes() -> None:
    plan = plan_for(empty(a_dgx("d1"), a_dgx("d2")), waits("a", a_demand(2, 2)))
    assert placed(plan) == {"a": ["d1", "d2"]}


def test_a_gang_is_placed_whole_or_takes_nothing() -> None:
    plan = plan_for(
        empty(a_dgx("d1"), a_dgx("d2")), waits("gang", a_demand(3, 1)), waits("one", a_demand(2, 8))
    )
    assert placed(plan) == {"one": ["d1", "d2"]}


def test_best_fit_keeps_whole_nodes_whole() -> None:
    whole, used = empty(a_dgx("a"), a_dgx("b"))
    used = less(used, Resources(5))
    plan = plan_for([whole, used], waits("small", a_demand(1, 2)), waits("big", a_demand(1, 8)))
    assert placed(plan) == {"small": ["b"], "big": ["a"]}


def test_a_job_without_gpus_prefers_a_node_without_gpus() -> None:
    plan = plan_for(empty(a_dgx("a"), a_node("z")), waits("cpu", a_demand()))
    assert placed(plan) == {"cpu": ["z"]}


def test_later_jobs_in_the_plan_see_what_earlier_ones_took() -> None:
    jobs = [waits(name, a_demand(1, 3), since_s=9 - n) for n, name in enumerate("abc")]
    plan = plan_for(empty(a_dgx("d")), *jobs)
    assert [grant.devices for one in plan.placements for grant in one.grants] == [
        ("GPU-d-0", "GPU-d-1", "GPU-d-2"),
        ("GPU-d-3", "GPU-d-4", "GPU-d-5"),
    ]


def test_a_smaller_job_passes_one_that_does_not_fit_yet() -> None:
    big, small = waits("big", a_demand(2, 8), since_s=299), waits("small", a_demand())
    plan = plan_for(busy_pair(), big, small)
    assert list(placed(plan)) == ["small"]
    assert plan.verdicts[big.job_id].blocked_by is Blocker.NO_CAPACITY


def busy_pair() -> list[Room]:
    """Two nodes, of which one has a GPU taken."""
    free, used = empty(a_dgx("a"), a_dgx("b"))
    return [free, less(used, Resources(1))]


def test_nothing_passes_a_job_that_has_waited_past_the_patience() -> None:
    big, small = waits("big", a_demand(2, 8), since_s=300), waits("small", a_demand())
    plan = plan_for(busy_pair(), big, small)
    assert placed(plan) == {}
    assert plan.verdicts[big.job_id].blocked_by is Blocker.NO_CAPACITY
    behind = plan.verdicts[small.job_id]
    assert (behind.blocked_by, behind.held_by) == (Blocker.BEHIND_OTHERS, (big.job_id,))
    assert "big" in behind.message
    assert "qd explain big" in behind.hint


def test_a_job_before_the_impatient_one_still_goes() -> None:
    big = waits("big", a_demand(2, 8), since_s=400)
    plan = plan_for(busy_pair(), big, waits("urgent", a_demand(), priority=1))
    assert list(placed(plan)) == ["urgent"]


def test_the_queue_goes_on_once_the_impatient_one_starts() -> None:
    rooms = empty(a_dgx("a"), a_dgx("b"))
    big, small = waits("big", a_demand(2, 7), since_s=400), waits("small", a_demand())
    assert set(placed(plan_for(rooms, big, small))) == {"big", "small"}


def test_patience_is_a_matter_of_policy() -> None:
    big, small = waits("big", a_demand(2, 8), since_s=5), waits("small", a_demand())
    assert placed(plan_for(busy_pair(), big, small, policy=Policy(patience_s=5))) == {}
    assert list(placed(plan_for(busy_pair(), big, small, policy=Policy(6)))) == ["small"]


def test_a_job_that_can_never_run_does_not_hold_the_queue() -> None:
    never = waits("never", a_demand(1, 9), since_s=4000)
    plan = plan_for(empty(a_dgx()), never, waits("small", a_demand()))
    assert list(placed(plan)) == ["small"]
    assert plan.verdicts[never.job_id].blocked_by is Blocker.UNSATISFIABLE


def test_a_job_whose_nodes_are_down_does_not_hold_the_queue() -> None:
    big = waits("big", a_demand(2, 8), since_s=4000)
    plan = plan_for(
        empty(a_dgx("a"), a_dgx("b", state=NodeState.DOWN)), big, waits("small", a_demand())
    )
    assert list(placed(plan)) == ["small"]
    assert plan.verdicts[big.job_id].blocked_by is Blocker.NO_CAPACITY


def test_a_gang_is_not_split_over_sites() -> None:
    rooms = [*empty(a_dgx("a"), site="one"), *empty(a_dgx("a"), site="two")]
    assert placed(plan_for(rooms, waits("gang", a_demand(2, 1)))) == {}


def test_a_wish_for_a_site_is_kept() -> None:
    rooms = [*empty(a_dgx("a"), site="one"), *empty(a_dgx("b"), site="two")]
    there = Demand(1, Resources(8), site="two")
    jobs = [waits("x", there, since_s=2), waits("y", there, since_s=1)]
    plan = plan_for(rooms, *jobs)
    assert placed(plan) == {"x": ["b"]}
    assert plan.placements[0].site == "two"
    assert plan.verdicts[JobId("y")].numbers["gpus_free_now"] == 0


def test_without_a_wish_any_site_will_do() -> None:
    rooms = [*empty(a_node("a"), site="one"), *empty(a_dgx("b"), site="two")]
    assert placed(plan_for(rooms, waits("x", a_demand(1, 8)))) == {"x": ["b"]}


def test_no_node_at_all_gives_everybody_a_verdict() -> None:
    plan = plan_for([], waits("a", a_demand(), since_s=4000), waits("b", a_demand()))
    assert {verdict.blocked_by for verdict in plan.verdicts.values()} == {Blocker.UNSATISFIABLE}
