"""What the suites of stores do all the time: put a job in, and let something happen to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.testing.builders import a_job, a_submitted

if TYPE_CHECKING:
    from quarterdeck.core.jobs.events import JobEvent
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.jobs.spec import JobSpec
    from quarterdeck.ports.store import Store


def submit(store: Store, number: int, spec: JobSpec | None = None) -> Job:
    """Put a job into the store."""
    job = a_job(number, spec=spec)
    store.transact(lambda tx: tx.append(None, [a_submitted(spec)], job))
    return job


def move(store: Store, job: Job, *events: JobEvent) -> Job:
    """Let these happen to a job of the store."""
    after = job
    for event in events:
        after = evolve(after, job.id, event)
    store.transact(lambda tx: tx.append(job, events, after))
    return after
