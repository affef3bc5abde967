"""What transactions have written before it is in the database.

A batch collects the transactions of one commit. Each of them writes into a layer of its own, which
is laid over the batch when its work returned and dropped when its work raised. So one commit serves
many transactions, and none of them needs a savepoint.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from quarterdeck.adapters.stores.sql.codec import CAPACITY_KINDS, encode
from quarterdeck.basics.errors import Conflict, Stale
from quarterdeck.core.cluster.hardware import Site
from quarterdeck.ports.store import KeptReply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.events import SiteReported
    from quarterdeck.core.jobs.events import JobEvent
    from quarterdeck.core.jobs.job import Job


class Below(Protocol):
    """What lies under a layer: the database as the batch found it."""

    def find_job(self, job_id: JobId) -> Job | None:
        """The job as committed."""
        ...

    def find_reply(self, key: str) -> KeptReply | None:
        """The reply as committed."""
        ...

    def count_replies(self, before_ns: int) -> int:
        """How many committed replies are older."""
        ...

    def has_capacity_news(self, after: int) -> bool:
        """Whether the committed log holds any after that place."""
        ...


@dataclass(slots=True)
class Written:
    """Rows to write. `born` holds the `seq` of new jobs' first events."""

    head: int
    events: list[dict[str, Any]] = field(default_factory=list)
    jobs: dict[JobId, Job] = field(default_factory=dict)
    born: dict[JobId, int] = field(default_factory=dict)
    sites: dict[str, Site] = field(default_factory=dict)
    replies: dict[str, KeptReply] = field(default_factory=dict)
    replies_before_ns: int = 0

    def lay_over(self, upper: Written) -> None:
        """Take in what a transaction wrote."""
        self.head = upper.head
        self.events += upper.events
        self.jobs |= upper.jobs
        self.born |= upper.born
        self.sites |= upper.sites
        self.replies = {
            key: reply
            for key, reply in self.replies.items()
            if reply.at_ns >= upper.replies_before_ns
        } | upper.replies
        self.replies_before_ns = max(self.replies_before_ns, upper.replies_before_ns)


class Layer:
    """A `Transaction` over a batch over the database."""

    def __init__(self, batch: Written, below: Below) -> None:
        self._batch = batch
        self._below = below
        self.written = Written(batch.head)

    def find_job(self, job_id: JobId) -> Job | None:
        """From the nearest layer that has it."""
        return (
            self.written.jobs.get(job_id)
            or self._batch.jobs.get(job_id)
            or self._below.find_job(job_id)
        )

    def append(self, before: Job | None, events: Sequence[JobEvent], after: Job) -> None:
        """Write the events behind the log's head."""
        present = self.find_job(after.id)
        revision = before.revision if before is not None else 0
        if (present.revision if present is not None else 0) != revision:
            raise Stale(f"job {after.id} has changed meanwhile", hint="look again")
        for number, event in enumerate(events, start=revision + 1):
            self._add(type(event).__name__, after.id, number, encode(event))
        if before is None:
            self.written.born[after.id] = self.written.head - len(events) + 1
        self.written.jobs[after.id] = after

    def append_site(self, event: SiteReported) -> None:
        """Write the event, and the site that it makes."""
        self._add(type(event).__name__, None, None, encode(event))
        self.written.sites[event.site] = Site(event.site, event.nodes)

    def has_capacity_news(self, after: int) -> bool:
        """In this layer, in the batch, or below."""
        rows = (*self._batch.events, *self.written.events)
        return any(
            row["seq"] > after and row["kind"] in CAPACITY_KINDS for row in rows
        ) or self._below.has_capacity_news(after)

    def find_reply(self, key: str) -> KeptReply | None:
        """From the nearest layer that has it, unless a nearer one dropped it."""
        mine = self.written.replies.get(key)
        if mine is not None:
            return mine
        floor = self.written.replies_before_ns
        reply = self._batch.replies.get(key)
        if reply is None:
            floor = max(floor, self._batch.replies_before_ns)
            reply = self._below.find_reply(key)
        return reply if reply is not None and reply.at_ns >= floor else None

    def keep_reply(self, reply: KeptReply) -> None:
        """Write it; a key is written once."""
        if self.find_reply(reply.key) is not None:
            raise Conflict(f"the key {reply.key!r} has a reply", hint="use a new key")
        self.written.replies[reply.key] = reply

    def drop_replies(self, before_ns: int) -> int:
        """Let older ones be deleted with the commit."""
        self.written.replies_before_ns = max(self.written.replies_before_ns, before_ns)
        return self._below.count_replies(before_ns)

    def _add(self, kind: str, job_id: JobId | None, revision: int | None, data: str) -> None:
        self.written.head += 1
        self.written.events.append(
            {
                "seq": self.written.head,
                "kind": kind,
                "job_id": job_id,
                "revision": revision,
                "data": data,
            }
        )
