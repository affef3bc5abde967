"""Changes of jobs' states, read from the event log.

The events themselves do not say whether a state changed; that is `evolve`'s to say. So each job is
followed through its events, and what was found is remembered for a while: those who read the same
stretch of the log one after the other cost little more than one.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.ports.store import JobRecord

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.jobs.reasons import Reason
    from quarterdeck.core.jobs.states import JobState
    from quarterdeck.ports.store import Store

JOBS_MAX: Final = 256
CHANGES_MAX: Final = 4096
PAGE: Final = 2000


@dataclass(frozen=True, slots=True)
class Change:
    """A job came into a state, at place `seq` of the log, and how it then was."""

    seq: int
    at_ns: int
    job_id: JobId
    name: str
    owner: str
    team: str
    state: JobState
    reason: Reason | None
    message: str
    attempt: int | None
    exit_code: int | None


class Changes:
    """See the module. Any thread may call it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._jobs: OrderedDict[JobId, Job] = OrderedDict()
        self._known: OrderedDict[int, Change | None] = OrderedDict()

    def head(self) -> int:
        """The end of the log."""
        return self._store.head()

    def read(self, after: int, limit: int) -> tuple[list[Change], int]:
        """The changes among the next `limit` entries after a place of the log, and the place
        where to go on; the same place when nothing has come."""
        records = self._store.list_records(after, limit=limit)
        found = []
        with self._lock:
            for record in records:
                if isinstance(record, JobRecord):
                    change = self._change_of(record)
                    if change is not None:
                        found.append(change)
        return found, records[-1].seq if records else after

    def _change_of(self, record: JobRecord) -> Change | None:
        if record.seq in self._known:
            return self._known[record.seq]
        before = self._job_before(record)
        after = evolve(before, record.job_id, record.event)
        is_new_state = before is None or before.state is not after.state
        change = _change(record, after) if is_new_state else None
        self._jobs[record.job_id] = after
        self._jobs.move_to_end(record.job_id)
        self._known[record.seq] = change
        if len(self._jobs) > JOBS_MAX:
            self._jobs.popitem(last=False)
        if len(self._known) > CHANGES_MAX:
            self._known.popitem(last=False)
        return change

    def _job_before(self, record: JobRecord) -> Job | None:
        """The job as it was before the event: remembered, or told again from its beginning."""
        job = self._jobs.get(record.job_id)
        if job is not None and job.revision == record.revision - 1:
            return job
        job, after = None, 0
        while (job.revision if job else 0) < record.revision - 1:
            past = self._store.list_records(after, limit=PAGE, job_id=record.job_id)
            assert past, f"the log lacks the beginning of job {record.job_id}"
            for one in past:
                if isinstance(one, JobRecord) and one.revision < record.revision:
                    job = evolve(job, one.job_id, one.event)
                after = one.seq
        return job


def _change(record: JobRecord, job: Job) -> Change:
    return Change(
        seq=record.seq,
        at_ns=record.event.at_ns,
        job_id=job.id,
        name=job.spec.name,
        owner=job.actor,
        team=job.spec.team,
        state=job.state,
        reason=job.reason,
        message=job.message,
        attempt=job.attempt.number if job.attempt else None,
        exit_code=job.exit_code,
    )
