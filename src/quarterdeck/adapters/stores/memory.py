"""A store in memory, for tests and the simulator: the same promises, except to survive."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from quarterdeck.basics.errors import Conflict, Stale
from quarterdeck.core.cluster.hardware import Site
from quarterdeck.core.jobs.events import Placed
from quarterdeck.ports.store import Active, JobRecord, SiteRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.events import SiteReported
    from quarterdeck.core.jobs.events import JobEvent
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.jobs.states import JobState
    from quarterdeck.ports.store import JobFilter, KeptReply, Record, Transaction

T = TypeVar("T")


class MemoryStore:
    """A `Store` whose truth is a list of records and the jobs they led to."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.records: list[Record] = []
        self.jobs: dict[JobId, Job] = {}
        self.sites: dict[str, Site] = {}
        self.replies: dict[str, KeptReply] = {}

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run the work on a layer of its own, then lay it over what is there."""
        with self.lock:
            layer = _Layer(self)
            result = work(layer)
            layer.keep()
            return result

    def find_job(self, job_id: JobId) -> Job | None:
        """The job, or None."""
        with self.lock:
            return self.jobs.get(job_id)

    def list_jobs(self, wanted: JobFilter) -> list[Job]:
        """One page, newest first: jobs are kept in the order in which they came."""
        with self.lock:
            newest_first = reversed(self.jobs.values())
            page: list[Job] = []
            is_past = wanted.before is None
            for job in newest_first:
                if len(page) == wanted.limit:
                    break
                if not is_past:
                    is_past = job.id == wanted.before
                elif (not wanted.states or job.state in wanted.states) and (
                    wanted.name in (None, job.spec.name)
                ):
                    page.append(job)
            return page

    def count_jobs(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        with self.lock:
            return dict(Counter(job.state for job in self.jobs.values()))

    def load_active(self) -> Active:
        """Unfinished jobs, sites and the head of the log."""
        with self.lock:
            unfinished = tuple(job for job in self.jobs.values() if not job.state.is_final)
            return Active(len(self.records), unfinished, tuple(self.sites.values()))

    def list_records(
        self, after: int, *, limit: int = 1000, job_id: JobId | None = None
    ) -> list[Record]:
        """Records with a higher `seq`; the record with `seq` n is number n - 1 of the list."""
        with self.lock:
            if job_id is None:
                return self.records[max(0, after) : max(0, after) + limit]
            its_own = (
                record
                for record in self.records[max(0, after) :]
                if isinstance(record, JobRecord) and record.job_id == job_id
            )
            return [record for record, _ in zip(its_own, range(limit), strict=False)]

    def head(self) -> int:
        """The last `seq`."""
        with self.lock:
            return len(self.records)

    def replace_jobs(self, jobs: Iterator[Job], sites: Iterator[Site]) -> None:
        """Put these in place of what is there, in the order in which they were submitted."""
        new_jobs = {job.id: job for job in jobs}
        new_sites = {site.name: site for site in sites}
        with self.lock:
            born = [
                record.job_id
                for record in self.records
                if isinstance(record, JobRecord) and record.revision == 1
            ]
            self.jobs = {job_id: new_jobs[job_id] for job_id in born if job_id in new_jobs}
            self.sites = new_sites

    def close(self) -> None:
        """Nothing to let go of."""


class _Layer:
    """A `Transaction`: what its work wrote so far, over the store."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._records: list[Record] = []
        self._jobs: dict[JobId, Job] = {}
        self._sites: dict[str, Site] = {}
        self._replies: dict[str, KeptReply] = {}
        self._replies_before_ns: int | None = None

    def find_job(self, job_id: JobId) -> Job | None:
        return self._jobs.get(job_id) or self._store.jobs.get(job_id)

    def append(self, before: Job | None, events: Sequence[JobEvent], after: Job) -> None:
        present = self.find_job(after.id)
        revision = before.revision if before is not None else 0
        if (present.revision if present is not None else 0) != revision:
            raise Stale(f"job {after.id} has changed meanwhile", hint="look again")
        for number, event in enumerate(events, start=revision + 1):
            self._records.append(JobRecord(self._next_seq(), after.id, number, event))
        self._jobs[after.id] = after

    def append_site(self, event: SiteReported) -> None:
        self._records.append(SiteRecord(self._next_seq(), event))
        self._sites[event.site] = Site(event.site, event.nodes)

    def has_capacity_news(self, after: int) -> bool:
        return any(
            isinstance(record, SiteRecord) or isinstance(record.event, Placed)
            for record in (*self._store.records[max(0, after) :], *self._records)
            if record.seq > after
        )

    def find_reply(self, key: str) -> KeptReply | None:
        reply = self._replies.get(key) or self._store.replies.get(key)
        floor = self._replies_before_ns
        return None if reply is None or (floor is not None and reply.at_ns < floor) else reply

    def keep_reply(self, reply: KeptReply) -> None:
        if self.find_reply(reply.key) is not None:
            raise Conflict(f"the key {reply.key!r} has a reply", hint="use a new key")
        self._replies[reply.key] = reply

    def drop_replies(self, before_ns: int) -> int:
        old = [key for key, reply in self._store.replies.items() if reply.at_ns < before_ns]
        self._replies_before_ns = max(before_ns, self._replies_before_ns or before_ns)
        return len(old)

    def keep(self) -> None:
        """The work has returned: lay what it wrote over the store."""
        store = self._store
        floor = self._replies_before_ns
        if floor is not None:
            store.replies = {k: r for k, r in store.replies.items() if r.at_ns >= floor}
        store.records += self._records
        store.jobs.update(self._jobs)
        store.sites.update(self._sites)
        store.replies.update(self._replies)

    def _next_seq(self) -> int:
        return len(self._store.records) + len(self._records) + 1
