"""What follows from a wish or a sighting: a job in, events out. Nothing is changed here.

Equivalent to asking, for every replica, "what does the site say?", and then, once, "what does that
make of the attempt?". Three rules hold everywhere:

- A sighting of an attempt that is not the live one is ignored: its number is its fence.
- A sighting that repeats what is known, or goes back, gives no event, so twice is once.
- An attempt ends only when every replica is gone; until then its devices stay held.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Conflict, Invalid
from quarterdeck.basics.quantities import format_span
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.jobs.job import Attempt, Job, Replica
from quarterdeck.core.jobs.lineup import parts_of
from quarterdeck.core.jobs.reasons import TOLD_BY_SITE, Reason
from quarterdeck.core.jobs.spec import BACKOFF_S_MAX
from quarterdeck.core.jobs.states import AttemptState, JobState, ReplicaState
from quarterdeck.core.limits import LIMITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Grant

PEERS_GRACE_S_MAX: Final = 10.0
"""What the rest of a gang gets to stop when one of its replicas has failed: it is lost anyway."""

_LEVEL: Final = {
    ReplicaState.PENDING: 0,
    ReplicaState.PULLING: 1,
    ReplicaState.STANDING: 2,
    ReplicaState.STARTED: 3,
    ReplicaState.EXITED: 4,
    ReplicaState.LOST: 4,
}
_SILENT: Final = {
    Reason.TIMED_OUT: "it ran into its time limit",
    Reason.OUT_OF_MEMORY: "it used more memory than it had asked for",
    Reason.STOPPED_AT_SITE: "it was stopped at the site, not by Quarterdeck",
    Reason.PREEMPTED: "the site took its nodes for others",
}
_WHOLE_GRACE: Final = (Reason.TIMED_OUT, Reason.PREEMPTED)
"""Nothing of the attempt has failed, so it may use its time to save what it did."""
_AFTER_STOP: Final = {
    Reason.CANCELLED_BY_USER: JobState.CANCELLED,
    Reason.REQUEUED_BY_USER: JobState.QUEUED,
    Reason.NODE_DRAINED: JobState.QUEUED,
    Reason.PREEMPTED: JobState.QUEUED,
}


def place(
    job: Job, site: str, grants: tuple[Grant, ...], at_ns: int, task: int | None = None
) -> ev.Placed:
    """Grant the job's next attempt, or that of one of its tasks, its devices."""
    return ev.Placed(at_ns, job.next_number, site, grants, task)


def cancel(job: Job, actor: str, at_ns: int) -> list[ev.JobEvent]:
    """Stop what runs, or leave the queue. Cancelling twice is cancelling once."""
    if job.state is JobState.CANCELLED:
        return []
    if job.state.is_final:
        raise Conflict(
            f"job {job.id} has already {job.state.value}", hint="there is nothing left to cancel"
        )
    wish = Reason.CANCELLED_BY_USER
    events: list[ev.JobEvent] = [
        _stop(job, live, wish, f"cancelled by {actor}", at_ns, actor=actor)
        for live in job.live_attempts
        if live.stop is None or live.stop.reason is not wish
    ]
    if _count_waiting(job):
        next_state = JobState.STOPPING if job.live_attempts else JobState.CANCELLED
        events.append(ev.Cancelled(at_ns, actor, next_state=next_state))
    return events


def give_up(job: Job, reason: Reason, message: str, at_ns: int) -> list[ev.JobEvent]:
    """Take a job that can never start any more out of the queue."""
    if not _count_waiting(job):
        return []
    return [ev.Cancelled(at_ns, "", reason, message)]


def meet_need(job: Job, need: JobId, at_ns: int) -> list[ev.JobEvent]:
    """A job that this one needs has succeeded."""
    return [ev.NeedMet(at_ns, need)] if need in job.unmet else []


def hold(job: Job, actor: str, at_ns: int) -> list[ev.JobEvent]:
    """Take the job out of the queue until `release`; of an array, the tasks that wait."""
    if job.state is JobState.HELD:
        return []
    waiting = job.state is JobState.QUEUED
    if job.tasks is not None:
        waiting = job.tasks.count(JobState.QUEUED) > 0
        if not waiting and job.tasks.count(JobState.HELD):
            return []
    if not waiting:
        raise Conflict(
            f"job {job.id} is {job.state.value}: only what waits in the queue can be held",
            hint="`qd cancel` stops what runs",
        )
    return [ev.Held(at_ns, actor)]


