"""Reads: each sees everything that was committed before it began, whoever wrote it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from quarterdeck.adapters.stores.sql import schema
from quarterdeck.adapters.stores.sql.codec import decode_job, decode_record, decode_site
from quarterdeck.adapters.stores.sql.database import as_unavailable
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.ledger.usage import DAYS_MAX, Used
from quarterdeck.ports.store import Active, JobFilter, Record, SiteRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy.engine import Connection

    from quarterdeck.adapters.stores.sql.database import Database
    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import Whose

T = TypeVar("T")


class Reads:
    """The reading half of the store. Any thread may call it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find_job(self, job_id: JobId) -> Job | None:
        """The job, or None."""
        statement = self._database.statements.find_job
        row = self._ask(lambda connection: statement.run(connection, job_id=job_id).first())
        return decode_job(row[0]) if row is not None else None

    def list_jobs(self, wanted: JobFilter) -> list[Job]:
        """One page, newest first."""
        query = _page(wanted)
        rows = self._ask(lambda connection: connection.execute(query).all())
        return [decode_job(document) for (document,) in rows]

    def count_jobs(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        state = schema.jobs.c.state
        query = sa.select(state, sa.func.count()).group_by(state)
        rows = self._ask(lambda connection: connection.execute(query).all())
        return {JobState(name): count for name, count in rows}

    def count_waiting(self, whose: Whose, name: str) -> int:
        """How many tasks of a team or an owner wait."""
        statement = self._database.statements.count_waiting[whose]
        return int(self._ask(lambda at: statement.run(at, whose=name).scalar_one()))

    def load_active(self) -> Active:
        """Unfinished jobs, oldest first, and sites, of one instant."""
        jobs, sites = schema.jobs.c, schema.sites.c
        unfinished = [state.value for state in JobState if not state.is_final]
        of_jobs = (
            sa.select(jobs.document).where(jobs.state.in_(unfinished)).order_by(jobs.submitted_seq)
        )
        of_sites = sa.select(sites.document).order_by(sites.name)
        used = schema.used.c
        newest = sa.select(sa.func.max(used.day)).scalar_subquery()
        of_used = sa.select(used.team, used.owner, used.day, used.gpu_ms).where(
            used.day > newest - DAYS_MAX
        )

        def load() -> Active:
            with self._database.reading() as connection:
                head = self._database.statements.head.run(connection).scalar_one()
                return Active(
                    head,
                    tuple(decode_job(text) for text in connection.execute(of_jobs).scalars()),
                    tuple(decode_site(text) for text in connection.execute(of_sites).scalars()),
                    tuple(Used(*row) for row in sorted(map(tuple, connection.execute(of_used)))),
                )

        return self._retry(load)

    def list_records(self, after: int, limit: int, job_id: JobId | None) -> list[Record]:
        """Log entries after a place."""
        said = self._database.statements
        if job_id is None:
            rows = self._ask(lambda at: said.list_records.run(at, after=after, limit=limit).all())
        else:
            of_job = said.list_records_of_job
            rows = self._ask(
                lambda at: of_job.run(at, after=after, limit=limit, job_id=job_id).all()
            )
        return [decode_record(row[0], row[1], row[2], row[3], row[4]) for row in rows]

    def list_reports(self, site: str, before_ns: int, limit: int) -> list[SiteRecord]:
        """Old reports of a site."""
        said = self._database.statements.list_reports
        rows = self._ask(lambda at: said.run(at, site=site, before_ns=before_ns, limit=limit).all())
        records = (decode_record(row[0], row[1], row[2], row[3], row[4]) for row in rows)
        return [record for record in records if isinstance(record, SiteRecord)]

    def list_finished(self, before_ns: int, limit: int) -> list[Job]:
        """Finished jobs whose last event is older than that, without the one at the log's head."""
        jobs, events = schema.jobs.c, schema.events.c
        final = [state.value for state in JobState if state.is_final]
        last = sa.and_(events.job_id == jobs.job_id, events.revision == jobs.revision)
        head = sa.select(sa.func.max(events.seq)).correlate(None).scalar_subquery()
        query = (
            sa.select(jobs.document)
            .join(schema.events, last)
            .where(jobs.state.in_(final), events.at_ns < before_ns, events.seq != head)
            .order_by(jobs.submitted_seq)
            .limit(limit)
        )
        rows = self._ask(lambda connection: connection.execute(query).all())
        return [decode_job(document) for (document,) in rows]

    def head(self) -> int:
        """The last `seq`."""
        statement = self._database.statements.head
        return int(self._ask(lambda connection: statement.run(connection).scalar_one()))

    def _ask(self, question: Callable[[Connection], T]) -> T:
        def ask() -> T:
            with self._database.connect() as connection:
                return question(connection)

        return self._retry(ask)

    def _retry(self, read: Callable[[], T]) -> T:
        """A pooled connection may have been lost while it was idle; reading twice harms nobody."""
        with as_unavailable():
            try:
                return read()
            except DBAPIError as error:
                if not error.connection_invalidated:
                    raise
            self._database.forget_idle()
            return read()


def _page(wanted: JobFilter) -> sa.Select[str]:
    jobs = schema.jobs.c
    query = sa.select(jobs.document).order_by(jobs.submitted_seq.desc()).limit(wanted.limit)
    if wanted.teams is not None:
        query = query.where(jobs.team.in_(wanted.teams))
    if wanted.owner is not None:
        query = query.where(jobs.owner == wanted.owner)
    if wanted.states:
        query = query.where(jobs.state.in_([state.value for state in wanted.states]))
    if wanted.name is not None:
        query = query.where(jobs.name == wanted.name)
    tags = schema.job_tags.c
    for key, value in wanted.tags:
        tagged = sa.select(tags.submitted_seq).where(tags.key == key, tags.value == value)
        query = query.where(jobs.submitted_seq.in_(tagged))
    if wanted.before is not None:
        cursor = sa.select(jobs.submitted_seq).where(jobs.job_id == wanted.before)
        query = query.where(jobs.submitted_seq < cursor.scalar_subquery())
    return query
