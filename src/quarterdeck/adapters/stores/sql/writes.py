"""What transactions have written and the database does not have yet, and the rows it becomes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from quarterdeck.adapters.stores.sql.codec import CAPACITY_KINDS

if TYPE_CHECKING:
    from quarterdeck.adapters.stores.used import Place
    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.hardware import Site
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import KeptReply, Whose

Values = dict[str, object]


class Writes:
    """What was written and is not in the database yet. `jobs` has None for a job that was looked
    for and is not there."""

    def __init__(self) -> None:
        self.events: list[Values] = []
        self.jobs: dict[JobId, Job | None] = {}
        self.documents: dict[JobId, str] = {}
        self.sites: dict[str, Site] = {}
        self.replies: dict[str, KeptReply] = {}
        self.dropped_before_ns: int | None = None
        self.dropped_jobs: list[JobId] = []
        self.dropped_entries: list[int] = []
        self.changed_entries: list[Values] = []
        self.waiting: Counter[tuple[Whose, str]] = Counter()
        self.used: Counter[Place] = Counter()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        is_dropping = (
            self.dropped_jobs or self.changed_entries or self.dropped_before_ns is not None
        )
        return not (self.events or self.replies or is_dropping)

    @property
    def capacity_place(self) -> int:
        """The place among these events, from 1, of the last that is capacity news; 0 for none."""
        places = range(len(self.events), 0, -1)
        return next((n for n in places if self.events[n - 1]["kind"] in CAPACITY_KINDS), 0)

    def drop_replies(self, before_ns: int) -> int:
        """Forget those kept here that are older; says how many."""
        old = [key for key, reply in self.replies.items() if reply.at_ns < before_ns]
        for key in old:
            del self.replies[key]
        return len(old)

    def has_dropped(self, at_ns: int) -> bool:
        """Whether a reply of that age is dropped, if the database still has it."""
        return self.dropped_before_ns is not None and at_ns < self.dropped_before_ns


def job_columns(job: Job, submitted_seq: int) -> Values:
    """What a job is searched by and what of that never changes."""
    return {
        "job_id": job.id,
        "name": job.spec.name,
        "team": job.spec.team,
        "owner": job.actor,
        "submitted_seq": submitted_seq,
    }


def tag_rows(job: Job, submitted_seq: int) -> list[Values]:
    """The rows by which a job is found by its tags."""
    return [
        {"job_id": job.id, "key": key, "value": value, "submitted_seq": submitted_seq}
        for key, value in job.spec.tags
    ]


def used_rows(used: Counter[Place]) -> list[Values]:
    """What is to be added to what was used."""
    return [
        {"day": day, "team": team, "owner": owner, "gpu_ms": gpu_ms}
        for (team, owner, day), gpu_ms in used.items()
    ]


def event_row(
    kind: str,
    at_ns: int,
    data: str,
    job_id: str | None = None,
    revision: int | None = None,
    site: str | None = None,
) -> Values:
    """One entry of the log; its place is given when it is merged into a batch."""
    return {
        "kind": kind,
        "job_id": job_id,
        "site": site,
        "revision": revision,
        "at_ns": at_ns,
        "data": data,
    }


def reply_row(reply: KeptReply) -> Values:
    """What is kept under an idempotency key."""
    return {
        "key": reply.key,
        "request_digest": reply.request_digest,
        "job_ids": " ".join(reply.job_ids),
        "at_ns": reply.at_ns,
    }
