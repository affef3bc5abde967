"""A job that needs others starts once they have succeeded, and is given up when they cannot."""

from __future__ import annotations

import pytest

from quarterdeck.basics.errors import Conflict, Invalid, Stale, Unsatisfiable
from quarterdeck.basics.ids import JobId
from quarterdeck.control.board import Board
from quarterdeck.control.cancel import cancel
from quarterdeck.control.explain import explain
from quarterdeck.control.hold import hold, release
from quarterdeck.control.needs import everything
from quarterdeck.control.note import note
from quarterdeck.control.requeue import requeue
from quarterdeck.control.submit import Asked, Wanted, check_all, submit, submit_all
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.ports.store import JobFilter
from quarterdeck.testing.builders import a_demand, a_job_id, a_job_spec
from tests.spec.control.desk import Desk, a_desk, exited
from tests.spec.control.test_board import agrees

MISSING = a_job_id(99)


def a_pair() -> tuple[Desk, JobId, JobId]:
    """A job that is placed, and one that needs it."""
    desk = a_desk()
    first = desk.submit()
    second = desk.submit(a_job_spec(needs=(first.id,)))
    assert desk.scheduler.turn() == 1
    return desk, first.id, second.id


def test_it_waits_and_says_for_whom() -> None:
    desk, first, second = a_pair()
    assert desk.scheduler.turn() == 0
    told = explain(desk.plane, second)
    assert told.outlook is not None
    assert told.outlook.verdict is not None
    assert told.outlook.verdict.blocked_by is Blocker.NEEDS
    assert first in told.summary


def test_it_starts_once_the_other_has_succeeded() -> None:
    desk, first, second = a_pair()
    desk.end(desk.job(first))
    assert desk.scheduler.turn() == 1
    assert (desk.job(second).state, desk.job(second).unmet) == (JobState.STARTING, ())
    assert agrees(desk)


def test_it_is_given_up_when_the_other_has_failed() -> None:
    desk, first, second = a_pair()
    desk.end(desk.job(first), 1)
    assert desk.scheduler.turn() == 0
    job = desk.job(second)
    assert (job.state, job.reason) == (JobState.CANCELLED, Reason.NEEDS_FAILED)
    assert f"{first}, which has failed" in job.message
    assert agrees(desk)


def test_giving_up_goes_on_down_the_chain() -> None:
    desk, first, second = a_pair()
    third = desk.submit(a_job_spec(needs=(second,))).id
    fourth = desk.submit(a_job_spec(needs=(third,))).id
    cancel(desk.plane, first, "bob")
    desk.end(desk.job(first), 143)
    for _ in range(3):
        desk.scheduler.turn()
    assert [desk.job(one).reason for one in (second, third, fourth)] == [Reason.NEEDS_FAILED] * 3


def test_a_held_job_is_given_up_too() -> None:
    desk, first, second = a_pair()
    hold(desk.plane, second, "bob")
    desk.end(desk.job(first), 1)
    desk.scheduler.turn()
    assert desk.job(second).reason is Reason.NEEDS_FAILED


def test_a_held_job_remembers_what_was_met() -> None:
    desk, first, second = a_pair()
    hold(desk.plane, second, "bob")
    desk.end(desk.job(first))
    assert desk.scheduler.turn() == 0
    assert (desk.job(second).state, desk.job(second).unmet) == (JobState.HELD, ())
    release(desk.plane, second, "bob")
    assert desk.scheduler.turn() == 1


def test_a_job_that_was_requeued_in_time_still_counts() -> None:
    desk, first, second = a_pair()
    desk.end(desk.job(first), 1)
    requeue(desk.plane, first, "bob")
    assert desk.scheduler.turn() == 1
    assert desk.job(second).state is JobState.QUEUED
    desk.end(desk.job(first))
    assert desk.scheduler.turn() == 1
    assert desk.job(second).state is JobState.STARTING


def test_what_was_met_stays_met() -> None:
    desk, first, second = a_pair()
    desk.end(desk.job(first))
    hold(desk.plane, second, "bob")
    desk.scheduler.turn()
    requeue(desk.plane, first, "bob")
    desk.scheduler.turn()
    desk.end(desk.job(first), 1)
    release(desk.plane, second, "bob")
    assert desk.scheduler.turn() == 1
    assert desk.job(second).state is JobState.STARTING


def test_a_note_on_the_job_that_is_needed_does_not_keep_the_other_waiting() -> None:
    desk, first, second = a_pair()
    desk.end(desk.job(first))
    desk.plane.board.catch_up()
    note(desk.plane, first, "bob", "well done")
    assert agrees(desk)
    assert desk.scheduler.turn() == 1
    assert desk.job(second).state is JobState.STARTING


def test_a_new_server_takes_up_what_the_old_one_left() -> None:
    desk, first, second = a_pair()
    desk.end(desk.job(first))
    other = Desk(desk.store, desk.clock, desk.ids, desk.blobs)
    assert other.scheduler.turn() == 1
    assert desk.job(second).state is JobState.STARTING


