"""What follows from a wish or a sighting: a job in, events out. Nothing is changed here.

Equivalent to asking, for every replica, "what does the site say?", and then, once, "what does that
make of the attempt?". Three rules hold everywhere:

- A sighting of an attempt that is not the live one is ignored: its number is its fence.
- A sighting that repeats what is known, or goes back, gives no event, so twice is once.
- An attempt ends only when every replica is gone; until then its devices stay held.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Conflict
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.jobs.job import Attempt, Job, Replica
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import AttemptState, JobState, ReplicaState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.core.cluster.demand import Grant

PEERS_GRACE_S_MAX: Final = 10.0
"""What the rest of a gang gets to stop when one of its replicas has failed: it is lost anyway."""

_LEVEL: Final = {
    ReplicaState.PENDING: 0,
    ReplicaState.STANDING: 1,
    ReplicaState.STARTED: 2,
    ReplicaState.EXITED: 3,
    ReplicaState.LOST: 3,
}
_AFTER_STOP: Final = {
    Reason.CANCELLED_BY_USER: JobState.CANCELLED,
    Reason.REQUEUED_BY_USER: JobState.QUEUED,
}


def place(job: Job, site: str, grants: tuple[Grant, ...], at_ns: int) -> ev.Placed:
    """Grant the job's next attempt its devices."""
    number = job.attempt.number + 1 if job.attempt else 1
    return ev.Placed(at_ns, number, site, grants)


def cancel(job: Job, actor: str, at_ns: int) -> list[ev.JobEvent]:
    """Stop what runs, or leave the queue. Cancelling twice is cancelling once."""
    if job.state is JobState.CANCELLED:
        return []
    if job.state.is_final:
        raise Conflict(
            f"job {job.id} has already {job.state.value}", hint="there is nothing left to cancel"
        )
    live = job.live_attempt
    if live is None:
        return [ev.Cancelled(at_ns, actor)]
    if live.stop is not None and live.stop.reason is Reason.CANCELLED_BY_USER:
        return []
    wish = Reason.CANCELLED_BY_USER
    return [_stop(job, live, wish, f"cancelled by {actor}", at_ns, actor=actor)]


def requeue(job: Job, actor: str, at_ns: int) -> list[ev.JobEvent]:
    """Give the job another attempt: stop the present one first, or start from its end."""
    if job.state is JobState.QUEUED:
        raise Conflict(f"job {job.id} is already queued", hint="wait, or `qd explain` it")
    if job.state.is_final:
        return [ev.Requeued(at_ns, actor)]
    live = job.live_attempt
    assert live is not None, job.story
    if live.stop is not None:
        if live.stop.reason is Reason.REQUEUED_BY_USER:
            return []
        raise Conflict(
            f"job {job.id} is being stopped: {live.stop.reason.value}",
            hint="wait until it has ended, then requeue it",
        )
    wish = Reason.REQUEUED_BY_USER
    return [_stop(job, live, wish, f"requeued by {actor}", at_ns, actor=actor)]


def observe(
    job: Job, attempt: int, sightings: Iterable[ev.Sighting], at_ns: int
) -> list[ev.JobEvent]:
    """What a site's report on one attempt makes of the job."""
    live = job.live_attempt
    if live is None or live.number != attempt:
        return []
    news = _news(live, sightings)
    if not news:
        return []
    events: list[ev.JobEvent] = [ev.Seen(at_ns, attempt, news)]
    seen = evolve(job, job.id, events[0]).live_attempt
    assert seen is not None
    if _has_just_started(seen):
        started_at_ns = max(replica.started_at_ns or at_ns for replica in seen.replicas)
        events.append(ev.Started(at_ns, attempt, started_at_ns))
    if all(replica.state.is_gone for replica in seen.replicas):
        events.append(_end(job, seen, at_ns))
    elif seen.stop is None:
        broken = next((replica for replica in seen.replicas if _has_failed(replica)), None)
        if broken is not None:
            reason, message = _failure(broken)
            events.append(_stop(job, seen, reason, message, at_ns))
    return events


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
    if replica.reason is Reason.SETUP_FAILED:
        return Reason.SETUP_FAILED
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
    return reason, f"{where}: {replica.message or 'it ended without having run the command'}"


def _stop(
    job: Job, attempt: Attempt, reason: Reason, message: str, at_ns: int, *, actor: str = ""
) -> ev.StopRequested:
    grace_s = job.spec.stopping.grace_s
    if not actor:
        grace_s = min(grace_s, PEERS_GRACE_S_MAX)
    return ev.StopRequested(at_ns, attempt.number, reason, grace_s, message, actor)


def _end(job: Job, attempt: Attempt, at_ns: int) -> ev.Ended:
    """How the attempt ended, now that every replica is gone, and where the job goes from there."""
    reason, message = _outcome(attempt)
    exit_code = _exit_code(attempt)
    after_stop = _AFTER_STOP.get(reason)
    if after_stop is not None:
        return ev.Ended(at_ns, attempt.number, after_stop, reason, message, exit_code)
    if reason is Reason.COMPLETED:
        return ev.Ended(at_ns, attempt.number, JobState.SUCCEEDED, reason, "", 0)
    retry = job.spec.retry
    if reason in retry.on and job.retries < retry.limit:
        told = f"{message}; retry {job.retries + 1} of {retry.limit}"
        return ev.Ended(
            at_ns, attempt.number, JobState.QUEUED, reason, told, exit_code, is_retry=True
        )
    return ev.Ended(at_ns, attempt.number, JobState.FAILED, reason, message, exit_code)


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
