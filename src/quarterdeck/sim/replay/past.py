"""A store's past: what a board would have read when the log of events ended earlier."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

from quarterdeck.core.cluster.events import evolve_site
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.ports.store import Active, JobRecord

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.hardware import Site
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import History, Record

PAGE: Final = 2000
EVENTS_MAX: Final = 1_000_000


class Telling:
    """The unfinished jobs and the sites at one place of the log after the other, told from its
    beginning."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._head = 0
        self._jobs: dict[JobId, tuple[int, Job]] = {}
        self._sites: dict[str, Site] = {}

    def active_at(self, head: int) -> Active:
        """As a store would have loaded them then; `head` never goes back."""
        assert head >= self._head, (head, self._head)
        while self._head < head:
            records = self._history.list_records(self._head, limit=min(PAGE, head - self._head))
            for record in records:
                if record.seq <= head:
                    self._take(record)
            self._head = min(head, records[-1].seq) if records else head
        in_order = sorted(self._jobs.values(), key=lambda pair: pair[0])
        sites = sorted(self._sites.values(), key=lambda site: site.name)
        return Active(head, tuple(job for _, job in in_order), tuple(sites))

    def _take(self, record: Record) -> None:
        if not isinstance(record, JobRecord):
            name = record.event.site
            self._sites[name] = evolve_site(self._sites.get(name), record.event)
            return
        seq, before = self._jobs.pop(record.job_id, (record.seq, None))
        if before is None and record.revision > 1:
            seq, before = self._reopened(record)
        after = evolve(before, record.job_id, record.event)
        if not after.state.is_final:
            self._jobs[after.id] = (seq, after)

    def _reopened(self, record: JobRecord) -> tuple[int, Job | None]:
        """A finished job that goes on, and the place of the log where it was submitted."""
        past = self._history.list_records(0, limit=EVENTS_MAX, job_id=record.job_id)
        job: Job | None = None
        for one in past:
            if one.seq < record.seq and isinstance(one, JobRecord):
                job = evolve(job, one.job_id, one.event)
        return past[0].seq, job


class Past:
    """A `History` that ends at `head`, which may be moved on. For a board, which reads it in order.

    `gone` counts the places of the log that were passed and are empty: events of jobs that
    retention has dropped.
    """

    def __init__(self, history: History, active: Active) -> None:
        self.head = active.head
        self.gone = 0
        self._history = history
        self._active = active
        self._read: deque[Record] = deque()
        self._read_to = active.head

    def load_active(self) -> Active:
        """What was unfinished where it began."""
        return self._active

    def list_records(
        self, after: int, *, limit: int = 1000, job_id: JobId | None = None
    ) -> list[Record]:
        """The entries of the log up to `head`."""
        if job_id is not None:
            found = self._history.list_records(after, limit=limit, job_id=job_id)
            return [record for record in found if record.seq <= self.head]
        while self._read and self._read[0].seq <= after:
            self._read.popleft()
        while self._read_to < self.head:
            page = self._history.list_records(self._read_to, limit=PAGE)
            if not page:
                break
            self.gone += page[-1].seq - self._read_to - len(page)
            self._read_to = page[-1].seq
            self._read += page
        listed: list[Record] = []
        for record in self._read:
            if record.seq > self.head or len(listed) == limit:
                break
            listed.append(record)
        return listed
