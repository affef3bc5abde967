"""A job and an event make the next job. The only place that changes one.

Each event is one or more steps of the tables in `states`; an event that does not fit them raises
`IllegalStep`, which carries the job's story. Nothing here decides: it only applies.
"""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatch
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S, to_iso
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.job import Attempt, Job, Note, Replica, StopWish
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
from quarterdeck.core.jobs.tasks import Tasks, Wait
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
    ReplicaState.PULLING: ReplicaSignal.PULL,
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
        return _born(job_id, event)
    if job is None:
        raise IllegalStep("(no job)", type(event).__name__, ())
    after = _apply(event, job)
    story = (*job.story, _told(after.state, event))[-LIMITS.story_moves_max :]
    return replace(after, revision=job.revision + 1, story=story)


def replay(job_id: JobId, history: Iterable[ev.JobEvent]) -> Job | None:
    """The job that a history leads to, or None for an empty one."""
    job: Job | None = None
    for event in history:
        job = evolve(job, job_id, event)
    return job


def _told(state: JobState, event: ev.JobEvent) -> str:
    number = getattr(event, "attempt", None)
    which = f" of attempt {number}" if number is not None else ""
    return f"{to_iso(event.at_ns)} {type(event).__name__}{which} -> {state.value}"


def _born(job_id: JobId, event: ev.Submitted) -> Job:
    spec = event.spec
    state = JobState.HELD if event.is_held else JobState.QUEUED
    tasks = Tasks.new(len(spec.array.indices), state) if spec.array is not None else None
    return Job(
        job_id,
        spec,
        event.actor,
        event.at_ns,
        state=state,
        reason=Reason.HELD_BY_USER if event.is_held else None,
        unmet=spec.needs,
        tasks=tasks,
        expected_s=event.expected_s,
        story=(_told(state, event),),
    )


def _stepped(job: Job, task: int | None, signal: JobSignal) -> Job:
    """The job after it, or one task of it, took a step. An array's own state follows its tasks'."""
    if job.tasks is None or task is None:
        return replace(job, state=take_step(JOB_STEPS, job.state, signal, job.story))
    position = job.position(task)
    state = take_step(JOB_STEPS, job.tasks.state(position), signal, job.story)
    return _with_tasks(job, job.tasks.with_state(position, state))


def _all_stepped(job: Job, before: JobState, signal: JobSignal) -> Job:
    """The same for a job, or for every task of it that is in a state."""
    if job.tasks is None:
        return _stepped(job, None, signal)
    after = take_step(JOB_STEPS, before, signal, job.story)
    return _with_tasks(job, job.tasks.with_all(before, after))


def _with_tasks(job: Job, tasks: Tasks) -> Job:
    return replace(job, tasks=tasks, state=tasks.state_of_all())


def _attempt_step(job: Job, attempt: Attempt, signal: AttemptSignal) -> AttemptState:
    return take_step(ATTEMPT_STEPS, attempt.state, signal, job.story)


def _live(job: Job, number: int) -> Attempt:
    attempt = job.find_live(number)
    if attempt is None:
        raise IllegalStep(job.state, f"event of attempt {number}", job.story)
    return attempt


def _with_attempt(job: Job, attempt: Attempt) -> Job:
    attempts = tuple(attempt if one.number == attempt.number else one for one in job.attempts)
    return replace(job, attempts=attempts)


@singledispatch
def _apply(event: ev.JobEvent, job: Job) -> Job:
    raise IllegalStep(job.state, type(event).__name__, job.story)


