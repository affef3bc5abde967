"""An array is one job: what happens to one task, and what that makes of the whole."""

from __future__ import annotations

from typing import Any

import pytest

from quarterdeck.basics.errors import Conflict
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs import decide
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.evolve import evolve, replay
from quarterdeck.core.jobs.job import Job, RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import Retry
from quarterdeck.core.jobs.states import IllegalStep, JobState, ReplicaState
from quarterdeck.core.jobs.tasks import Wait
from quarterdeck.core.limits import LIMITS
from quarterdeck.core.scheduling.queue import has_waiting, waiting_of
from quarterdeck.testing.builders import START_NS, a_job_id, a_job_spec, a_submitted

AT = START_NS + 100
FAILS = Retry(1, (Reason.USER_ERROR,))


class Track:
    """An array and everything that happened to it, so that the log can be replayed at any time."""

    def __init__(self, text: str = "0-2", *, is_held: bool = False, **spec: Any) -> None:
        wanted = a_job_spec(array=parse_array(text), **spec)
        self.history: list[ev.JobEvent] = [ev.Submitted(START_NS, "ada", wanted, is_held)]
        self.job: Job = evolve(None, a_job_id(1), self.history[0])

    def take(self, events: list[ev.JobEvent]) -> Job:
        for event in events:
            self.job = evolve(self.job, self.job.id, event)
        self.history += events
        assert replay(self.job.id, self.history) == self.job
        return self.job

    def place(self, *tasks: int) -> Job:
        for task in tasks:
            self.take([decide.place(self.job, "local", (Grant(f"n{task}"),), AT, task)])
        return self.job

    def see(self, number: int, *sightings: ev.Sighting, at_ns: int = AT) -> list[ev.JobEvent]:
        events = decide.observe(self.job, number, sightings, at_ns)
        self.take(events)
        return events

    def start(self, number: int) -> Job:
        self.see(number, ev.Sighting(0, ReplicaState.STARTED, AT))
        return self.job

    def end(self, number: int, code: int = 0, *, at_ns: int = AT) -> ev.Ended:
        sight = ev.Sighting(0, ReplicaState.EXITED, AT, AT, (RankExit(0, code),))
        ended = self.see(number, sight, at_ns=at_ns)[-1]
        assert isinstance(ended, ev.Ended)
        return ended

    def states(self) -> list[str]:
        assert self.job.tasks is not None
        return [self.job.tasks.state(place).value for place in range(len(self.job.tasks.states))]


def test_a_new_array_waits_with_all_of_its_tasks() -> None:
    array = Track("0-2")
    assert (array.job.state, array.states()) == (JobState.QUEUED, ["queued"] * 3)
    assert waiting_of(array.job).tasks == (0, 1, 2)


def test_a_job_without_an_array_has_no_tasks() -> None:
    job = replay(a_job_id(1), [a_submitted()])
    assert job is not None
    assert (job.tasks, waiting_of(job).tasks) == (None, (None,))


def test_attempts_are_numbered_in_the_whole_job_and_say_which_task_they_are_of() -> None:
    array = Track("4-8:2")
    array.place(6, 4)
    assert [(one.number, one.task) for one in array.job.attempts] == [(1, 6), (2, 4)]
    assert array.states() == ["starting", "starting", "queued"]
    assert array.job.next_number == 3
    assert [grant.node for grant in array.job.grants()] == ["n6", "n4"]


def test_the_state_of_the_whole_is_that_of_what_is_furthest() -> None:
    array = Track("0-2")
    assert array.place(0).state is JobState.STARTING
    assert array.start(1).state is JobState.RUNNING
    assert array.place(1).state is JobState.RUNNING
    array.end(1)
    array.end(2)
    assert (array.place().state, array.states()) == (
        JobState.QUEUED,
        ["succeeded", "succeeded", "queued"],
    )


