"""What would happen, and why a job is where it is."""

from __future__ import annotations

import pytest

from quarterdeck.basics.errors import NotFound, Unsatisfiable
from quarterdeck.control.cancel import cancel
from quarterdeck.control.explain import explain
from quarterdeck.control.plan import PLANNED, plan
from quarterdeck.core.jobs.spec import Priority
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.testing.builders import a_demand, a_dgx, a_job_id, a_job_spec
from tests.spec.control.desk import a_desk, started

BIG = a_job_spec(demand=a_demand(1, 8))
GANG = a_job_spec(demand=a_demand(2, 8))


def test_a_plan_changes_nothing() -> None:
    desk = a_desk()
    desk.submit(BIG)
    head, rings, given = desk.store.head(), desk.rings, desk.ids.given
    plan(desk.plane, BIG)
    assert (desk.store.head(), desk.rings, desk.ids.given) == (head, rings, given)
    assert PLANNED not in desk.store.jobs


def test_a_plan_says_where_a_job_would_start() -> None:
    outlook = plan(a_desk(a_dgx("d")).plane, BIG)
    assert outlook.placement is not None
    assert [grant.node for grant in outlook.placement.grants] == ["d"]
    assert (outlook.verdict, outlook.position, outlook.queue_length) == (None, 1, 1)


def test_a_plan_says_why_a_job_would_wait() -> None:
    desk = a_desk()
    desk.submit(BIG)
    desk.scheduler.turn()
    outlook = plan(desk.plane, BIG)
    assert outlook.placement is None
    assert outlook.verdict is not None
    assert outlook.verdict.blocked_by is Blocker.NO_CAPACITY
    assert outlook.verdict.held_by == (a_job_id(1),)


def test_a_plan_is_what_then_happens() -> None:
    desk = a_desk(a_dgx("a"), a_dgx("b"))
    desk.submit(a_job_spec(demand=a_demand(1, 3)))
    outlook = plan(desk.plane, a_job_spec(demand=a_demand(1, 5)))
    job = desk.submit(a_job_spec(demand=a_demand(1, 5)))
    desk.scheduler.turn()
    assert outlook.placement is not None
    assert tuple(desk.job(job.id).grants()) == outlook.placement.grants


def test_a_plan_stands_behind_its_equals_and_before_lower_classes() -> None:
    desk = a_desk()
    desk.submit(BIG)
    desk.submit(a_job_spec(priority=Priority.LOW))
    outlook = plan(desk.plane, BIG)
    assert (outlook.position, outlook.queue_length) == (2, 3)


def test_a_plan_refuses_what_a_submission_would() -> None:
    with pytest.raises(Unsatisfiable):
        plan(a_desk().plane, GANG)


def test_a_waiting_job_is_explained_with_numbers_and_its_place() -> None:
    desk = a_desk(a_dgx("a"), a_dgx("b"))
    desk.submit(BIG)
    desk.scheduler.turn()
    first, second = desk.submit(GANG), desk.submit(GANG)
    explanation = explain(desk.plane, second.id)
    assert explanation.job == second
    assert explanation.queue_length == 2
    outlook = explanation.outlook
    assert outlook is not None
    assert (outlook.position, outlook.queue_length) == (2, 2)
    assert outlook.verdict is not None
    assert outlook.verdict.numbers["nodes_free_now"] == 1
    assert outlook.verdict.numbers["gpus_free_now"] == 8
    assert explanation.summary == outlook.verdict.message
    assert explain(desk.plane, first.id).outlook is not None


def test_a_job_past_its_patience_is_named_to_those_behind_it() -> None:
    desk = a_desk(a_dgx("a"), a_dgx("b"))
    desk.submit(BIG)
    desk.scheduler.turn()
    gang = desk.submit(GANG)
    desk.clock.pass_s(desk.plane.policy.patience_s)
    outlook = explain(desk.plane, desk.submit().id).outlook
    assert outlook is not None
    assert outlook.verdict is not None
    assert outlook.verdict.blocked_by is Blocker.BEHIND_OTHERS
    assert outlook.verdict.held_by == (gang.id,)


def test_a_job_that_fits_is_told_where_it_goes() -> None:
    desk = a_desk(a_dgx("d"))
    assert "on d" in explain(desk.plane, desk.submit().id).summary


def test_each_later_state_has_its_sentence() -> None:
    desk = a_desk(a_dgx("a"), a_dgx("b"))
    job = desk.submit(GANG)
    desk.scheduler.turn()
    desk.see(job, started(1))
    assert "starting on a, b: 1 of 2 replicas stand" in explain(desk.plane, job.id).summary
    desk.start(job)
    assert explain(desk.plane, job.id).summary == "attempt 1 runs on a, b"
    cancel(desk.plane, job.id, "bob")
    assert "has 30s to end by itself" in explain(desk.plane, job.id).summary
    assert desk.end(job).state is JobState.CANCELLED
    explanation = explain(desk.plane, job.id)
    assert explanation.outlook is None
    assert explanation.summary == ("it has been cancelled (cancelled_by_user): cancelled by bob")


@pytest.mark.parametrize(("code", "word"), [(0, "succeeded"), (3, "failed (user_error)")])
def test_a_finished_job_says_how_it_ended(code: int, word: str) -> None:
    desk = a_desk()
    assert word in explain(desk.plane, desk.run(code=code).id).summary


def test_a_job_there_is_not_is_not_explained() -> None:
    with pytest.raises(NotFound):
        explain(a_desk().plane, a_job_id(9))
