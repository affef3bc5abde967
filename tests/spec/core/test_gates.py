"""A plan with jobs that wait for something else than room: they hold nobody up, and hear why."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.room import Room
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.tasks import Wait
from quarterdeck.core.scheduling.allowances import Allowance, Party
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Plan, Verdict
from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
from quarterdeck.testing.builders import a_demand, a_dgx, a_job_id
from tests.oracles.rooms import less
from tests.spec.core.test_make_plan import NOW_NS, POLICY, empty, waits

NEEDS = (a_job_id(7), a_job_id(8))
LATER = {None: Wait(NOW_NS - NS_PER_S, NOW_NS + 90 * NS_PER_S)}
GATES: dict[str, dict[str, Any]] = {
    "its needs": {"unmet": NEEDS},
    "a retry's time": {"waits": LATER},
    "its own limit": {"tasks": (3, 4), "room": 0, "parallel": 2},
}


def plan_for(*waiting: Waiting, rooms: list[Room] | None = None) -> Plan:
    """Every job has a placement or a verdict, and of an array in part both."""
    rooms = empty(a_dgx("d")) if rooms is None else rooms
    plan = make_plan(Snapshot(NOW_NS, 17, tuple(rooms), waiting), POLICY)
    for one in waiting:
        placed = sum(placement.job_id == one.job_id for placement in plan.placements)
        assert (one.job_id in plan.verdicts) == (placed < len(one.tasks))
    assert all(verdict.job_id == job_id for job_id, verdict in plan.verdicts.items())
    return plan


def tasks_of(plan: Plan, name: str) -> list[int | None]:
    return [one.task for one in plan.placements if one.job_id == name]


@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
def test_what_waits_behind_a_gate_holds_nobody_up(gate: dict[str, Any]) -> None:
    big = waits("big", a_demand(1, 8), since_s=9000, priority=1, **gate)
    plan = plan_for(big, waits("small", a_demand(1, 8)))
    assert tasks_of(plan, "small") == [None]
    assert tasks_of(plan, "big") == []


@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
def test_behind_an_impatient_job_a_gate_is_still_what_is_told(gate: dict[str, Any]) -> None:
    """It would not start if the others were gone."""
    full = empty(a_dgx("d"))
    used = [less(full[0], a_demand(1, 1).resources)]
    ahead = waits("ahead", a_demand(1, 8), since_s=9000)
    plan = plan_for(ahead, waits("b", a_demand(), **gate), waits("c", a_demand()), rooms=used)
    assert plan.verdicts[JobId("ahead")].blocked_by is Blocker.NO_CAPACITY
    assert plan.verdicts[JobId("c")].blocked_by is Blocker.BEHIND_OTHERS
    assert plan.verdicts[JobId("b")].blocked_by not in (
        Blocker.BEHIND_OTHERS,
        Blocker.NO_CAPACITY,
    )


def test_needs_are_named_and_counted() -> None:
    verdict = plan_for(waits("a", a_demand(), unmet=NEEDS)).verdicts[JobId("a")]
    assert (verdict.blocked_by, verdict.held_by) == (Blocker.NEEDS, NEEDS)
    assert verdict.numbers == {"needs_unmet": 2}
    assert all(need in verdict.message for need in NEEDS)
    assert f"qd explain {NEEDS[0]}" in verdict.hint


def test_of_many_needs_some_are_named() -> None:
    many = tuple(a_job_id(number) for number in range(9))
    verdict = plan_for(waits("a", a_demand(), unmet=many)).verdicts[JobId("a")]
    assert (verdict.numbers["needs_unmet"], len(verdict.held_by)) == (9, 5)
    assert "and 4 more" in verdict.message


def test_a_retry_that_waits_hears_how_long_and_the_plan_says_when() -> None:
    plan = plan_for(waits("a", a_demand(), waits=LATER))
    verdict = plan.verdicts[JobId("a")]
    assert (verdict.blocked_by, verdict.numbers) == (Blocker.BACKOFF, {"wait_s": 90})
    assert "1m30s" in verdict.message
    assert plan.next_ready_ns == NOW_NS + 90 * NS_PER_S


def test_the_first_retry_whose_time_comes_says_when() -> None:
    sooner = {None: Wait(NOW_NS, NOW_NS + 5)}
    plan = plan_for(
        waits("a", a_demand(), waits=LATER),
        waits("b", a_demand(), waits=sooner),
        waits("c", a_demand(), waits={None: Wait(NOW_NS - 9, NOW_NS)}),
        waits("d", a_demand(), waits={None: Wait(NOW_NS, NOW_NS + 1)}, unmet=NEEDS),
    )
    assert plan.next_ready_ns == NOW_NS + 5
    assert tasks_of(plan, "c") == [None]


def test_an_array_starts_as_many_as_its_limit_lets_it() -> None:
    plan = plan_for(waits("a", a_demand(), tasks=(5, 6, 7, 8), room=2, parallel=3))
    assert tasks_of(plan, "a") == [5, 6]
    verdict = plan.verdicts[JobId("a")]
    assert (verdict.blocked_by, verdict.numbers) == (Blocker.ARRAY_LIMIT, {"tasks_waiting": 2})
    assert "3 of its tasks" in verdict.message


def test_an_array_starts_as_many_as_there_is_room_for() -> None:
    plan = plan_for(waits("a", a_demand(1, 3), tasks=(0, 1, 2), room=3))
    assert tasks_of(plan, "a") == [0, 1]
    assert plan.verdicts[JobId("a")].blocked_by is Blocker.NO_CAPACITY


def test_an_array_that_fits_whole_has_no_verdict() -> None:
    plan = plan_for(waits("a", a_demand(1, 2), tasks=(0, 1, 2), room=3))
    assert tasks_of(plan, "a") == [0, 1, 2]
    assert plan.verdicts == {}


def test_a_task_that_waits_for_its_retry_lets_the_others_pass() -> None:
    wait = {1: LATER[None]}
    plan = plan_for(waits("a", a_demand(), tasks=(1, 2, 3), room=3, waits=wait))
    assert tasks_of(plan, "a") == [2, 3]
    assert plan.verdicts[JobId("a")].blocked_by is Blocker.BACKOFF


def test_a_task_that_waits_takes_no_place_below_the_limit() -> None:
    wait = {1: LATER[None]}
    plan = plan_for(waits("a", a_demand(), tasks=(1, 2, 3), room=2, parallel=2, waits=wait))
    assert tasks_of(plan, "a") == [2, 3]


def test_no_two_tasks_are_given_the_same_device() -> None:
    plan = plan_for(waits("a", a_demand(1, 2), tasks=(0, 1, 2, 3), room=4))
    devices = [
        device for one in plan.placements for grant in one.grants for device in grant.devices
    ]
    assert len(set(devices)) == len(devices) == 8


def test_an_array_of_which_the_rest_waits_impatiently_for_room_lets_nobody_pass() -> None:
    array = waits("a", a_demand(1, 5), tasks=(0, 1), room=2, since_s=400)
    plan = plan_for(array, waits("b", a_demand()))
    assert tasks_of(plan, "a") == [0]
    assert plan.verdicts[JobId("b")].blocked_by is Blocker.BEHIND_OTHERS


def test_patience_is_not_asked_of_what_is_not_ready() -> None:
    policy = Policy(patience_s=0.0)
    gated = waits("a", a_demand(1, 8), unmet=NEEDS, since_s=10)
    made = make_plan(
        Snapshot(NOW_NS, 1, tuple(empty(a_dgx())), (gated, waits("b", a_demand(1, 8)))), policy
    )
    assert tasks_of(made, "b") == [None]


def limited(running: int, most: int) -> dict[Party, Allowance]:
    return {("team", "red"): Allowance(running, most)}


def gated_plan(waiting: Waiting, **more: Any) -> Verdict:
    """The verdict of a job alone on an empty node."""
    snapshot = Snapshot(NOW_NS, 1, tuple(empty(a_dgx("d"))), (waiting,), **more)
    return make_plan(snapshot, POLICY).verdicts[waiting.job_id]


def test_a_job_at_a_limit_hears_the_number_that_would_let_it_start() -> None:
    waiting = waits("a", a_demand(), team="red", owner="ada")
    verdict = gated_plan(waiting, allowances=limited(3, 3))
    assert (verdict.blocked_by, verdict.change) == (Blocker.LIMIT, (("limit", "team red 4"),))
    assert "`qd team limits red --running 4`" in verdict.hint
    both = {**limited(3, 3), ("owner", "ada"): Allowance(5, 5)}
    assert gated_plan(waiting, allowances=both).change == ()
    loose = {**limited(3, 3), ("owner", "ada"): Allowance(4, 5)}
    assert gated_plan(waiting, allowances=loose).change != ()


def test_a_gate_without_room_behind_it_promises_nothing() -> None:
    too_big = waits("a", a_demand(2, 8), unmet=NEEDS)
    assert gated_plan(too_big).change == ()
    assert gated_plan(waits("a", a_demand(1, 8), unmet=NEEDS)).change == (("needs", ""),)
    later = waits("a", a_demand(), unmet=NEEDS, waits=LATER)
    assert gated_plan(later).change == (), "its retry's time has not come"


def test_an_array_at_its_own_limit_hears_of_the_next_larger_one() -> None:
    array = parse_array("0-9%2")
    waiting = waits("a", a_demand(), tasks=(4, 5), room=0, parallel=2, array=array)
    verdict = gated_plan(waiting)
    assert (verdict.blocked_by, verdict.change) == (Blocker.ARRAY_LIMIT, (("array", "0-9%3"),))
    limit = limited(2, 2)
    alone = waits("a", a_demand(), tasks=(4,), room=0, parallel=2, array=array, team="red")
    assert gated_plan(alone, allowances=limit).change == ()
