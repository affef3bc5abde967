"""One step of one job: read it, decide, write the events and the job they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.basics.errors import NotFound
from quarterdeck.core.jobs.evolve import evolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.events import JobEvent
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import Transaction


def take_events(tx: Transaction, job: Job, events: Sequence[JobEvent]) -> Job:
    """Write what was decided about the job, and say what it has become."""
    if not events:
        return job
    after = job
    for event in events:
        after = evolve(after, job.id, event)
    tx.append(job, events, after)
    return after


def change_job(
    plane: ControlPlane, job_id: JobId, decide: Callable[[Job], Sequence[JobEvent]]
) -> Job:
    """Decide on the job as it is now, durably. `NotFound` when there is no such job."""

    def work(tx: Transaction) -> Job:
        job = known(tx.find_job(job_id), job_id)
        return take_events(tx, job, decide(job))

    changed = plane.store.transact(work)
    plane.changed.ring()
    plane.wished.ring()
    return changed


def get_job(plane: ControlPlane, job_id: JobId) -> Job:
    """The job as the store has it. `NotFound` when there is no such job."""
    return known(plane.store.find_job(job_id), job_id)


def known(job: Job | None, job_id: JobId) -> Job:
    """The job that was looked for, or `NotFound`."""
    if job is None:
        raise unknown_job(job_id)
    return job


def unknown_job(job_id: JobId) -> NotFound:
    """The answer for a job that is not there, or not for the asker's eyes."""
    return NotFound(
        f"there is no job {job_id}", field="id", hint="`qd ps -a` lists the jobs there are"
    )
