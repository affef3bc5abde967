"""A job and an event make the next job. The only place that changes one.

Each event is one or more steps of the tables in `states`; an event that does not fit them raises
`IllegalStep`, which carries the job's story. Nothing here decides: it only applies.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import to_iso
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.job import Attempt, Job, Replica, StopWish
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import (
    ATTEMPT_STEPS,
    JOB_STEPS,
    REPLICA_STEPS,
    AttemptSignal,
    AttemptState,
    IllegalStep,
    JobSignal,
    JobState,
    ReplicaSignal,
    ReplicaState,
    take_step,
)
from quarterdeck.core.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.basics.ids import JobId

_SIGNAL_OF_END: Final = {
    JobState.SUCCEEDED: JobSignal.SUCCEED,
    JobState.FAILED: JobSignal.FAIL,
    JobState.QUEUED: JobSignal.RETRY,
    JobState.CANCELLED: JobSignal.CANCEL,
}
_SIGNAL_OF_SIGHT: Final = {
    ReplicaState.STANDING: ReplicaSignal.STAND,
    ReplicaState.STARTED: ReplicaSignal.START,
    ReplicaState.EXITED: ReplicaSignal.EXIT,
    ReplicaState.LOST: ReplicaSignal.LOSE,
}


def evolve(job: Job | None, job_id: JobId, event: ev.JobEvent) -> Job:
    """The job after the event. Only `Submitted` makes a job where there was none."""
    if isinstance(event, ev.Submitted):
        if job is not None:
            raise IllegalStep(job.state, "submit", job.story)
        born = Job(job_id, event.spec, event.actor, event.at_ns)
        return replace(born, story=(_told(born, event),))
    if job is None:
        raise IllegalStep("(no job)", type(event).__name__, ())
    after = _apply(event, job)
    story = (*job.story, _told(after, event))[-LIMITS.story_moves_max :]
    return replace(after, revision=job.revision + 1, story=story)


def replay(job_id: JobId, history: Iterable[ev.JobEvent]) -> Job | None:
    """The job that a history leads to, or None for an empty one."""
    job: Job | None = None
    for event in history:
        job = evolve(job, job_id, event)
    return job


def _told(job: Job, event: ev.JobEvent) -> str:
    number = getattr(event, "attempt", None)
    which = f" of attempt {number}" if number is not None else ""
    return f"{to_iso(event.at_ns)} {type(event).__name__}{which} -> {job.state.value}"


def _job_step(job: Job, signal: JobSignal) -> JobState:
    return take_step(JOB_STEPS, job.state, signal, job.story)


def _attempt_step(job: Job, attempt: Attempt, signal: AttemptSignal) -> AttemptState:
    return take_step(ATTEMPT_STEPS, attempt.state, signal, job.story)


def _live(job: Job, number: int) -> Attempt:
    attempt = job.attempt
    if attempt is None or attempt.number != number:
        raise IllegalStep(job.state, f"event of attempt {number}", job.story)
    return attempt


def _with_attempt(job: Job, attempt: Attempt) -> Job:
    return replace(job, attempts=(*job.attempts[:-1], attempt))


@singledispatch
def _apply(event: ev.JobEvent, job: Job) -> Job:
    raise IllegalStep(job.state, type(event).__name__, job.story)


@_apply.register
def _(event: ev.Placed, job: Job) -> Job:
    expected = (job.attempt.number if job.attempt else 0) + 1
    if event.attempt != expected:
        raise IllegalStep(job.state, f"place attempt {event.attempt}", job.story)
    attempt = Attempt(
        number=event.attempt,
        site=event.site,
        placed_at_ns=event.at_ns,
        replicas=tuple(Replica(rank, grant) for rank, grant in enumerate(event.grants)),
    )
    return replace(
        job,
        state=_job_step(job, JobSignal.PLACE),
        reason=None,
        message="",
        exit_code=None,
        ended_at_ns=None,
        attempts=(*job.attempts, attempt),
    )


@_apply.register
def _(event: ev.Seen, job: Job) -> Job:
    attempt = _live(job, event.attempt)
    replicas = list(attempt.replicas)
    for sight in event.sightings:
        signal = _SIGNAL_OF_SIGHT.get(sight.state)
        if signal is None or not 0 <= sight.node_rank < len(replicas):
            seen = f"replica {sight.node_rank} seen {sight.state.value}"
            raise IllegalStep(job.state, seen, job.story)
        before = replicas[sight.node_rank]
        replicas[sight.node_rank] = replace(
            before,
            state=take_step(REPLICA_STEPS, before.state, signal, job.story),
            started_at_ns=sight.started_at_ns or before.started_at_ns,
            ended_at_ns=sight.ended_at_ns,
            exits=sight.exits,
            reason=sight.reason,
            message=sight.message,
        )
    return _with_attempt(job, replace(attempt, replicas=tuple(replicas)))


@_apply.register
def _(event: ev.Started, job: Job) -> Job:
    attempt = _live(job, event.attempt)
    started = replace(
        attempt,
        state=_attempt_step(job, attempt, AttemptSignal.START),
        started_at_ns=event.started_at_ns,
    )
    return replace(_with_attempt(job, started), state=_job_step(job, JobSignal.START))


@_apply.register
def _(event: ev.StopRequested, job: Job) -> Job:
    attempt = _live(job, event.attempt)
    stopping = replace(
        attempt,
        state=_attempt_step(job, attempt, AttemptSignal.STOP),
        stop=StopWish(event.reason, event.grace_s, event.message),
    )
    return replace(
        _with_attempt(job, stopping),
        state=_job_step(job, JobSignal.STOP),
        reason=event.reason,
        message=event.message,
    )


@_apply.register
def _(event: ev.Ended, job: Job) -> Job:
    attempt = _live(job, event.attempt)
    signal = _SIGNAL_OF_END.get(event.next_state)
    if signal is None:
        raise IllegalStep(job.state, f"end in {event.next_state.value}", job.story)
    ended = replace(
        attempt,
        state=_attempt_step(job, attempt, AttemptSignal.END),
        ended_at_ns=event.at_ns,
        reason=event.reason,
        message=event.message,
        exit_code=event.exit_code,
    )
    return replace(
        _with_attempt(job, ended),
        state=_job_step(job, signal),
        reason=event.reason,
        message=event.message,
        exit_code=event.exit_code,
        ended_at_ns=event.at_ns if event.next_state.is_final else None,
        retries=job.retries + event.is_retry,
    )


@_apply.register
def _(event: ev.Cancelled, job: Job) -> Job:
    return replace(
        job,
        state=_job_step(job, JobSignal.CANCEL),
        reason=Reason.CANCELLED_BY_USER,
        message=f"cancelled by {event.actor} while it was queued",
        ended_at_ns=event.at_ns,
    )


@_apply.register
def _(event: ev.Requeued, job: Job) -> Job:
    return replace(
        job,
        state=_job_step(job, JobSignal.REQUEUE),
        reason=Reason.REQUEUED_BY_USER,
        message=f"requeued by {event.actor}",
        exit_code=None,
        ended_at_ns=None,
        retries=0,
    )
