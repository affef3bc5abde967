"""One commit, and the transactions that share it.

A transaction writes into a buffer of its own. When its work has returned, the buffer is merged into
the batch, where the next transaction of the same commit sees it; when the work has raised, the
buffer is dropped. So one work's failure costs the others nothing, and the database sees the whole
batch as a few statements of many rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from quarterdeck.adapters.stores.sql import schema
from quarterdeck.adapters.stores.sql.codec import (
    CAPACITY_KINDS,
    check_text,
    decode_job,
    decode_site,
    encode,
)
from quarterdeck.adapters.stores.sql.database import unavailable
from quarterdeck.adapters.stores.sql.writes import (
    Values,
    Writes,
    event_row,
    job_columns,
    reply_row,
    tag_rows,
    used_rows,
)
from quarterdeck.adapters.stores.used import count_used
from quarterdeck.basics.errors import Conflict, Stale, Unavailable
from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.events import evolve_site
from quarterdeck.core.jobs.job import Job
from quarterdeck.ports.store import KeptReply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection, Row

    from quarterdeck.adapters.stores.sql.recent import Recent
    from quarterdeck.adapters.stores.sql.statements import Statement, Statements
    from quarterdeck.core.cluster.events import SiteEvent, SiteReported
    from quarterdeck.core.cluster.hardware import Site
    from quarterdeck.core.jobs.events import JobEvent
    from quarterdeck.ports.store import SiteRecord, Whose

IDS_AT_ONCE: Final = 500


class Batch:
    """The writes of one commit, over what the database holds under the writers' lock."""

    def __init__(self, connection: Connection, statements: Statements, recent: Recent) -> None:
        self._connection = connection
        self._statements = statements
        self._recent = recent
        self.head = recent.stamp.head
        self._capacity_seq = 0
        self._submitted_seq: dict[JobId, int] = {}
        self._waiting: dict[tuple[Whose, str], int] = {}
        self.writes = Writes()
        self.broken: Unavailable | None = None

    def find_job(self, job_id: JobId) -> Job | None:
        """The job as the batch, the last commits or the database have it."""
        known = self.writes.jobs
        if job_id in known:
            return known[job_id]
        job = self._recent.jobs.get(job_id)
        if job is None:
            row = self._ask(self._statements.find_job, job_id=job_id)
            job = decode_job(row[0]) if row is not None else None
        known[job_id] = job
        return job

    def find_site(self, name: str) -> Site | None:
        """The site as the batch or the database have it."""
        site = self.writes.sites.get(name)
        if site is None:
            row = self._ask(self._statements.find_site, name=name)
            site = decode_site(row[0]) if row is not None else None
        return site

    def find_taken(self, job_ids: Sequence[JobId]) -> set[JobId]:
        """Those that some job has. The others are remembered as not there."""
        known = self.writes.jobs
        taken = {job_id for job_id in job_ids if known.get(job_id) is not None}
        asked = [job_id for job_id in job_ids if job_id not in known]
        column = schema.jobs.c.job_id
        for first in range(0, len(asked), IDS_AT_ONCE):
            part = asked[first : first + IDS_AT_ONCE]
            taken |= self._ask_all(sa.select(column).where(column.in_(part)))
        known.update((job_id, None) for job_id in asked if job_id not in taken)
        return taken

    def find_reply(self, key: str) -> KeptReply | None:
        """The reply as the batch or the database have it."""
        reply = self.writes.replies.get(key)
        if reply is not None:
            return reply
        row = self._ask(self._statements.find_reply, key=key)
        if row is None or self.writes.has_dropped(row[2]):
            return None
        ids = tuple(JobId(job_id) for job_id in str(row[1]).split())
        return KeptReply(key, row[0], ids, row[2])

    def count_waiting(self, whose: Whose, name: str) -> int:
        """How many tasks of a team or an owner wait, as the batch has it."""
        key = (whose, name)
        if key not in self._waiting:
            row = self._ask(self._statements.count_waiting[whose], whose=name)
            self._waiting[key] = int(row[0]) if row is not None else 0
        return self._waiting[key] + self.writes.waiting[key]

    def count_replies(self, before_ns: int, since_ns: int) -> int:
        """How many the database has of an age."""
        row = self._ask(self._statements.count_replies, before_ns=before_ns, since_ns=since_ns)
        return int(row[0]) if row is not None else 0

    def has_capacity_news(self, after: int) -> bool:
        """Whether capacity changed hands after a place of the log."""
        recent = self._recent
        if max(self._capacity_seq, recent.capacity_seq) > after:
            return True
        if after >= recent.capacity_known_from:
            return False
        return self._ask(self._statements.has_capacity_news, after=after, limit=1) is not None

    def merge(self, new: Writes) -> None:
        """Take over what a work that has returned wrote; its events get their places now."""
        mine = self.writes
        for event in new.events:
            self.head += 1
            event["seq"] = self.head
            if event["kind"] in CAPACITY_KINDS:
                self._capacity_seq = self.head
            if event["revision"] == 1:
                self._submitted_seq[JobId(str(event["job_id"]))] = self.head
        mine.events += new.events
        mine.jobs.update(new.jobs)
        mine.documents.update(new.documents)
        mine.sites.update(new.sites)
        if new.dropped_before_ns is not None:
            mine.drop_replies(new.dropped_before_ns)
            mine.dropped_before_ns = max(mine.dropped_before_ns or 0, new.dropped_before_ns)
        mine.replies.update(new.replies)
        mine.dropped_jobs += new.dropped_jobs
        mine.dropped_entries += new.dropped_entries
        mine.changed_entries += new.changed_entries
        mine.waiting.update(new.waiting)
        mine.used.update(new.used)

    def flush(self) -> None:
        """Send it all to the database. Committing is the caller's."""
        to, writes, said = self._connection, self.writes, self._statements
        said.add_event.run_many(to, writes.events)
        added, changed = self._job_rows()
        said.add_job.run_many(to, added)
        said.change_job.run_many(to, changed)
        said.add_tag.run_many(to, self._tag_rows())
        said.add_used.run_many(to, used_rows(writes.used))
        said.put_site.run_many(
            to, [{"name": name, "document": encode(site)} for name, site in writes.sites.items()]
        )
        if writes.dropped_before_ns is not None:
            said.drop_replies.run(to, before_ns=writes.dropped_before_ns)
        said.add_reply.run_many(to, [reply_row(reply) for reply in writes.replies.values()])
        said.drop_entry.run_many(to, [{"of_seq": seq} for seq in writes.dropped_entries])
        said.change_entry.run_many(to, writes.changed_entries)
        if writes.dropped_jobs:
            rows = [{"of_job": job_id} for job_id in writes.dropped_jobs]
            said.drop_events.run_many(to, rows)
            said.drop_tags.run_many(to, rows)
            said.drop_job.run_many(to, rows)
            said.count_rewrite.run(to)

    def remember(self) -> None:
        """It is committed: the next batch may count on it."""
        held = {job_id: job for job_id, job in self.writes.jobs.items() if job is not None}
        self._recent.keep(self.head, held, self._capacity_seq)

    def _job_rows(self) -> tuple[list[Values], list[Values]]:
        added: list[Values] = []
        changed: list[Values] = []
        for job_id, document in self.writes.documents.items():
            job = self.writes.jobs[job_id]
            assert job is not None
            row: Values = {
                "revision": job.revision,
                "state": job.state.value,
                "waiting": job.waiting,
                "document": document,
            }
            submitted_seq = self._submitted_seq.get(job_id)
            if submitted_seq is None:
                changed.append({**row, "of_job": job_id})
            else:
                added.append({**row, **job_columns(job, submitted_seq)})
        return added, changed

    def _tag_rows(self) -> list[Values]:
        rows: list[Values] = []
        for job_id, submitted_seq in self._submitted_seq.items():
            job = self.writes.jobs[job_id]
            assert job is not None
            rows += tag_rows(job, submitted_seq)
        return rows

    def _ask_all(self, query: sa.Select[str]) -> set[JobId]:
        """The same as `_ask` for the first column of many rows."""
        if self.broken is not None:
            raise self.broken
        try:
            return {JobId(text) for text in self._connection.execute(query).scalars()}
        except SQLAlchemyError as error:
            self.broken = unavailable(error)
            raise self.broken from error

    def _ask(self, statement: Statement, **values: object) -> Row[*tuple[Any, ...]] | None:
        """One row. After an error nothing of this batch can be kept any more, whatever the work
        makes of it."""
        if self.broken is not None:
            raise self.broken
        try:
            return statement.run(self._connection, **values).first()
        except SQLAlchemyError as error:
            self.broken = unavailable(error)
            raise self.broken from error