def release(job: Job, actor: str, at_ns: int) -> list[ev.JobEvent]:
    """Let a held job into the queue. One that is not held is where it should be."""
    if job.state.is_final:
        raise Conflict(
            f"job {job.id} has already {job.state.value}", hint="`qd requeue` runs it again"
        )
    is_held = job.state is JobState.HELD
    if job.tasks is not None:
        is_held = job.tasks.count(JobState.HELD) > 0
    return [ev.Released(at_ns, actor)] if is_held else []


def note(job: Job, actor: str, text: str, at_ns: int) -> list[ev.JobEvent]:
    """Write something about the job. What was the last note already is not written again."""
    if not text.strip() or len(text) > LIMITS.note_chars_max or "\0" in text:
        raise Invalid(
            f"the note has {len(text)} characters",
            field="text",
            hint=f"write 1 to {LIMITS.note_chars_max} characters, and no NUL",
        )
    if job.notes and (job.notes[-1].actor, job.notes[-1].text) == (actor, text):
        return []
    return [ev.Noted(at_ns, actor, text)]


def _count_waiting(job: Job) -> int:
    if job.tasks is not None:
        return job.tasks.count(JobState.QUEUED, JobState.HELD)
    return int(job.state in (JobState.QUEUED, JobState.HELD))


def requeue(job: Job, actor: str, at_ns: int) -> list[ev.JobEvent]:
    """Give the job another attempt: stop the present one first, or start from its end.

    Of an array that has ended, the tasks that did not succeed; all of them if every one did.
    """
    if job.state is JobState.HELD:
        raise Conflict(f"job {job.id} is held", hint=f"`qd release {job.id}` lets it go")
    if job.state is JobState.QUEUED:
        raise Conflict(f"job {job.id} is already queued", hint="wait, or `qd explain` it")
    if job.state.is_final:
        return [ev.Requeued(at_ns, actor)]
    if job.tasks is not None:
        raise Conflict(
            f"array {job.id} is {job.state.value}: tasks can be requeued once all have ended",
            hint="wait for it, or cancel it",
        )
    (live,) = job.live_attempts
    if live.stop is not None:
        if live.stop.reason is Reason.REQUEUED_BY_USER:
            return []
        raise Conflict(
            f"job {job.id} is being stopped: {live.stop.reason.value}",
            hint="wait until it has ended, then requeue it",
        )
    wish = Reason.REQUEUED_BY_USER
    return [_stop(job, live, wish, f"requeued by {actor}", at_ns, actor=actor)]


def evict(job: Job, node: str, actor: str, why: str, at_ns: int) -> list[ev.JobEvent]:
    """Stop what runs on a node that is being drained, whole gangs of it. It has its grace, counts
    as no failure, and goes back into the queue. What is being stopped already goes on stopping."""
    said = f"{node} is drained by {actor}" + (f": {why}" if why else "")
    return [
        _stop(job, live, Reason.NODE_DRAINED, said, at_ns, actor=actor)
        for live in job.live_attempts
        if live.stop is None and any(replica.grant.node == node for replica in live.replicas)
    ]


def preempt(
    job: Job, attempt: int, why: str, at_ns: int, keeps: tuple[str, ...] = ()
) -> list[ev.JobEvent]:
    """Stop an attempt so that others can run. It has its whole grace, counts as no failure, and the
    job keeps its place in the queue; with nodes that it keeps it goes on there as soon as it has
    stopped. What is being stopped already goes on stopping, and keeps no more than it did."""
    live = job.find_live(attempt)
    if live is None:
        return []
    kept = Clearance(live.site, keeps, is_kept=True)
    if live.stop is None:
        stop = _stop(job, live, Reason.PREEMPTED, why, at_ns)
        return [ev.RoomCleared(at_ns, kept), stop] if keeps else [stop]
    known = job.clearance
    if known is None or not known.is_kept or {*keeps} >= {*known.nodes}:
        return []
    return [ev.RoomCleared(at_ns, kept, why)]


