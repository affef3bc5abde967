"""A plan is committed only while what it was made on still holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quarterdeck.adapters.cycles.memory import MemoryCycleLog
from quarterdeck.adapters.locality.recent import RecentNodes
from quarterdeck.basics.errors import Stale
from quarterdeck.control import schedule
from quarterdeck.control.board import Board
from quarterdeck.control.cancel import cancel
from quarterdeck.control.cycles import Cycles
from quarterdeck.control.plan import look_ahead
from quarterdeck.control.plane import ControlPlane
from quarterdeck.control.rules import FollowedPolicy
from quarterdeck.control.schedule import Scheduler
from quarterdeck.core.jobs.manifest import Manifest
from quarterdeck.core.jobs.spec import Retry
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Plan
from quarterdeck.core.scheduling.snapshot import Order, Policy
from quarterdeck.testing.builders import a_demand, a_dgx, a_job_spec
from tests.spec.control.desk import Desk, a_desk, lost

BIG = a_job_spec(demand=a_demand(1, 8))
SMALL = a_job_spec(demand=a_demand(1, 1))


def a_second_scheduler(desk: Desk) -> Scheduler:
    """Another process on the same store."""
    return Scheduler(ControlPlane(desk.store, desk.clock, desk.ids, desk.blobs, Board(desk.store)))


def count_plans(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """The plans that schedulers make from now on."""
    plans: list[Plan] = []

    def counted(*given: Any, **more: Any) -> Plan:
        plans.append(make_plan(*given, **more))
        return plans[-1]

    monkeypatch.setattr(schedule, "make_plan", counted)
    return plans


def test_a_turn_places_what_fits() -> None:
    desk = a_desk()
    jobs = [desk.submit(SMALL) for _ in range(9)]
    assert desk.scheduler.turn() == 8
    assert [desk.job(job.id).state for job in jobs] == [JobState.STARTING] * 8 + [JobState.QUEUED]


def test_a_turn_with_nothing_new_does_not_even_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    plans = count_plans(monkeypatch)
    desk = a_desk()
    desk.submit(SMALL)
    assert desk.scheduler.turn() == 1
    desk.submit(BIG)
    assert desk.scheduler.turn() == 0
    assert len(plans) == 2
    assert desk.scheduler.turn() == 0
    assert len(plans) == 2


def test_a_freed_node_is_used_by_the_next_turn() -> None:
    desk = a_desk()
    first = desk.submit(BIG)
    desk.scheduler.turn()
    desk.submit(BIG)
    assert desk.scheduler.turn() == 0
    desk.end(first)
    assert desk.scheduler.turn() == 1


def test_another_policy_is_followed_though_nothing_else_has_changed() -> None:
    """Without patience what comes free is kept for the large job; with some a small one passes."""
    desk = a_desk()
    desk.plane.rules.put(FollowedPolicy(Policy(patience_s=0)))
    desk.submit(SMALL)
    desk.scheduler.turn()
    desk.submit(BIG)
    small = desk.submit(SMALL)
    assert desk.scheduler.turn() == 0
    assert look_ahead(desk.plane)[1].placements == ()
    desk.plane.rules.put(FollowedPolicy(Policy()))
    assert [one.job_id for one in look_ahead(desk.plane)[1].placements] == [small.id]
    assert desk.scheduler.turn() == 1


@pytest.mark.parametrize("order", [Order.SHORTEST, Order.FINISH_TIME])
def test_who_waits_is_looked_at_again_where_waiting_changes_the_order(
    monkeypatch: pytest.MonkeyPatch, order: Order
) -> None:
    plans = count_plans(monkeypatch)
    desk = a_desk()
    desk.plane.rules.put(FollowedPolicy(Policy(order=order)))
    desk.submit(SMALL)
    desk.submit(BIG)
    assert desk.scheduler.turn() == 1
    due_s = desk.scheduler.due_in_s()
    assert due_s is not None
    desk.clock.pass_s(due_s)
    assert desk.scheduler.turn() == 0
    assert len(plans) == 2
    desk.plane.rules.put(FollowedPolicy(Policy()))
    desk.scheduler.turn()
    assert desk.scheduler.due_in_s() is None


def test_a_lost_attempt_is_placed_again_under_its_next_number() -> None:
    desk = a_desk()
    job = desk.submit(a_job_spec(retry=Retry(1)))
    desk.scheduler.turn()
    assert desk.see(job, lost()).state is JobState.QUEUED
    assert desk.scheduler.turn() == 1
    assert len(desk.job(job.id).attempts) == 2


def test_a_plan_is_stale_when_the_site_has_changed_meanwhile() -> None:
    desk = a_desk(a_dgx("old"))
    job = desk.submit(BIG)
    desk.store.first = lambda: desk.report(a_dgx("new"))
    with pytest.raises(Stale):
        desk.scheduler.turn()
    assert desk.job(job.id).state is JobState.QUEUED
    assert desk.scheduler.turn() == 1
    assert [grant.node for grant in desk.job(job.id).grants()] == ["new"]


def test_a_plan_is_stale_when_somebody_else_has_placed_meanwhile() -> None:
    desk = a_desk()
    first, second = desk.submit(BIG), desk.submit(BIG)
    other = a_second_scheduler(desk)
    desk.store.first = other.turn
    with pytest.raises(Stale):
        desk.scheduler.turn()
    assert desk.scheduler.turn() == 0
    assert desk.job(first.id).state is JobState.STARTING
    assert desk.job(second.id).state is JobState.QUEUED


def test_a_job_cancelled_between_look_and_commit_drops_out_of_the_plan() -> None:
    desk = a_desk()
    first, second = desk.submit(SMALL), desk.submit(SMALL)
    desk.store.first = lambda: cancel(desk.plane, first.id, "bob")
    assert desk.scheduler.turn() == 1
    assert desk.job(first.id).state is JobState.CANCELLED
    assert desk.job(first.id).attempts == ()
    assert desk.job(second.id).state is JobState.STARTING


def test_the_room_of_a_job_that_dropped_out_goes_to_the_next() -> None:
    desk = a_desk()
    first, second = desk.submit(BIG), desk.submit(BIG)
    desk.store.first = lambda: cancel(desk.plane, first.id, "bob")
    assert desk.scheduler.turn() == 0
    assert desk.scheduler.turn() == 1
    assert desk.job(second.id).state is JobState.STARTING


def test_a_job_that_comes_meanwhile_does_not_make_the_plan_stale() -> None:
    desk = a_desk()
    desk.submit(SMALL)
    desk.store.first = lambda: desk.submit(SMALL)
    assert desk.scheduler.turn() == 1
    assert desk.scheduler.turn() == 1


def test_room_that_only_came_free_does_not_make_the_plan_stale() -> None:
    desk = a_desk()
    ending = desk.submit(SMALL)
    desk.scheduler.turn()
    desk.submit(SMALL)
    desk.store.first = lambda: desk.end(ending)
    assert desk.scheduler.turn() == 1


def test_a_restarted_scheduler_goes_on_where_the_old_one_was() -> None:
    desk = a_desk()
    first, second = desk.submit(BIG), desk.submit(BIG)
    assert desk.scheduler.turn() == 1
    assert a_second_scheduler(desk).turn() == 0
    desk.end(first)
    assert a_second_scheduler(desk).turn() == 1
    assert desk.job(second.id).state is JobState.STARTING


def test_of_nodes_that_are_alike_the_one_is_taken_that_had_the_work_folder_lately() -> None:
    desk = a_desk(a_dgx("a"), a_dgx("b"))
    desk.plane = replace(desk.plane, board=Board(desk.store, RecentNodes()))
    desk.scheduler = Scheduler(desk.plane)
    manifest = Manifest(())
    desk.blobs.put(manifest.digest, [manifest.to_bytes()])
    folder = manifest.digest
    first = desk.submit(a_job_spec(demand=a_demand(1, 8)))
    second = desk.submit(a_job_spec(demand=a_demand(1, 8), snapshot=folder))
    desk.scheduler.turn()
    assert [grant.node for grant in desk.job(second.id).grants()] == ["b"]
    for job in (first, second):
        desk.start(job)
        desk.end(job)
    third = desk.submit(a_job_spec(demand=a_demand(1, 8), snapshot=folder))
    desk.scheduler.turn()
    placed = desk.job(third.id)
    assert [grant.node for grant in placed.grants()] == ["b"]
    assert "1 of its nodes has up to 5% of its data already" in placed.attempts[-1].grounds
    other = desk.submit(a_job_spec(demand=a_demand(1, 8)))
    desk.scheduler.turn()
    assert [grant.node for grant in desk.job(other.id).grants()] == ["a"]


def test_a_turn_follows_that_hands_over_what_a_quick_one_held_back() -> None:
    """Of two plans at one moment the second is on record 0.25 s later, though nothing happens."""
    desk, log = a_desk(), MemoryCycleLog()
    log.begin(desk.clock.now_ns(), 0, "1")
    scheduler = Scheduler(replace(desk.plane, cycles=Cycles(log)))
    for recorded, due_in_s in ((1, None), (1, 0.25)):
        desk.submit(SMALL)
        desk.clock.pass_s(-1)
        assert scheduler.turn() == 1
        assert (len(log.list_cycles(1)), scheduler.due_in_s()) == (recorded, due_in_s)
    desk.clock.pass_s(0.25)
    assert scheduler.due_in_s() == 0.0
    assert scheduler.turn() == 0
    assert (len(log.list_cycles(1)), scheduler.due_in_s()) == (2, None)