@_apply.register
def _(event: ev.Placed, job: Job) -> Job:
    if event.attempt != job.next_number or (event.task is None) != (job.tasks is None):
        raise IllegalStep(job.state, f"place attempt {event.attempt}", job.story)
    attempt = Attempt(
        number=event.attempt,
        site=event.site,
        placed_at_ns=event.at_ns,
        replicas=tuple(Replica(rank, grant) for rank, grant in enumerate(event.grants)),
        task=event.task,
        grounds=event.grounds,
        allreduce_gbytes_s=event.allreduce_gbytes_s,
        is_owed=event.is_owed,
        goes_on=_goes_on(job, event),
    )
    if job.tasks is not None and event.task is not None:
        after, clearance = _stepped(job, event.task, JobSignal.PLACE), job.clearance
        if clearance is not None:
            clearance = clearance.without(grant.node for grant in event.grants)
        assert after.tasks is not None
        tasks = after.tasks.with_attempt(job.position(event.task), event.attempt, event.site)
        attempts = (*_worth_keeping(job, event.task), attempt)
        return replace(after, tasks=tasks, attempts=attempts, clearance=clearance)
    state = take_step(JOB_STEPS, job.state, JobSignal.PLACE, job.story)
    return replace(
        job,
        state=state,
        clearance=None,
        wait=None,
        reason=None,
        message="",
        exit_code=None,
        ended_at_ns=None,
        attempts=(*job.attempts, attempt),
    )


def _goes_on(job: Job, event: ev.Placed) -> bool:
    """Whether it gets what was kept for it, and nothing else."""
    kept = job.clearance
    return (
        kept is not None
        and kept.is_kept
        and kept.site == event.site
        and {grant.node for grant in event.grants} <= {*kept.nodes}
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
            image=sight.image or before.image,
            pull_s=before.pull_s if sight.pull_s is None else sight.pull_s,
        )
    image = job.image or next((sight.image for sight in event.sightings if sight.image), None)
    after = _with_attempt(job, replace(attempt, replicas=tuple(replicas)))
    return replace(after, image=image)


@_apply.register
def _(event: ev.Started, job: Job) -> Job:
    attempt = _live(job, event.attempt)
    started = replace(
        attempt,
        state=_attempt_step(job, attempt, AttemptSignal.START),
        started_at_ns=event.started_at_ns,
    )
    after = _stepped(_with_attempt(job, started), attempt.task, JobSignal.START)
    if after.tasks is not None and after.tasks.started_at_ns is None:
        tasks = replace(after.tasks, started_at_ns=event.started_at_ns)
        return replace(after, tasks=tasks)
    return after


@_apply.register
def _(event: ev.StopRequested, job: Job) -> Job:
    attempt = _live(job, event.attempt)
    stopping = replace(
        attempt,
        state=_attempt_step(job, attempt, AttemptSignal.STOP),
        stop=StopWish(event.reason, event.grace_s, event.message),
    )
    after = _stepped(_with_attempt(job, stopping), attempt.task, JobSignal.STOP)
    if attempt.task is not None:
        return after
    return replace(after, reason=event.reason, message=event.message)


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
    after = _stepped(_with_attempt(job, ended), attempt.task, signal)
    wait = None
    if event.backoff_s > 0:
        wait = Wait(event.at_ns, event.at_ns + int(event.backoff_s * NS_PER_S))
    if attempt.task is not None:
        return _task_ended(after, ended, event, wait)
    return replace(
        after,
        reason=event.reason,
        message=event.message,
        exit_code=event.exit_code,
        ended_at_ns=event.at_ns if event.next_state.is_final else None,
        retries=job.retries + event.is_retry,
        wait=wait,
        clearance=None if event.next_state.is_final else job.clearance,
    )


def _task_ended(job: Job, ended: Attempt, event: ev.Ended, wait: Wait | None) -> Job:
    """What the end of one task is to its array: the first failure is the one that is told."""
    tasks, task = job.tasks, ended.task
    assert tasks is not None
    assert task is not None
    if event.is_retry:
        position = job.position(task)
        tasks = tasks.with_retry(position, wait)
        if tasks.count(JobState.HELD):
            tasks = tasks.with_state(position, JobState.HELD)
    after = _with_tasks(job, tasks)
    if event.next_state is JobState.SUCCEEDED:
        kept = tuple(one for one in after.attempts if one.number != ended.number)
        after = replace(after, attempts=kept)
    if event.next_state is JobState.FAILED and job.reason is None:
        told = f"task {task}: {event.message}"
        after = replace(after, reason=event.reason, message=told, exit_code=event.exit_code)
    return _closed(after, event.at_ns)


