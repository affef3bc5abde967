"""What the writer remembers of its last commits, so that it need not ask the database again.

It is right only while nobody else has written. Every commit starts, under the writers' lock, by
looking at the log's head; if it is not where this writer left it, all is forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.jobs.job import Job

JOBS_MAX: Final = 8192


class Stamp(NamedTuple):
    """Changes with every write to the log and with every rewrite of the jobs."""

    head: int
    rewrites: int


class Recent:
    """Jobs as they are in the database, and since when no capacity changed hands."""

    def __init__(self) -> None:
        self.stamp = Stamp(0, -1)
        self.jobs: dict[JobId, Job] = {}
        self.capacity_known_from = 0
        self.capacity_seq = 0

    def check(self, stamp: Stamp) -> None:
        """Forget everything unless the database is as this writer left it."""
        if stamp != self.stamp:
            self.stamp = stamp
            self.jobs.clear()
            self.capacity_known_from = stamp.head
            self.capacity_seq = 0

    def keep(self, head: int, jobs: Mapping[JobId, Job], capacity_seq: int) -> None:
        """Remember what has just been committed; the jobs that were longest unused make room."""
        self.stamp = self.stamp._replace(head=head)
        self.capacity_seq = max(self.capacity_seq, capacity_seq)
        for job_id, job in jobs.items():
            self.jobs.pop(job_id, None)
            self.jobs[job_id] = job
        while len(self.jobs) > JOBS_MAX:
            del self.jobs[next(iter(self.jobs))]