@pytest.mark.parametrize("task", [None, 9])
def test_a_task_that_there_is_not_cannot_be_placed(task: int | None) -> None:
    array = Track("0-2")
    with pytest.raises((IllegalStep, KeyError)):
        array.place(task)  # type: ignore[arg-type]


def test_a_task_that_lives_cannot_be_placed_again() -> None:
    array = Track("0-2")
    array.place(1)
    assert not array.job.wants(1)
    with pytest.raises(IllegalStep):
        array.place(1)


def test_a_job_without_tasks_cannot_be_placed_as_a_task() -> None:
    job = replay(a_job_id(1), [a_submitted()])
    assert job is not None
    assert (job.wants(None), job.wants(0)) == (True, False)
    with pytest.raises(IllegalStep):
        evolve(job, job.id, decide.place(job, "local", (Grant("n"),), AT, 0))


@pytest.mark.parametrize(("live", "room"), [(0, 2), (1, 1), (2, 0)])
def test_the_arrays_own_limit_leaves_so_much_room(live: int, room: int) -> None:
    array = Track("0-4%2")
    array.place(*range(live))
    waiting = waiting_of(array.job)
    assert (waiting.room, waiting.parallel) == (room, 2)
    assert waiting.ready(AT) == tuple(range(live, live + room))


def test_a_task_that_ended_makes_room_for_the_next() -> None:
    array = Track("0-4%2")
    array.place(0, 1)
    array.end(1)
    assert waiting_of(array.job).ready(AT) == (2,)


def test_without_a_limit_all_may_start_at_once() -> None:
    assert waiting_of(Track("0-99").job).ready(AT) == tuple(range(100))


def test_an_event_of_one_task_leaves_the_others_alone() -> None:
    array = Track("0-2")
    array.place(0, 1)
    array.start(2)
    assert array.states() == ["starting", "running", "queued"]
    array.end(2, 3)
    assert array.states() == ["starting", "failed", "queued"]


def test_the_first_failure_is_what_the_whole_tells() -> None:
    array = Track("0-2")
    array.place(0, 1, 2)
    array.end(2, 3)
    array.end(1, 4)
    assert (array.job.reason, array.job.exit_code) == (Reason.USER_ERROR, 3)
    assert "task 1" in array.job.message
    assert array.job.ended_at_ns is None


def test_an_array_is_over_with_its_last_task_and_says_how_many_failed() -> None:
    array = Track("0-2")
    array.place(0, 1, 2)
    assert [array.end(1).closes, array.end(2, 3).closes] == [None, None]
    last = array.end(3, at_ns=AT + 7)
    assert (last.next_state, last.closes) == (JobState.SUCCEEDED, JobState.FAILED)
    job = array.job
    assert (job.state, job.reason, job.exit_code) == (JobState.FAILED, Reason.USER_ERROR, 3)
    assert job.message.startswith("1 of 3 tasks failed; task 1: ")
    assert job.ended_at_ns == AT + 7


def test_an_array_whose_tasks_all_succeeded_has_succeeded() -> None:
    array = Track("0-1")
    array.place(0, 1)
    array.end(1)
    assert array.end(2).closes is JobState.SUCCEEDED
    job = array.job
    assert (job.state, job.reason, job.exit_code, job.message) == (
        JobState.SUCCEEDED,
        Reason.COMPLETED,
        0,
        "",
    )


def test_a_failed_task_is_retried_alone_and_has_a_number_of_its_own_for_that() -> None:
    array = Track("0-1", retry=Retry(1, (Reason.USER_ERROR,), backoff_s=8.0))
    array.place(0, 1)
    assert array.end(1, 1).is_retry
    assert array.states() == ["queued", "starting"]
    assert (array.job.retries_of(0), array.job.retries_of(1)) == (1, 0)
    waiting = waiting_of(array.job)
    assert waiting.waits == {0: Wait(AT, AT + 8_000_000_000)}
    assert waiting.ready(AT + 1) == ()
    assert waiting.ready(AT + 8_000_000_000) == (0,)
    array.place(0)
    assert array.job.attempts[-1].number == 3
    assert waiting_of(array.job).waits == {}
    assert array.end(3, 1).next_state is JobState.FAILED
    assert array.end(2, 1).is_retry