def test_a_need_of_a_job_that_has_succeeded_is_met_at_once() -> None:
    desk = a_desk()
    first = desk.run()
    second = desk.submit(a_job_spec(needs=(first.id,)))
    assert desk.scheduler.turn() == 1
    assert desk.job(second.id).unmet == ()


@pytest.mark.parametrize("has_key", [True, False])
def test_needs_that_can_never_be_met_are_refused_with_nothing_written(has_key: bool) -> None:
    desk = a_desk()
    failed = desk.run(code=1)
    gone = desk.submit()
    cancel(desk.plane, gone.id, "bob")
    head = desk.store.head()
    for need in (MISSING, failed.id, gone.id):
        asked = Asked("key", "digest") if has_key else None
        with pytest.raises(Invalid) as refusal:
            submit(desk.plane, a_job_spec(needs=(need,)), "ada", asked)
        assert refusal.value.field == "needs"
        assert need in refusal.value.message
    assert desk.store.head() == head


def test_an_array_is_met_with_its_last_task() -> None:
    desk = a_desk()
    first = desk.submit(a_job_spec(array=parse_array("0-1")))
    second = desk.submit(a_job_spec(needs=(first.id,)))
    assert desk.scheduler.turn() == 2
    desk.see(desk.job(first.id), exited(), attempt=1)
    assert desk.scheduler.turn() == 0
    desk.see(desk.job(first.id), exited(), attempt=2)
    assert desk.scheduler.turn() == 1
    assert desk.job(second.id).state is JobState.STARTING


# Many at once


def batch(*specs: JobSpec, first: int = 41) -> list[Wanted]:
    return [Wanted(a_job_id(first + place), spec) for place, spec in enumerate(specs)]


def test_the_jobs_of_a_batch_may_need_each_other() -> None:
    desk = a_desk()
    wanted = batch(a_job_spec(needs=(a_job_id(42),)), a_job_spec())
    ids, is_replayed = submit_all(desk.plane, wanted, "ada")
    assert (ids, is_replayed) == ([a_job_id(41), a_job_id(42)], False)
    assert desk.scheduler.turn() == 1
    assert desk.job(ids[1]).state is JobState.STARTING
    desk.end(desk.job(ids[1]))
    assert desk.scheduler.turn() == 1


def test_of_a_batch_all_are_taken_or_none() -> None:
    desk = a_desk()
    head = desk.store.head()
    for bad, error, field in (
        (a_job_spec(demand=a_demand(1, 9)), Unsatisfiable, "jobs.1.resources"),
        (a_job_spec(needs=(MISSING,)), Invalid, "jobs.1.needs"),
        (a_job_spec(snapshot="a" * 64), Invalid, "snapshot"),
    ):
        wanted = batch(a_job_spec(), bad)
        with pytest.raises(error) as refusal:
            submit_all(desk.plane, wanted, "ada")
        with pytest.raises(error) as checked:
            check_all(desk.plane, wanted, "ada", everything)
        assert (refusal.value.field, checked.value.field) == (field, field)
    assert desk.store.head() == head


def test_a_batch_with_a_key_is_made_once() -> None:
    desk = a_desk()
    asked = Asked("key", "digest")
    first, _ = submit_all(desk.plane, batch(a_job_spec(), a_job_spec()), "ada", asked)
    again = submit_all(desk.plane, batch(a_job_spec(), a_job_spec(), first=61), "ada", asked)
    assert again == (first, True)
    assert len(desk.store.list_jobs(JobFilter())) == 2
    with pytest.raises(Conflict, match="2 jobs"):
        submit_all(desk.plane, batch(a_job_spec()), "ada", Asked("key", "other"))


def test_a_batch_under_an_id_that_was_taken_is_stale() -> None:
    desk = a_desk()
    submit_all(desk.plane, batch(a_job_spec()), "ada")
    with pytest.raises(Stale):
        submit_all(desk.plane, batch(a_job_spec(), first=41), "ada")


def test_a_batch_may_come_held_in_part() -> None:
    desk = a_desk()
    wanted = [Wanted(a_job_id(41), a_job_spec(), is_held=True), Wanted(a_job_id(42), a_job_spec())]
    ids, _ = submit_all(desk.plane, wanted, "ada")
    assert [desk.job(one).state for one in ids] == [JobState.HELD, JobState.QUEUED]


def test_checking_a_batch_writes_nothing() -> None:
    desk = a_desk()
    head = desk.store.head()
    wanted = batch(a_job_spec(needs=(a_job_id(42),)), a_job_spec())
    check_all(desk.plane, wanted, "ada", everything)
    assert desk.store.head() == head


def test_the_board_is_what_a_fresh_one_would_be_all_along() -> None:
    desk, first, second = a_pair()
    for step in (
        lambda: hold(desk.plane, second, "bob"),
        lambda: note(desk.plane, second, "bob", "later"),
        lambda: desk.end(desk.job(first)),
        desk.scheduler.turn,
        lambda: note(desk.plane, first, "bob", "done"),
        lambda: release(desk.plane, second, "bob"),
        desk.scheduler.turn,
        lambda: desk.end(desk.job(second), 1),
        lambda: note(desk.plane, second, "bob", "done too"),
    ):
        step()
        assert agrees(desk)
    assert Board(desk.store).list_job_ids() == []
