"""What of a job is in the queue, and what of it runs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.allowances import parties_of
from quarterdeck.core.scheduling.latency import START_S
from quarterdeck.core.scheduling.snapshot import Kept, Running, Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.jobs.job import Attempt, Job
    from quarterdeck.core.scheduling.allowances import Party


def has_waiting(job: Job) -> bool:
    """Whether the scheduler has anything to do for the job."""
    return job.is_queued


def waiting_of(job: Job) -> Waiting:
    """The job, or what is left of its array, as the scheduler sees it. It is expected to take the
    time that those like it took, and no more than it has."""
    spec, tasks = job.spec, job.tasks
    if tasks is None or spec.array is None:
        kept = _kept_of(job)
        given = None if kept is not None else job.clearance
        goes_to = given if given is not None and given.grants else None
        return Waiting(
            job.id,
            spec.demand,
            spec.priority.rank,
            job.submitted_at_ns,
            unmet=job.unmet,
            waits={} if job.wait is None else {None: job.wait},
            team=spec.team,
            owner=job.actor,
            expected_s=job.should_run_s,
            is_preemptible=spec.is_preemptible,
            min_runtime_s=spec.min_runtime_s,
            clearance=None if goes_to is not None else given,
            limit_s=spec.time_limit_s,
            grace_s=spec.stopping.grace_s,
            queue_place=job.queue_place,
            kept=kept,
            goes_to=goes_to,
        )
    indices, parallel = spec.array.indices, spec.array.parallel
    return Waiting(
        job.id,
        spec.demand,
        spec.priority.rank,
        job.submitted_at_ns,
        tasks=tuple(indices[place] for place in tasks.positions(JobState.QUEUED)),
        room=len(indices) if parallel is None else parallel - tasks.live(),
        parallel=parallel,
        array=spec.array,
        unmet=job.unmet,
        waits={indices[place]: wait for place, wait in (tasks.waits or {}).items()},
        team=spec.team,
        owner=job.actor,
        expected_s=job.should_run_s,
        is_preemptible=spec.is_preemptible,
        min_runtime_s=spec.min_runtime_s,
        clearance=job.clearance,
        limit_s=spec.time_limit_s,
        grace_s=spec.stopping.grace_s,
        queue_place=job.queue_place,
    )


def count_waiting(queue: Iterable[Waiting]) -> Counter[Party]:
    """How much of whom is in the queue."""
    counts: Counter[Party] = Counter()
    for waiting in queue:
        for party in parties_of(waiting.team, waiting.owner):
            counts[party] += len(waiting.tasks)
    return counts


def running_of(job: Job, attempt: Attempt) -> Running:
    """An attempt that holds devices, as the scheduler sees it. One that has not started yet counts
    from when it was placed."""
    spec, keeps, goes_to = job.spec, keeps_of(job, attempt), goes_to_of(job, attempt)
    return Running(
        job.id,
        attempt.site,
        spec.demand,
        tuple(replica.grant for replica in attempt.replicas),
        spec.priority.rank,
        job.submitted_at_ns,
        attempt.started_at_ns or attempt.placed_at_ns,
        0.0,
        is_preemptible=spec.is_preemptible,
        task=attempt.task,
        team=spec.team,
        min_runtime_s=0.0 if attempt.goes_on else spec.min_runtime_s,
        keeps_checkpoints=spec.checkpoint_path is not None,
        is_owed=attempt.is_owed,
        is_leaving=attempt.stop is not None,
        owner=job.actor,
        expected_s=job.should_run_s,
        queue_place=job.queue_place,
        ends_at_ns=None if keeps or goes_to else _ends_at_ns(job, attempt),
        keeps=keeps,
        goes_to=goes_to,
    )


def keeps_of(job: Job, attempt: Attempt) -> tuple[str, ...]:
    """The nodes that it goes on with once it has stopped."""
    given, stop = job.clearance, attempt.stop
    if given is None or not given.is_kept or stop is None or stop.reason is not Reason.PREEMPTED:
        return ()
    return given.nodes


def goes_to_of(job: Job, attempt: Attempt) -> tuple[Grant, ...]:
    """With what it goes on elsewhere once it has stopped."""
    given, stop = job.clearance, attempt.stop
    is_moving = stop is not None and stop.reason is Reason.PREEMPTED
    return given.grants if given is not None and given.is_moved and is_moving else ()


def _kept_of(job: Job) -> Kept | None:
    """What it goes on with that gave up some of its nodes: the same as it had there."""
    if job.attempt is None or not (keeps := keeps_of(job, job.attempt)):
        return None
    had = [replica.grant for replica in job.attempt.replicas]
    grants = tuple(grant for grant in had if grant.node in keeps)
    return Kept(job.attempt.site, grants, len({grant.node for grant in had}))


def _ends_at_ns(job: Job, attempt: Attempt) -> int | None:
    """When its nodes are free at the latest, by its time limit."""
    if job.spec.time_limit_s is None:
        return None
    began_ns = attempt.started_at_ns
    if began_ns is None:
        began_ns = attempt.placed_at_ns + int(START_S * NS_PER_S)
    return began_ns + int((job.spec.time_limit_s + job.spec.stopping.grace_s) * NS_PER_S)
