"""A store in memory, for tests and the simulator. Nothing survives it."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import Counter
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from quarterdeck.adapters.stores.used import count_used, latest
from quarterdeck.basics.errors import Conflict, Stale
from quarterdeck.core.cluster.events import NodesChanged, SiteReported, evolve_site
from quarterdeck.core.jobs.events import Placed
from quarterdeck.ports.store import Active, JobFilter, JobRecord, KeptReply, Record, SiteRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from quarterdeck.adapters.stores.used import Place
    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.events import SiteEvent
    from quarterdeck.core.cluster.hardware import Site
    from quarterdeck.core.jobs.events import JobEvent
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.jobs.states import JobState
    from quarterdeck.ports.store import Transaction, Whose

T = TypeVar("T")


class MemoryStore:
    """See the module. `jobs` is in the order of submission, `log` in that of `seq`, which has gaps
    where jobs were dropped."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._is_busy = False
        self.jobs: dict[JobId, Job] = {}
        self.active: dict[JobId, Job] = {}
        self.sites: dict[str, Site] = {}
        self.log: list[Record] = []
        self.replies: dict[str, KeptReply] = {}
        self.used: Counter[Place] = Counter()
        self.capacity_seq = 0
        self._log_of: dict[JobId, list[JobRecord]] = {}

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run the work on a buffer, then take the buffer over."""
        with self._lock:
            assert not self._is_busy, "a work of the store called `transact`"
            self._is_busy = True
            try:
                buffer = _Buffer(self)
                outcome = work(buffer)
                self._take(buffer)
            finally:
                self._is_busy = False
        return outcome

    def find_job(self, job_id: JobId) -> Job | None:
        """The job, or None."""
        with self._lock:
            return self.jobs.get(job_id)

    def list_jobs(self, wanted: JobFilter) -> list[Job]:
        """One page of jobs, newest first."""
        with self._lock:
            if wanted.before is not None and wanted.before not in self.jobs:
                return []
            newest = reversed(self.jobs.values())
            if wanted.before is not None:
                for job in newest:
                    if job.id == wanted.before:
                        break
            matching = (job for job in newest if _matches(job, wanted))
            return list(islice(matching, wanted.limit))

    def count_jobs(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        with self._lock:
            return dict(Counter(job.state for job in self.jobs.values()))

    def count_waiting(self, whose: Whose, name: str) -> int:
        """How many tasks of a team or an owner wait."""
        with self._lock:
            return _count_waiting(self.active, whose, name)

    def load_active(self) -> Active:
        """Unfinished jobs, oldest first, and all sites."""
        with self._lock:
            jobs = (self.jobs[job_id] for job_id in self.jobs if job_id in self.active)
            sites = (self.sites[name] for name in sorted(self.sites))
            return Active(self.last_seq, tuple(jobs), tuple(sites), latest(self.used))

    def list_records(
        self, after: int, *, limit: int = 1000, job_id: JobId | None = None
    ) -> list[Record]:
        """Log entries after a place."""
        with self._lock:
            if job_id is None:
                start = bisect_right(self.log, after, key=lambda record: record.seq)
                return self.log[start : start + limit]
            later = (record for record in self._log_of.get(job_id, ()) if record.seq > after)
            return list(islice(later, limit))

    def list_reports(self, site: str, before_ns: int, *, limit: int) -> list[SiteRecord]:
        """Old reports of a site."""
        with self._lock:
            matching = (
                one
                for one in self.log
                if isinstance(one, SiteRecord)
                and isinstance(one.event, SiteReported | NodesChanged)
                and one.event.site == site
                and one.event.at_ns < before_ns
            )
            return list(islice(matching, limit))

    def head(self) -> int:
        """The last `seq`."""
        with self._lock:
            return self.last_seq

    @property
    def last_seq(self) -> int:
        """The same, for whoever holds the lock."""
        return self.log[-1].seq if self.log else 0

    def list_finished(self, before_ns: int, *, limit: int) -> list[Job]:
        """Finished jobs whose last event is older than that."""
        with self._lock:
            matching = (
                job
                for job in self.jobs.values()
                if job.state.is_final
                and self._log_of[job.id][-1].event.at_ns < before_ns
                and self.log_ends_elsewhere(job.id)
            )
            return list(islice(matching, limit))

    def replace_jobs(self, jobs: Iterator[Job], sites: Iterator[Site]) -> None:
        """Put these in place of all jobs and sites, jobs in the order in which they came."""
        given = {job.id: job for job in jobs}
        given_sites = {site.name: site for site in sites}
        with self._lock:
            for job_id in given:
                assert job_id in self._log_of, f"job {job_id} is not in the log"
            order = sorted(given, key=lambda job_id: self._log_of[job_id][0].seq)
            self.jobs = {job_id: given[job_id] for job_id in order}
            self.active = {key: job for key, job in self.jobs.items() if not job.state.is_final}
            self.sites = given_sites

    def log_ends_elsewhere(self, job_id: JobId) -> bool:
        """Whether the log's last entry is not of this job."""
        return self._log_of[job_id][-1].seq != self.last_seq

    def close(self) -> None:
        """There is nothing to let go of."""

    def _take(self, buffer: _Buffer) -> None:
        if buffer.dropped:
            self.log = [one for one in self.log if getattr(one, "job_id", "") not in buffer.dropped]
            for job_id in buffer.dropped:
                del self.jobs[job_id], self._log_of[job_id]
        if buffer.folded:
            folded = (buffer.folded.get(one.seq, one) for one in self.log)
            self.log = [one for one in folded if one is not None]
        for record in buffer.records:
            self.log.append(record)
            if isinstance(record, JobRecord):
                self._log_of.setdefault(record.job_id, []).append(record)
        self.used.update(buffer.used)
        self.capacity_seq = max(self.capacity_seq, buffer.capacity_seq)
        for job_id, job in buffer.jobs.items():
            self.jobs[job_id] = job
            if job.state.is_final:
                self.active.pop(job_id, None)
            else:
                self.active[job_id] = job
        self.sites.update(buffer.sites)
        if buffer.replies is not None:
            self.replies = buffer.replies