def move(job: Job, attempt: int, to: tuple[Grant, ...], why: str, at_ns: int) -> list[ev.JobEvent]:
    """Stop an attempt likewise so that another job has room where it lies; it goes on with this
    elsewhere at its site. What is being stopped already does not."""
    live = job.find_live(attempt)
    if live is None or live.stop is not None:
        return []
    nodes = tuple(dict.fromkeys(grant.node for grant in to))
    told = Clearance(live.site, nodes, grants=to, is_moved=True)
    return [ev.RoomCleared(at_ns, told), _stop(job, live, Reason.PREEMPTED, why, at_ns)]


def clear_room(job: Job, clearance: Clearance, at_ns: int) -> list[ev.JobEvent]:
    """Others are stopped for a job that waits."""
    return [] if job.clearance == clearance else [ev.RoomCleared(at_ns, clearance)]


def observe(
    job: Job, attempt: int, sightings: Iterable[ev.Sighting], at_ns: int
) -> list[ev.JobEvent]:
    """What a site's report on one attempt makes of the job."""
    live = job.find_live(attempt)
    if live is None:
        return []
    sightings = tuple(sightings)
    news = _news(live, sightings)
    overdue = live.stop is None and _find_overdue(live, sightings)
    if not news and not overdue:
        return []
    events: list[ev.JobEvent] = []
    seen = live
    if news:
        events.append(ev.Seen(at_ns, attempt, news))
        after = evolve(job, job.id, events[0]).find_live(attempt)
        assert after is not None
        seen = after
    if _has_just_started(seen):
        started_at_ns = max(replica.started_at_ns or at_ns for replica in seen.replicas)
        events.append(ev.Started(at_ns, attempt, started_at_ns, seen.task))
    if all(replica.state.is_gone for replica in seen.replicas):
        events.append(_end(job, seen, events, at_ns))
    elif overdue:
        limit = f"it ran into its time limit of {format_span(job.spec.time_limit_s or 0)}"
        events.append(_stop(job, seen, Reason.TIMED_OUT, limit, at_ns))
    elif seen.stop is None:
        broken = next((replica for replica in seen.replicas if _has_failed(replica)), None)
        if broken is not None:
            reason, message = _failure(broken)
            events.append(_stop(job, seen, reason, message, at_ns))
        elif _is_main_over(job, seen):
            over = "its own command has ended; what ran beside it is not needed any more"
            events.append(_stop(job, seen, Reason.COMPLETED, over, at_ns))
    return events


def _is_main_over(job: Job, attempt: Attempt) -> bool:
    """Whether only roles are left that serve the job's own command."""
    if not job.spec.roles:
        return False
    main = parts_of(job.spec, len(attempt.replicas))[0]
    return all(replica.state.is_gone for replica in attempt.replicas[: main.size])


def _news(live: Attempt, sightings: Iterable[ev.Sighting]) -> tuple[ev.Sighting, ...]:
    """At most one sighting of each replica: the first at the highest level, if that is new."""
    levels = {replica.node_rank: _LEVEL[replica.state] for replica in live.replicas}
    news: dict[int, ev.Sighting] = {}
    for sight in sightings:
        level = _LEVEL[sight.state]
        if level > levels.get(sight.node_rank, level):
            levels[sight.node_rank] = level
            news[sight.node_rank] = sight
    return tuple(news.values())


def _find_overdue(live: Attempt, sightings: Iterable[ev.Sighting]) -> bool:
    """Whether a runner says that the time limit has passed; it measures that itself, so that
    neither a server that is away nor a clock that jumps changes it."""
    return any(
        sight.reason is Reason.TIMED_OUT
        and not sight.state.is_gone
        and 0 <= sight.node_rank < len(live.replicas)
        for sight in sightings
    )


def _has_just_started(attempt: Attempt) -> bool:
    return attempt.state is AttemptState.GRANTED and all(
        replica.started_at_ns is not None
        or replica.state is ReplicaState.STARTED
        or bool(replica.exits)
        for replica in attempt.replicas
    )


