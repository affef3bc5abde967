"""What of a job is in the queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.snapshot import Waiting

if TYPE_CHECKING:
    from quarterdeck.core.jobs.job import Job


def has_waiting(job: Job) -> bool:
    """Whether the scheduler has anything to do for the job."""
    if job.tasks is None:
        return job.state is JobState.QUEUED
    return job.tasks.count(JobState.QUEUED) > 0


def waiting_of(job: Job) -> Waiting:
    """The job, or what is left of its array, as the scheduler sees it. It is expected to take the
    time that those like it took, and no more than it has."""
    spec, tasks = job.spec, job.tasks
    if tasks is None or spec.array is None:
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
    )