class _Buffer:
    """The transaction: what one work has written so far, over what the store holds."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self.records: list[Record] = []
        self.jobs: dict[JobId, Job] = {}
        self.sites: dict[str, Site] = {}
        self.replies: dict[str, KeptReply] | None = None
        self.used: Counter[Place] = Counter()
        self.capacity_seq = 0
        self.dropped: set[JobId] = set()
        self.folded: dict[int, Record | None] = {}

    def find_job(self, job_id: JobId) -> Job | None:
        """The job as this work or earlier ones left it."""
        if job_id in self.dropped:
            return None
        return self.jobs.get(job_id) or self._store.jobs.get(job_id)

    def count_waiting(self, whose: Whose, name: str) -> int:
        """How many tasks of a team or an owner wait."""
        return _count_waiting(self._store.active | self.jobs, whose, name)

    def find_taken(self, job_ids: Sequence[JobId]) -> set[JobId]:
        """Those that some job already has."""
        return {job_id for job_id in job_ids if self.find_job(job_id) is not None}

    def append(self, before: Job | None, events: Sequence[JobEvent], after: Job) -> None:
        """Write a job's events; `Stale` unless it is as `before` says."""
        known = self.find_job(after.id)
        held, wanted = known.revision if known else 0, before.revision if before else 0
        if held != wanted:
            raise Stale(f"job {after.id} has had {held} events, not {wanted}", hint="look again")
        assert events, f"nothing happened to job {after.id}"
        assert after.revision == held + len(events), f"{after.id}: {held}, {events}, {after}"
        for revision, event in enumerate(events, start=held + 1):
            self.records.append(JobRecord(self._next_seq(), after.id, revision, event))
            if isinstance(event, Placed):
                self.capacity_seq = self.records[-1].seq
        self.used.update(count_used(known, after.id, events))
        self.jobs[after.id] = after

    def find_site(self, name: str) -> Site | None:
        """The site as this work or earlier ones left it."""
        return self.sites.get(name) or self._store.sites.get(name)

    def append_site(self, event: SiteEvent) -> None:
        """Write what is new of a site."""
        self.capacity_seq = self._next_seq()
        self.records.append(SiteRecord(self.capacity_seq, event))
        self.sites[event.site] = evolve_site(self.find_site(event.site), event)

    def fold_reports(self, old: Sequence[SiteRecord], folded: SiteReported) -> None:
        """Put one report in the place of these."""
        self.folded |= {record.seq: None for record in old}
        self.folded[old[-1].seq] = SiteRecord(old[-1].seq, folded)

    def has_capacity_news(self, after: int) -> bool:
        """Whether capacity changed hands after a place of the log."""
        return max(self.capacity_seq, self._store.capacity_seq) > after

    def find_reply(self, key: str) -> KeptReply | None:
        """The reply under a key."""
        return self._kept().get(key)

    def keep_reply(self, reply: KeptReply) -> None:
        """Keep a reply under a key that has none."""
        if reply.key in self._kept():
            raise Conflict(f"a reply is already kept under {reply.key!r}", hint="use another key")
        self._own_replies()[reply.key] = reply

    def drop_replies(self, before_ns: int) -> int:
        """Forget older ones."""
        old = [key for key, reply in self._kept().items() if reply.at_ns < before_ns]
        for key in old:
            del self._own_replies()[key]
        return len(old)

    def drop_jobs(self, jobs: Sequence[Job]) -> None:
        """Forget finished jobs with all their events."""
        for job in jobs:
            known = self.find_job(job.id)
            if known is None or known.revision != job.revision:
                raise Stale(f"job {job.id} is not as it was", hint="look again")
            assert known.state.is_final, known.story
            assert self._store.log_ends_elsewhere(job.id), f"{job.id} has the last entry"
            self.dropped.add(job.id)

    def _kept(self) -> dict[str, KeptReply]:
        return self._store.replies if self.replies is None else self.replies

    def _own_replies(self) -> dict[str, KeptReply]:
        if self.replies is None:
            self.replies = dict(self._store.replies)
        return self.replies

    def _next_seq(self) -> int:
        return self._store.last_seq + len(self.records) + 1


def _matches(job: Job, wanted: JobFilter) -> bool:
    return (
        (not wanted.states or job.state in wanted.states)
        and wanted.name in (None, job.spec.name)
        and set(wanted.tags) <= set(job.spec.tags)
        and (wanted.teams is None or job.spec.team in wanted.teams)
        and wanted.owner in (None, job.actor)
    )


def _count_waiting(jobs: Mapping[JobId, Job], whose: Whose, name: str) -> int:
    mine = (
        one for one in jobs.values() if name == (one.spec.team if whose == "team" else one.actor)
    )
    return sum(job.waiting for job in mine)
