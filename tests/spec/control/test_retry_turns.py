"""The scheduler's turns: a retry's time, an array's limit, a hold between look and commit."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.control import schedule
from quarterdeck.control.explain import explain, list_queue
from quarterdeck.control.hold import hold, release
from quarterdeck.control.plan import plan
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec, Retry
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.testing.builders import a_demand, a_job_spec
from tests.spec.control.desk import Desk, a_desk, exited
from tests.spec.control.test_board import agrees

RETRYING = a_job_spec(retry=Retry(3, (Reason.USER_ERROR,), 60.0))


def an_array(text: str, **more: Any) -> JobSpec:
    return a_job_spec(array=parse_array(text), **more)


def live_tasks(desk: Desk, job_id: Any) -> list[int | None]:
    return [one.task for one in desk.job(job_id).live_attempts]


def test_a_turn_wakes_for_a_retry_whose_time_has_come() -> None:
    desk = a_desk()
    job = desk.run(RETRYING, code=1)
    assert desk.job(job.id).state is JobState.QUEUED
    assert desk.scheduler.due_in_s() is None
    assert desk.scheduler.turn() == 0
    assert desk.scheduler.due_in_s() == 60.0
    desk.clock.pass_s(59)
    assert desk.scheduler.turn() == 0
    assert desk.scheduler.due_in_s() == 1.0
    desk.clock.pass_s(1)
    assert desk.scheduler.due_in_s() is None
    assert desk.scheduler.turn() == 1
    assert len(desk.job(job.id).attempts) == 2


def test_a_clock_that_was_put_back_does_not_keep_a_retry_waiting() -> None:
    desk = a_desk()
    desk.run(RETRYING, code=1)
    assert desk.scheduler.turn() == 0
    desk.clock.pass_s(-3600)
    assert desk.scheduler.turn() == 1


def test_a_new_server_waits_out_a_retry_as_well() -> None:
    desk = a_desk()
    desk.run(RETRYING, code=1)
    other = Desk(desk.store, desk.clock, desk.ids, desk.blobs)
    assert other.scheduler.turn() == 0
    desk.clock.pass_s(60)
    assert other.scheduler.turn() == 1


def test_waiting_for_a_retry_costs_no_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    def counted(*given: Any, **more: Any) -> Any:
        calls.append(1)
        return make_plan(*given, **more)

    monkeypatch.setattr(schedule, "make_plan", counted)
    desk = a_desk()
    desk.run(RETRYING, code=1)
    for _ in range(5):
        desk.scheduler.turn()
    assert len(calls) == 2


def test_an_array_never_has_more_than_its_limit() -> None:
    desk = a_desk()
    job = desk.submit(an_array("0-4%2"))
    assert desk.scheduler.turn() == 2
    assert desk.scheduler.turn() == 0
    assert live_tasks(desk, job.id) == [0, 1]
    desk.see(job, exited(), attempt=1)
    assert desk.scheduler.turn() == 1
    assert live_tasks(desk, job.id) == [1, 2]
    assert agrees(desk)


def test_an_array_goes_to_its_end() -> None:
    desk = a_desk()
    job = desk.submit(an_array("0-4%2", retry=Retry(1, (Reason.USER_ERROR,))))
    seen: list[int | None] = []
    for number in range(1, 7):
        desk.scheduler.turn()
        seen.append(desk.job(job.id).attempts[-1].task)
        desk.see(job, exited(0, 1 if number == 2 else 0), attempt=number)
        assert agrees(desk)
    after = desk.job(job.id)
    assert (after.state, after.next_number, after.retries_of(1)) == (JobState.SUCCEEDED, 7, 1)


def test_an_array_in_part_has_a_place_and_a_reason() -> None:
    desk = a_desk()
    spec = an_array("0-2", demand=a_demand(1, 3))
    outlook = plan(desk.plane, spec)
    assert outlook.placement is not None
    assert outlook.verdict is not None
    job = desk.submit(spec)
    (length, (standing,)) = list_queue(desk.plane, 10)
    assert (length, standing.starts_now, len(standing.waiting.tasks)) == (1, True, 3)
    assert desk.scheduler.turn() == 2
    told = explain(desk.plane, job.id)
    assert told.summary.startswith("3 tasks: ")
    assert "2 starting" in told.summary
    assert "1 queued" in told.summary


def test_an_array_that_runs_whole_is_explained_by_its_counts() -> None:
    desk = a_desk()
    job = desk.submit(an_array("0-1"))
    desk.scheduler.turn()
    assert explain(desk.plane, job.id).summary == "2 tasks: 2 starting"


@pytest.mark.parametrize("spec", [a_job_spec(), an_array("0-1")], ids=["job", "array"])
def test_a_job_held_between_look_and_commit_drops_out_of_the_plan(spec: JobSpec) -> None:
    desk = a_desk()
    job = desk.submit(spec)
    desk.store.first = lambda: hold(desk.plane, job.id, "bob")
    assert desk.scheduler.turn() == 0
    assert desk.job(job.id).state is JobState.HELD
    assert desk.scheduler.turn() == 0
    release(desk.plane, job.id, "bob")
    assert desk.scheduler.turn() > 0


def test_a_held_job_says_how_to_let_it_go() -> None:
    desk = a_desk()
    job = desk.submit()
    hold(desk.plane, job.id, "bob")
    told = explain(desk.plane, job.id)
    assert told.outlook is not None
    assert told.outlook.verdict is not None
    assert told.outlook.verdict.blocked_by is Blocker.HELD
    assert told.outlook.verdict.change == (("release", job.id),)
    assert "held by bob" in told.summary
    assert f"qd release {job.id}" in told.summary


def test_the_queue_is_shown_in_its_order_and_cut_where_asked() -> None:
    desk = a_desk()
    ids = [desk.submit(a_job_spec(demand=a_demand(1, 5))).id for _ in range(4)]
    held = desk.submit()
    hold(desk.plane, held.id, "bob")
    length, head = list_queue(desk.plane, 3)
    assert (length, [one.job.id for one in head]) == (4, ids[:3])
    assert [one.position for one in head] == [1, 2, 3]
    assert [one.starts_now for one in head] == [True, False, False]
    assert [one.verdict is None for one in head] == [True, False, False]


def test_what_an_array_holds_is_told_as_one_holder() -> None:
    desk = a_desk()
    job = desk.submit(an_array("0-3", demand=a_demand(1, 2)))
    desk.scheduler.turn()
    desk.plane.board.catch_up()
    (holder,) = desk.plane.board.snapshot(desk.clock.now_ns()).holders
    assert (holder.job_id, holder.nodes, holder.gpus) == (job.id, 4, 8)
    ((_, holders),) = desk.plane.board.list_rooms()
    assert holders == [job.id]


def test_each_live_task_is_wished_for_under_its_own_number() -> None:
    desk = a_desk()
    job = desk.submit(an_array("5-6"))
    desk.scheduler.turn()
    orders = desk.desired().run
    assert [(one.ref.job_id, one.ref.attempt, one.task) for one in orders] == [
        (job.id, 1, 5),
        (job.id, 2, 6),
    ]