def test_a_task_that_waits_for_its_retry_does_not_keep_the_others_back() -> None:
    array = Track("0-3%2", retry=Retry(1, (Reason.USER_ERROR,), backoff_s=8.0))
    array.place(0, 1)
    array.end(1, 1)
    assert waiting_of(array.job).ready(AT + 1) == (2,)


def test_cancelling_stops_what_lives_and_takes_the_rest_out_together() -> None:
    array = Track("0-3")
    array.place(0, 1)
    array.start(1)
    events = decide.cancel(array.job, "bob", AT)
    assert [type(event) for event in events] == [ev.StopRequested, ev.StopRequested, ev.Cancelled]
    array.take(events)
    assert array.states() == ["stopping", "stopping", "cancelled", "cancelled"]
    assert (array.job.state, has_waiting(array.job)) == (JobState.STOPPING, False)
    assert decide.cancel(array.job, "bob", AT) == []
    array.end(1, 143)
    last = array.end(2)
    assert (last.next_state, last.closes) == (JobState.CANCELLED, JobState.CANCELLED)
    assert (array.job.state, array.job.reason) == (JobState.CANCELLED, Reason.CANCELLED_BY_USER)
    assert array.job.ended_at_ns == AT


def test_an_array_of_which_nothing_lives_is_cancelled_at_once() -> None:
    array = Track("0-3")
    array.take(decide.cancel(array.job, "bob", AT))
    assert (array.job.state, array.job.ended_at_ns) == (JobState.CANCELLED, AT)
    assert "bob" in array.job.message


def test_a_task_is_not_retried_once_its_array_was_cancelled() -> None:
    array = Track("0-1", retry=FAILS)
    array.place(0, 1)
    array.take(decide.cancel(array.job, "bob", AT))
    assert array.end(1, 1).next_state is JobState.CANCELLED


def test_what_was_done_before_a_cancel_stays_done() -> None:
    array = Track("0-1")
    array.place(0)
    array.end(1)
    array.take(decide.cancel(array.job, "bob", AT))
    assert array.states() == ["succeeded", "cancelled"]
    assert array.job.state is JobState.CANCELLED


def test_holding_keeps_back_what_waits_and_leaves_what_runs() -> None:
    array = Track("0-2")
    array.place(0)
    array.take(decide.hold(array.job, "bob", AT))
    assert (array.job.state, array.states()) == (JobState.STARTING, ["starting", "held", "held"])
    assert not has_waiting(array.job)
    assert decide.hold(array.job, "bob", AT) == []
    array.end(1)
    assert array.job.state is JobState.HELD
    array.take(decide.release(array.job, "bob", AT))
    assert (array.job.state, array.states()) == (JobState.QUEUED, ["succeeded", "queued", "queued"])
    assert decide.release(array.job, "bob", AT) == []


def test_a_retry_of_a_held_array_is_held_too() -> None:
    array = Track("0-1", retry=Retry(1, (Reason.USER_ERROR,), backoff_s=8.0))
    array.place(0)
    array.take(decide.hold(array.job, "bob", AT))
    array.end(1, 1)
    assert (array.job.state, array.states()) == (JobState.HELD, ["held", "held"])
    array.take(decide.release(array.job, "bob", AT))
    assert array.job.state == "queued"
    assert waiting_of(array.job).ready(AT + 1) == (1,)


def test_an_array_of_which_nothing_waits_cannot_be_held() -> None:
    array = Track("0-1")
    array.place(0, 1)
    with pytest.raises(Conflict):
        decide.hold(array.job, "bob", AT)


