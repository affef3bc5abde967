"""What a person asks of a job reaches the store, and only what is allowed."""

from __future__ import annotations

import pytest

from quarterdeck.basics.errors import Conflict, NotFound
from quarterdeck.control.cancel import cancel, cancel_all
from quarterdeck.control.requeue import requeue
from quarterdeck.core.jobs.states import JobState
from quarterdeck.testing.builders import a_demand, a_job_id, a_job_spec
from tests.spec.control.desk import a_desk

BIG = a_job_spec(demand=a_demand(1, 8))


@pytest.mark.parametrize("verb", [cancel, requeue])
def test_there_is_nothing_to_do_for_a_job_there_is_not(verb: type) -> None:
    desk = a_desk()
    with pytest.raises(NotFound, match="j000000009"):
        verb(desk.plane, a_job_id(9), "ada")


def test_a_queued_job_is_cancelled_at_once() -> None:
    desk = a_desk()
    job = cancel(desk.plane, desk.submit().id, "bob")
    assert job.state is JobState.CANCELLED
    assert desk.store.find_job(job.id) == job


def test_a_cancel_twice_writes_once() -> None:
    desk = a_desk()
    job = cancel(desk.plane, desk.submit().id, "bob")
    head = desk.store.head()
    assert cancel(desk.plane, job.id, "eve") == job
    assert desk.store.head() == head


def test_a_running_job_keeps_its_devices_until_the_site_says_it_is_gone() -> None:
    desk = a_desk()
    job = desk.submit(BIG)
    desk.scheduler.turn()
    desk.start(job)
    assert cancel(desk.plane, job.id, "bob").state is JobState.STOPPING
    waiting = desk.submit(BIG)
    assert desk.scheduler.turn() == 0
    assert desk.end(job).state is JobState.CANCELLED
    assert desk.scheduler.turn() == 1
    assert desk.job(waiting.id).state is JobState.STARTING


def test_a_job_that_has_ended_cannot_be_cancelled() -> None:
    desk = a_desk()
    with pytest.raises(Conflict):
        cancel(desk.plane, desk.run().id, "bob")


def test_a_requeued_job_runs_again_under_its_next_number() -> None:
    desk = a_desk()
    job = desk.run(code=1)
    assert requeue(desk.plane, job.id, "bob").state is JobState.QUEUED
    assert desk.scheduler.turn() == 1
    desk.start(job)
    job = desk.end(job)
    assert (job.state, [attempt.number for attempt in job.attempts]) == (
        JobState.SUCCEEDED,
        [1, 2],
    )


def test_a_running_job_is_stopped_before_it_is_queued_again() -> None:
    desk = a_desk()
    job = desk.submit()
    desk.scheduler.turn()
    assert requeue(desk.plane, job.id, "bob").state is JobState.STOPPING
    assert desk.end(job).state is JobState.QUEUED


def test_all_unfinished_jobs_can_be_cancelled() -> None:
    desk = a_desk()
    desk.run()
    running = desk.submit(BIG)
    desk.scheduler.turn()
    queued = desk.submit(BIG)
    assert [job.id for job in cancel_all(desk.plane, "bob")] == [running.id, queued.id]
    assert desk.job(running.id).state is JobState.STOPPING
    assert desk.job(queued.id).state is JobState.CANCELLED


def test_a_job_that_ends_meanwhile_does_not_keep_the_others_from_being_cancelled() -> None:
    desk = a_desk()
    ending = desk.submit(BIG)
    desk.scheduler.turn()
    queued = desk.submit(BIG)
    desk.store.first = lambda: desk.end(ending)
    cancel_all(desk.plane, "bob")
    assert desk.job(ending.id).state is JobState.SUCCEEDED
    assert desk.job(queued.id).state is JobState.CANCELLED