class SqlTransaction:
    """The port's transaction: one work's writes over those of the batch."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self.writes = Writes()

    def drop_jobs(self, jobs: Sequence[Job]) -> None:
        """Forget finished jobs with all their events."""
        for job in jobs:
            known = self.find_job(job.id)
            if known is None or known.revision != job.revision:
                raise Stale(f"job {job.id} is not as it was", hint="look again")
            assert known.state.is_final, known.story
            self.writes.jobs[job.id] = None
            self.writes.dropped_jobs.append(job.id)

    def find_job(self, job_id: JobId) -> Job | None:
        """The job as this work or earlier ones left it."""
        if job_id in self.writes.jobs:
            return self.writes.jobs[job_id]
        return self._batch.find_job(job_id)

    def find_taken(self, job_ids: Sequence[JobId]) -> set[JobId]:
        """Those that some job already has."""
        mine = {job_id for job_id in job_ids if self.writes.jobs.get(job_id) is not None}
        return mine | self._batch.find_taken(job_ids)

    def append(self, before: Job | None, events: Sequence[JobEvent], after: Job) -> None:
        """Write a job's events; `Stale` unless it is as `before` says."""
        known = self.find_job(after.id)
        held, wanted = known.revision if known else 0, before.revision if before else 0
        if held != wanted:
            raise Stale(f"job {after.id} has had {held} events, not {wanted}", hint="look again")
        assert events, f"nothing happened to job {after.id}"
        assert after.revision == held + len(events), f"{after.id}: {held}, {events}, {after}"
        document = encode(after)
        job_id = check_text(after.id, "id")
        self.writes.events += [
            event_row(type(event).__name__, event.at_ns, encode(event), job_id, revision)
            for revision, event in enumerate(events, start=held + 1)
        ]
        self._count(known, after)
        self.writes.used.update(count_used(known, after.id, events))
        self.writes.jobs[after.id] = after
        self.writes.documents[after.id] = document

    def count_waiting(self, whose: Whose, name: str) -> int:
        """How many tasks of a team or an owner wait."""
        return self._batch.count_waiting(whose, name) + self.writes.waiting[whose, name]

    def _count(self, known: Job | None, after: Job) -> None:
        more = after.waiting - (known.waiting if known is not None else 0)
        if more:
            self.writes.waiting["team", after.spec.team] += more
            self.writes.waiting["owner", after.actor] += more

    def find_site(self, name: str) -> Site | None:
        """The site as this work or earlier ones left it."""
        return self.writes.sites.get(name) or self._batch.find_site(name)

    def append_site(self, event: SiteEvent) -> None:
        """Write what is new of a site."""
        name = check_text(event.site, "site")
        row = event_row(type(event).__name__, event.at_ns, encode(event), site=name)
        self.writes.sites[name] = evolve_site(self.find_site(name), event)
        self.writes.events.append(row)

    def fold_reports(self, old: Sequence[SiteRecord], folded: SiteReported) -> None:
        """Put one report in the place of these."""
        *dropped, last = old
        self.writes.dropped_entries += [record.seq for record in dropped]
        row: Values = {"kind": type(folded).__name__, "data": encode(folded)}
        self.writes.changed_entries.append({**row, "of_seq": last.seq})

    def has_capacity_news(self, after: int) -> bool:
        """Whether capacity changed hands after a place of the log."""
        place = self.writes.capacity_place
        is_own = place > 0 and self._batch.head + place > after
        return is_own or self._batch.has_capacity_news(after)

    def find_reply(self, key: str) -> KeptReply | None:
        """The reply under a key."""
        mine = self.writes.replies.get(key)
        if mine is not None:
            return mine
        reply = self._batch.find_reply(key)
        return None if reply is None or self.writes.has_dropped(reply.at_ns) else reply

    def keep_reply(self, reply: KeptReply) -> None:
        """Keep a reply under a key that has none."""
        for field, text in (("key", reply.key), ("request_digest", reply.request_digest)):
            check_text(text, field)
        if self.find_reply(reply.key) is not None:
            raise Conflict(f"a reply is already kept under {reply.key!r}", hint="use another key")
        self.writes.replies[reply.key] = reply

    def drop_replies(self, before_ns: int) -> int:
        """Forget older ones."""
        mine, batch = self.writes, self._batch.writes
        dropped = mine.drop_replies(before_ns)
        since_ns = max(mine.dropped_before_ns or 0, batch.dropped_before_ns or 0)
        if before_ns > since_ns:
            dropped += self._batch.count_replies(before_ns, since_ns)
        dropped += sum(
            not mine.has_dropped(reply.at_ns)
            for reply in batch.replies.values()
            if reply.at_ns < before_ns
        )
        mine.dropped_before_ns = max(mine.dropped_before_ns or 0, before_ns)
        return dropped