def test_an_array_may_come_held() -> None:
    array = Track("0-1", is_held=True)
    assert (array.job.state, array.states()) == (JobState.HELD, ["held", "held"])
    assert array.job.reason is Reason.HELD_BY_USER
    job = array.take(decide.release(array.job, "bob", AT))
    assert (job.state, job.reason) == (JobState.QUEUED, None)


def test_a_requeue_runs_again_what_did_not_succeed() -> None:
    array = Track("0-3", retry=FAILS)
    array.place(0, 1, 2)
    array.end(1)
    for number in (2, 3):
        array.end(number, 1)
    array.place(1, 2)
    array.end(4, 1)
    array.take(decide.cancel(array.job, "bob", AT))
    array.end(5, 1)
    assert array.states() == ["succeeded", "failed", "cancelled", "cancelled"]
    array.take(decide.requeue(array.job, "bob", AT))
    assert array.states() == ["succeeded", "queued", "queued", "queued"]
    assert (array.job.state, array.job.reason, array.job.message) == (JobState.QUEUED, None, "")
    assert (array.job.exit_code, array.job.ended_at_ns) == (None, None)
    assert [array.job.retries_of(task) for task in range(4)] == [0, 0, 0, 0]
    array.place(1)
    assert array.job.attempts[-1].number == 6


def test_a_requeue_of_what_succeeded_runs_all_of_it_again() -> None:
    array = Track("0-1")
    array.place(0, 1)
    array.end(1)
    array.end(2)
    array.take(decide.requeue(array.job, "bob", AT))
    assert array.states() == ["queued", "queued"]


def test_an_array_that_has_not_ended_is_not_requeued() -> None:
    array = Track("0-1")
    array.place(0)
    with pytest.raises(Conflict):
        decide.requeue(array.job, "bob", AT)


def test_of_its_attempts_an_array_keeps_what_lives_and_the_last_that_failed() -> None:
    kept = LIMITS.array_ends_kept_max
    count = kept + 12
    array = Track(f"0-{count - 1}")
    array.place(*range(count))
    for number in range(3, count + 1):
        array.end(number, 0 if number % 5 == 0 else 1)
    numbers = [one.number for one in array.job.attempts]
    assert not any(number % 5 == 0 for number in numbers)
    array.take([ev.Noted(AT, "ada", "look")])
    array.take(decide.cancel(array.job, "bob", AT))
    for number in (1, 2):
        array.end(number)
    array.take(decide.requeue(array.job, "bob", AT))
    array.place(0)
    left = [one.number for one in array.job.attempts]
    assert left[-1] == count + 1
    assert len(left) <= kept + 1
    assert left == sorted(left)
    assert 1 not in left, "the new attempt of task 0 takes the place of the old one"


def test_a_retry_keeps_one_attempt_per_task() -> None:
    array = Track("0-1", retry=Retry(3, (Reason.USER_ERROR,)))
    array.place(0)
    array.end(1, 1)
    array.place(0)
    assert [one.number for one in array.job.attempts] == [2]


def test_an_attempt_of_another_task_is_not_this_ones() -> None:
    array = Track("0-1")
    array.place(0, 1)
    array.end(1)
    sight = ev.Sighting(0, ReplicaState.LOST)
    assert decide.observe(array.job, 1, [sight], AT) == []
    assert decide.observe(array.job, 3, [sight], AT) == []
    assert array.states() == ["succeeded", "starting"]


def test_an_array_that_is_given_up_has_no_task_left() -> None:
    array = Track("0-1", needs=(a_job_id(9),))
    array.take(decide.give_up(array.job, Reason.NEEDS_FAILED, "it needs x", AT))
    assert (array.job.state, array.job.reason) == (JobState.CANCELLED, Reason.NEEDS_FAILED)
    assert "it needs x" in array.job.message
    assert decide.give_up(array.job, Reason.NEEDS_FAILED, "it needs x", AT) == []