def _has_failed(replica: Replica) -> bool:
    return replica.state.is_gone and _own_failure(replica) is not None


def _own_failure(replica: Replica) -> Reason | None:
    """Why the replica failed of its own accord; None for one that did not, or that we stopped."""
    if replica.state is ReplicaState.LOST:
        return Reason.NODE_FAILURE
    if replica.reason in TOLD_BY_SITE:
        return replica.reason
    if not replica.exits:
        return Reason.NODE_FAILURE
    if any(end.exit_code != 0 and not end.stopped for end in replica.exits):
        return Reason.USER_ERROR
    return None


def _failure(replica: Replica) -> tuple[Reason, str]:
    reason = _own_failure(replica)
    assert reason is not None
    where = f"replica {replica.node_rank} on {replica.grant.node}"
    if reason is Reason.USER_ERROR:
        end = next(e for e in replica.exits if e.exit_code != 0 and not e.stopped)
        how = f"code {end.code}" if end.code is not None else f"signal {end.signal}"
        return reason, f"rank {end.rank} ({where}) ended with {how}"
    told = replica.message or _SILENT.get(reason, "it ended without having run the command")
    return reason, f"{where}: {told}"


def _stop(
    job: Job, attempt: Attempt, reason: Reason, message: str, at_ns: int, *, actor: str = ""
) -> ev.StopRequested:
    grace_s = job.spec.stopping.grace_s
    if not actor and reason not in _WHOLE_GRACE:
        grace_s = min(grace_s, PEERS_GRACE_S_MAX)
    return ev.StopRequested(
        at_ns, attempt.number, reason, grace_s, message, actor, task=attempt.task
    )


def _end(job: Job, attempt: Attempt, before: Iterable[ev.JobEvent], at_ns: int) -> ev.Ended:
    """How the attempt ended, now that every replica is gone, and where the job goes from there."""
    ended = _end_of_one(job, attempt, at_ns)
    if attempt.task is None:
        return ended
    ended = replace(ended, task=attempt.task)
    after = job
    for event in (*before, ended):
        after = evolve(after, job.id, event)
    return replace(ended, closes=after.state if after.state.is_final else None)


def _end_of_one(job: Job, attempt: Attempt, at_ns: int) -> ev.Ended:
    reason, message = _outcome(attempt)
    exit_code = _exit_code(attempt)
    after_stop = _AFTER_STOP.get(reason)
    if after_stop is not None:
        return ev.Ended(at_ns, attempt.number, after_stop, reason, message, exit_code)
    if reason is Reason.COMPLETED:
        return ev.Ended(at_ns, attempt.number, JobState.SUCCEEDED, reason, "", 0)
    retry, retries = job.spec.retry, job.retries_of(attempt.task)
    if reason not in retry.on or retries >= retry.limit:
        return ev.Ended(at_ns, attempt.number, JobState.FAILED, reason, message, exit_code)
    backoff_s = 0.0
    if reason is not Reason.TIMED_OUT:
        backoff_s = min(retry.backoff_s * 2.0**retries, BACKOFF_S_MAX)
    return ev.Ended(
        at_ns,
        attempt.number,
        JobState.QUEUED,
        reason,
        f"{message}; retry {retries + 1} of {retry.limit}",
        exit_code,
        is_retry=True,
        backoff_s=backoff_s,
    )


def _outcome(attempt: Attempt) -> tuple[Reason, str]:
    if attempt.stop is not None:
        return attempt.stop.reason, attempt.stop.message
    for replica in attempt.replicas:
        if _has_failed(replica):
            return _failure(replica)
    return Reason.COMPLETED, ""


def _exit_code(attempt: Attempt) -> int | None:
    """The code of the lowest rank that failed by itself, else of the lowest that we stopped."""
    ends = sorted(
        (end for replica in attempt.replicas for end in replica.exits), key=lambda end: end.rank
    )
    failed = [end for end in ends if end.exit_code != 0]
    own = [end for end in failed if not end.stopped]
    for end in (*own, *failed):
        return end.exit_code
    return 0 if ends and all(r.exits for r in attempt.replicas) else None
