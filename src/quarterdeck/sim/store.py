"""A store that fails now and then: before the commit, after it, or by dying with the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from quarterdeck.basics.errors import Stale, Unavailable
from quarterdeck.sim.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.hardware import Site
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.jobs.states import JobState
    from quarterdeck.ports.store import (
        Active,
        JobFilter,
        Record,
        SiteRecord,
        Store,
        Transaction,
        Whose,
    )
    from quarterdeck.sim.faults import Faults

T = TypeVar("T")


class PlaneCrashed(BaseException):
    """The control plane's process is killed here."""


class FaultyStore:
    """A `Store` around another one. `overtake`, when set, commits something just before the next
    transaction does: what a second thread would do."""

    def __init__(self, inner: Store, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self.overtake: Callable[[], None] | None = None

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run the work, or do not, or do and deny it."""
        overtake, self.overtake = self.overtake, None
        if overtake is not None:
            overtake()
        if self._faults.strikes(Fault.STORE_STALE):
            raise Stale("the store says that something has changed", hint="look again")
        if self._faults.strikes(Fault.STORE_LOST_BEFORE):
            raise Unavailable("the store went away", hint="try again")
        if self._faults.strikes(Fault.PLANE_CRASH_BEFORE):
            raise PlaneCrashed
        outcome = self._inner.transact(work)
        if self._faults.strikes(Fault.PLANE_CRASH_AFTER):
            raise PlaneCrashed
        if self._faults.strikes(Fault.STORE_LOST_AFTER):
            raise Unavailable("the store went away; nobody knows whether it had written", hint="")
        return outcome

    def find_job(self, job_id: JobId) -> Job | None:
        """The job, or None."""
        self._read()
        return self._inner.find_job(job_id)

    def list_jobs(self, wanted: JobFilter) -> list[Job]:
        """One page of jobs."""
        self._read()
        return self._inner.list_jobs(wanted)

    def count_waiting(self, whose: Whose, name: str) -> int:
        """How many tasks of a team or an owner wait."""
        self._read()
        return self._inner.count_waiting(whose, name)

    def count_jobs(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        self._read()
        return self._inner.count_jobs()

    def load_active(self) -> Active:
        """What a control plane starts with."""
        self._read()
        return self._inner.load_active()

    def list_records(
        self, after: int, *, limit: int = 1000, job_id: JobId | None = None
    ) -> list[Record]:
        """Log entries after a place."""
        self._read()
        return self._inner.list_records(after, limit=limit, job_id=job_id)

    def list_reports(self, site: str, before_ns: int, *, limit: int) -> list[SiteRecord]:
        """Old reports of a site."""
        self._read()
        return self._inner.list_reports(site, before_ns, limit=limit)

    def list_finished(self, before_ns: int, *, limit: int) -> list[Job]:
        """Finished jobs that are old enough to go."""
        self._read()
        return self._inner.list_finished(before_ns, limit=limit)

    def head(self) -> int:
        """The last place of the log."""
        return self._inner.head()

    def replace_jobs(self, jobs: Iterator[Job], sites: Iterator[Site]) -> None:
        """For `restore`."""
        self._inner.replace_jobs(jobs, sites)

    def close(self) -> None:
        """Let go."""
        self._inner.close()

    def _read(self) -> None:
        if self._faults.strikes(Fault.STORE_UNREADABLE):
            raise Unavailable("the store does not answer", hint="try again")