def _closed(job: Job, at_ns: int) -> Job:
    """An array whose last task has ended, with what is to be said of the whole."""
    tasks = job.tasks
    if tasks is None or not job.state.is_final:
        return job
    if job.state is JobState.SUCCEEDED:
        done = replace(job, reason=Reason.COMPLETED, message="", exit_code=0)
    else:
        count, failed = len(tasks.states), tasks.count(JobState.FAILED)
        counted = f"{failed} of {count} tasks failed" if failed else ""
        told = "; ".join(part for part in (counted, job.message) if part)
        done = replace(job, reason=job.reason or Reason.CANCELLED_BY_USER, message=told)
    return replace(done, ended_at_ns=at_ns)


def _worth_keeping(job: Job, task: int) -> tuple[Attempt, ...]:
    """What an array remembers of its attempts: those that live, and the last ends of other tasks.
    The log has them all."""
    ended = [one.number for one in job.attempts if not one.holds_devices and one.task != task]
    kept = {*ended[-LIMITS.array_ends_kept_max :]}
    return tuple(one for one in job.attempts if one.holds_devices or one.number in kept)


@_apply.register
def _(event: ev.Cancelled, job: Job) -> Job:
    job = replace(job, clearance=None)
    message = event.message or f"cancelled by {event.actor} while it was {job.state.value}"
    if job.tasks is None:
        after = _stepped(job, None, JobSignal.CANCEL)
        return replace(after, reason=event.reason, message=message, ended_at_ns=event.at_ns)
    tasks = job.tasks
    for state in (JobState.QUEUED, JobState.HELD):
        tasks = tasks.with_all(state, JobState.CANCELLED)
    reason = _unless_held(job.reason) or event.reason
    after = replace(_with_tasks(job, tasks), reason=reason)
    return _closed(replace(after, message=job.message or message), event.at_ns)


@_apply.register
def _(event: ev.Requeued, job: Job) -> Job:
    if job.tasks is None:
        after = _stepped(job, None, JobSignal.REQUEUE)
        told = replace(after, reason=Reason.REQUEUED_BY_USER, message=f"requeued by {event.actor}")
    else:
        take_step(JOB_STEPS, job.state, JobSignal.REQUEUE, job.story)
        told = replace(_with_tasks(job, job.tasks.reopened()), reason=None, message="")
    return replace(told, exit_code=None, ended_at_ns=None, retries=0, wait=None)


@_apply.register
def _(event: ev.Held, job: Job) -> Job:
    after = _all_stepped(replace(job, clearance=None), JobState.QUEUED, JobSignal.HOLD)
    if job.tasks is not None:
        return after
    return replace(after, reason=Reason.HELD_BY_USER, message=f"held by {event.actor}")


@_apply.register
def _(event: ev.Released, job: Job) -> Job:
    after = _all_stepped(job, JobState.HELD, JobSignal.RELEASE)
    if job.tasks is not None:
        return replace(after, reason=_unless_held(job.reason))
    return replace(after, reason=Reason.RELEASED_BY_USER, message=f"released by {event.actor}")


@_apply.register
def _(event: ev.Reordered, job: Job) -> Job:
    if not job.is_queued:
        raise IllegalStep(job.state, "reorder", job.story)
    return replace(job, queue_place=None if event.place.job_id == job.id else event.place)


@_apply.register
def _(event: ev.NeedMet, job: Job) -> Job:
    return replace(job, unmet=tuple(need for need in job.unmet if need != event.need))


@_apply.register
def _(event: ev.RoomCleared, job: Job) -> Job:
    after = replace(job, clearance=event.clearance if event.clearance.nodes else None)
    for live in after.live_attempts:
        if event.message and live.stop is not None:
            told = replace(live, stop=replace(live.stop, message=event.message))
            after = replace(_with_attempt(after, told), message=event.message)
    return after


@_apply.register
def _(event: ev.Noted, job: Job) -> Job:
    notes = (*job.notes, Note(event.at_ns, event.actor, event.text))
    return replace(job, notes=notes[-LIMITS.notes_max :])


def _unless_held(reason: Reason | None) -> Reason | None:
    return None if reason is Reason.HELD_BY_USER else reason
