"""A runner says that its command's time is up; what that makes of the gang and of the job."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quarterdeck.core.jobs import decide
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.job import Job, RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec, Retry, Stopping
from quarterdeck.core.jobs.states import JobState
from quarterdeck.testing.builders import a_job_spec
from tests.spec.core.test_decide import AT, a_gang, exited, kinds, lost, see, started, take

LIMITED = a_job_spec(time_limit_s=90.0, stopping=Stopping(grace_s=60.0))
STOPPED = RankExit(0, None, 15, stopped=True)


def overdue(rank: int = 0) -> Sighting:
    return replace(started(rank), reason=Reason.TIMED_OUT)


def killed(rank: int = 0) -> Sighting:
    return exited(rank, replace(STOPPED, rank=rank), reason=Reason.TIMED_OUT)


def running(size: int = 2, spec: JobSpec = LIMITED) -> Job:
    return see(a_gang(size, spec), *(started(rank) for rank in range(size)))


def test_the_whole_gang_is_stopped_with_the_jobs_own_grace_and_told_once() -> None:
    job = running()
    events = decide.observe(job, 1, [overdue(1)], AT)
    assert kinds(events) == [ev.StopRequested]
    (stop,) = events
    assert isinstance(stop, ev.StopRequested)
    assert (stop.reason, stop.grace_s, stop.actor) == (Reason.TIMED_OUT, 60.0, "")
    assert "1m30s" in stop.message
    job = take(job, events)
    assert job.state is JobState.STOPPING
    assert decide.observe(job, 1, [overdue(1)], AT) == []
    assert decide.observe(job, 1, [overdue(0), overdue(1)], AT) == []


def test_all_of_a_gang_that_says_so_at_once_is_one_stop() -> None:
    assert kinds(decide.observe(running(), 1, [overdue(0), overdue(1)], AT)) == [ev.StopRequested]


def test_it_ends_as_timed_out_whatever_the_codes_say() -> None:
    job = see(running(), overdue(0))
    job = see(job, exited(0), killed(1))
    assert (job.state, job.reason) == (JobState.FAILED, Reason.TIMED_OUT)
    assert "time limit" in job.message


def test_the_first_that_is_heard_may_be_its_end() -> None:
    """The server was away meanwhile."""
    events = decide.observe(a_gang(2, LIMITED), 1, [killed(0), killed(1)], AT)
    assert kinds(events) == [ev.Seen, ev.Started, ev.Ended]
    job = take(a_gang(2, LIMITED), events)
    assert (job.state, job.reason) == (JobState.FAILED, Reason.TIMED_OUT)
    assert "time limit" in job.message


def test_the_first_that_is_heard_may_be_the_end_of_one_of_a_gang() -> None:
    job = see(running(), killed(0))
    stop = job.attempts[0].stop
    assert stop is not None
    assert (stop.reason, stop.grace_s) == (Reason.TIMED_OUT, 60.0)


def test_a_start_and_the_end_of_its_time_may_come_in_one_report() -> None:
    events = decide.observe(a_gang(1, LIMITED), 1, [overdue(0)], AT)
    assert kinds(events) == [ev.Seen, ev.Started, ev.StopRequested]


def test_who_is_being_stopped_already_is_not_told_again() -> None:
    job = running()
    job = take(job, decide.cancel(job, "bob", AT))
    assert decide.observe(job, 1, [overdue(0)], AT) == []
    assert see(job, killed(0), killed(1)).state is JobState.CANCELLED


@pytest.mark.parametrize("rank", [-1, 2])
def test_a_replica_there_is_not_stops_nobody(rank: int) -> None:
    assert decide.observe(running(), 1, [overdue(rank)], AT) == []


@pytest.mark.parametrize("attempt", [0, 2])
def test_another_attempt_stops_nobody(attempt: int) -> None:
    assert decide.observe(running(), attempt, [overdue(0)], AT) == []


@pytest.mark.parametrize(
    ("on", "state"), [((), JobState.FAILED), ((Reason.TIMED_OUT,), JobState.QUEUED)]
)
def test_it_is_retried_when_the_job_says_so(on: tuple[Reason, ...], state: JobState) -> None:
    spec = replace(LIMITED, retry=Retry(1, on, 30.0))
    job = see(see(running(1, spec), overdue(0)), killed(0))
    assert (job.state, job.wait) == (state, None)


def test_a_node_that_is_lost_after_the_limit_does_not_change_the_reason() -> None:
    job = see(see(running(), overdue(0)), lost(0), lost(1))
    assert job.reason is Reason.TIMED_OUT


def test_too_much_memory_is_told_with_the_runners_words() -> None:
    sight = replace(
        exited(0, RankExit(0, None, 9), reason=Reason.OUT_OF_MEMORY),
        message="it used 9GiB of 8GiB",
    )
    job = see(running(1), sight)
    assert (job.state, job.reason) == (JobState.FAILED, Reason.OUT_OF_MEMORY)
    assert "9GiB of 8GiB" in job.message
