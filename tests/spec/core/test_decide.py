"""What follows from a sighting: when an attempt starts, stops and ends, and how."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs import decide
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.jobs.job import Job, RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec, Retry, Stopping
from quarterdeck.core.jobs.states import JobState, ReplicaState
from quarterdeck.testing.builders import START_NS, a_job, a_job_spec, a_placed

AT = START_NS + 100
PATIENT = a_job_spec(stopping=Stopping(grace_s=60.0))


def standing(rank: int = 0) -> Sighting:
    return Sighting(rank, ReplicaState.STANDING)


def started(rank: int = 0, at_ns: int = AT) -> Sighting:
    return Sighting(rank, ReplicaState.STARTED, started_at_ns=at_ns)


def exited(
    rank: int = 0, *ends: RankExit, reason: Reason | None = None, at_ns: int | None = AT
) -> Sighting:
    return Sighting(
        rank,
        ReplicaState.EXITED,
        started_at_ns=at_ns,
        ended_at_ns=at_ns,
        exits=ends or (RankExit(rank, 0),),
        reason=reason,
    )


def unused(rank: int = 0, reason: Reason | None = None, message: str = "") -> Sighting:
    """It ended and no command of it ever ran."""
    return Sighting(rank, ReplicaState.EXITED, reason=reason, message=message)


def lost(rank: int = 0) -> Sighting:
    return Sighting(rank, ReplicaState.LOST, reason=Reason.NODE_FAILURE, message="no beat")


def a_gang(size: int = 2, spec: JobSpec = PATIENT) -> Job:
    return a_job(1, a_placed(1, *(Grant(f"n{rank}") for rank in range(size))), spec=spec)


def take(job: Job, events: list[ev.JobEvent]) -> Job:
    for event in events:
        job = evolve(job, job.id, event)
    return job


def see(job: Job, *sightings: Sighting) -> Job:
    number = job.attempts[-1].number
    return take(job, decide.observe(job, number, sightings, AT))


def kinds(events: list[ev.JobEvent]) -> list[type[ev.JobEvent]]:
    return [type(event) for event in events]


def test_an_attempt_starts_when_its_last_replica_has_started() -> None:
    job = see(a_gang(2), started(0, AT + 5))
    assert job.state is JobState.STARTING
    events = decide.observe(job, 1, [started(1, AT + 3)], AT)
    assert kinds(events) == [ev.Seen, ev.Started]
    assert isinstance(events[1], ev.Started)
    assert events[1].started_at_ns == AT + 5


def test_replicas_that_stand_have_not_started() -> None:
    assert see(a_gang(2), standing(0), standing(1)).state is JobState.STARTING


def test_an_attempt_ends_when_its_last_replica_is_gone() -> None:
    job = see(a_gang(2), started(0), started(1), exited(0))
    assert (job.state, bool(job.live_attempts)) == (JobState.RUNNING, True)
    job = see(job, exited(1))
    assert (job.state, job.reason, job.exit_code) == (JobState.SUCCEEDED, Reason.COMPLETED, 0)


def test_one_report_may_bring_an_attempt_from_nothing_to_its_end() -> None:
    events = decide.observe(a_gang(1), 1, [exited(0)], AT)
    assert kinds(events) == [ev.Seen, ev.Started, ev.Ended]


def test_a_command_that_ran_has_started_even_when_nobody_saw_when() -> None:
    job = see(a_gang(2), exited(0, at_ns=None), Sighting(1, ReplicaState.STARTED))
    assert job.state is JobState.RUNNING
    assert see(job, exited(1, at_ns=None)).state is JobState.SUCCEEDED


@pytest.mark.parametrize("attempt", [0, 2])
def test_a_sighting_of_another_attempt_is_ignored(attempt: int) -> None:
    assert decide.observe(a_gang(), attempt, [lost(0), lost(1)], AT) == []


def test_a_sighting_of_an_attempt_that_has_ended_is_ignored() -> None:
    job = see(a_gang(1), exited(0))
    assert decide.observe(job, 1, [lost(0)], AT) == []


def test_a_repeated_sighting_gives_no_event() -> None:
    job = see(a_gang(), standing(0), started(1))
    assert decide.observe(job, 1, [standing(0), started(1)], AT) == []


def test_a_sighting_that_goes_back_gives_no_event() -> None:
    job = see(a_gang(), started(0), exited(1))
    pending = Sighting(0, ReplicaState.PENDING)
    assert decide.observe(job, 1, [pending, standing(0), started(1), lost(1)], AT) == []


@pytest.mark.parametrize(
    "doubled",
    [
        (exited(0), exited(0)),
        (exited(0), lost(0)),
        (exited(0), started(0)),
        (standing(0), exited(0)),
    ],
)
def test_a_replica_that_is_told_twice_in_one_report_counts_once(
    doubled: tuple[Sighting, ...],
) -> None:
    events = decide.observe(a_gang(1), 1, doubled, AT)
    assert events == decide.observe(a_gang(1), 1, [exited(0)], AT)


@pytest.mark.parametrize("rank", [-1, 2])
def test_a_replica_there_is_not_is_ignored(rank: int) -> None:
    assert decide.observe(a_gang(2), 1, [started(rank)], AT) == []


@pytest.mark.parametrize(
    ("sight", "reason"),
    [
        (exited(1, RankExit(1, 3)), Reason.USER_ERROR),
        (exited(1, RankExit(1, None, 9)), Reason.USER_ERROR),
        (lost(1), Reason.NODE_FAILURE),
        (unused(1, Reason.SETUP_FAILED, "no space"), Reason.SETUP_FAILED),
        (unused(1), Reason.NODE_FAILURE),
    ],
)
def test_when_one_of_a_gang_fails_the_rest_is_stopped(sight: Sighting, reason: Reason) -> None:
    running = see(a_gang(3), started(0), started(1), started(2))
    events = decide.observe(running, 1, [sight], AT)
    assert kinds(events) == [ev.Seen, ev.StopRequested]
    stop = events[1]
    assert isinstance(stop, ev.StopRequested)
    assert (stop.reason, stop.actor) == (reason, "")
    assert "replica 1 on n1" in stop.message
    stopping = take(running, events)
    still = RankExit(0, None, 15, stopped=True)
    assert see(stopping, exited(0, still)).state is JobState.STOPPING
    ended = see(stopping, exited(0, still), exited(2, replace(still, rank=2)))
    assert (ended.state, ended.reason) == (JobState.FAILED, reason)


def test_the_rest_of_a_failed_gang_gets_a_short_grace() -> None:
    stop = see(a_gang(2), lost(0)).attempts[0].stop
    assert stop is not None
    assert stop.grace_s == decide.PEERS_GRACE_S_MAX < 60.0


def test_a_shorter_grace_of_the_job_is_kept() -> None:
    spec = a_job_spec(stopping=Stopping(grace_s=1.0))
    stop = see(a_gang(2, spec), lost(0)).attempts[0].stop
    assert stop is not None
    assert stop.grace_s == 1.0


def test_a_rank_that_ended_well_stops_nobody() -> None:
    job = see(a_gang(2), started(0), started(1), exited(0))
    assert job.attempts[0].stop is None


@pytest.mark.parametrize("code", [0, 3])
def test_a_replica_that_ended_without_its_command_is_never_a_success(code: int) -> None:
    job = see(a_gang(2), unused(0), exited(1, RankExit(1, code)))
    assert (job.state, job.reason) == (JobState.FAILED, Reason.NODE_FAILURE)
    assert "without having run the command" in job.message
    assert job.exit_code == (code or None)


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ((RankExit(1, 5), RankExit(0, 4)), 4),
        ((RankExit(0, 0), RankExit(1, 9)), 9),
        ((RankExit(0, None, 15, stopped=True), RankExit(1, 7)), 7),
        ((RankExit(0, 1, stopped=True), RankExit(1, None, 11)), 139),
        ((RankExit(0, None, 9), RankExit(1, 2)), 137),
    ],
)
def test_the_exit_code_is_that_of_the_lowest_rank_that_failed_by_itself(
    ends: tuple[RankExit, ...], code: int
) -> None:
    job = see(a_gang(1), exited(0, *ends))
    assert (job.state, job.exit_code) == (JobState.FAILED, code)


def test_a_rank_told_by_signal_counts_as_a_shell_counts() -> None:
    assert RankExit(0, None, 15).exit_code == 143
    assert RankExit(0, 3).exit_code == 3


@pytest.mark.parametrize(
    ("retry", "sight", "state"),
    [
        (Retry(1), lost(0), JobState.QUEUED),
        (Retry(0), lost(0), JobState.FAILED),
        (Retry(1), exited(0, RankExit(0, 1)), JobState.FAILED),
        (Retry(1, (Reason.USER_ERROR,)), exited(0, RankExit(0, 1)), JobState.QUEUED),
        (Retry(1, (Reason.USER_ERROR,)), lost(0), JobState.FAILED),
        (Retry(1, (Reason.SETUP_FAILED,)), unused(0, Reason.SETUP_FAILED), JobState.QUEUED),
        (Retry(9, tuple(Reason)), exited(0), JobState.SUCCEEDED),
    ],
)
def test_a_failed_attempt_is_retried_as_the_job_says(
    retry: Retry, sight: Sighting, state: JobState
) -> None:
    assert see(a_gang(1, a_job_spec(retry=retry)), sight).state is state


def test_retries_are_counted_up_to_the_limit() -> None:
    job = a_gang(1, a_job_spec(retry=Retry(2)))
    for retries in (1, 2):
        job = see(job, lost(0))
        assert (job.state, job.retries) == (JobState.QUEUED, retries)
        assert f"retry {retries} of 2" in job.message
        job = take(job, [decide.place(job, "local", (Grant("n0"),), AT)])
    job = see(job, lost(0))
    assert (job.state, job.retries, len(job.attempts)) == (JobState.FAILED, 2, 3)


def test_a_new_attempt_takes_the_next_number() -> None:
    job = see(a_gang(1, a_job_spec(retry=Retry(1))), lost(0))
    assert decide.place(job, "local", (Grant("n0"),), AT).attempt == 2
