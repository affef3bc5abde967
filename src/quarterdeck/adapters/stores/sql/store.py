"""The store in a SQL database, as the port wants it."""

from __future__ import annotations

import threading
from itertools import islice
from typing import TYPE_CHECKING, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from quarterdeck.adapters.stores.sql import schema
from quarterdeck.adapters.stores.sql.calendar import SqlCalendar
from quarterdeck.adapters.stores.sql.codec import encode
from quarterdeck.adapters.stores.sql.database import as_unavailable, open_database, unavailable
from quarterdeck.adapters.stores.sql.directory import SqlDirectory
from quarterdeck.adapters.stores.sql.hooks import SqlHooks
from quarterdeck.adapters.stores.sql.reads import Reads
from quarterdeck.adapters.stores.sql.upgrade import upgrade
from quarterdeck.adapters.stores.sql.writer import Writer
from quarterdeck.adapters.stores.sql.writes import job_columns, tag_rows
from quarterdeck.basics.errors import Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection

    from quarterdeck.adapters.stores.sql.database import Database
    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.hardware import Site
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.jobs.states import JobState
    from quarterdeck.ports.store import (
        Active,
        JobFilter,
        Record,
        SiteRecord,
        Transaction,
        Whose,
    )

T = TypeVar("T")
REWRITE_BATCH: Final = 500


def open_store(address: str | Path, make_room: Callable[[], bool] = lambda: False) -> SqlStore:
    """The store at a path, a `sqlite:///PATH` or a `postgresql://…` address, made or brought up to
    date when need be. Raises `Invalid`, `Refused` or `Unavailable`; never shows the password.

    `make_room` is called when SQLite finds its disk full, and says whether it has freed anything.
    """
    database = open_database(address)
    try:
        upgrade(database)
    except BaseException as error:
        database.close()
        if isinstance(error, OperationalError):
            raise unavailable(error) from error
        if isinstance(error, SQLAlchemyError):
            raise Refused(
                f"the store cannot be used: {unavailable(error).message}",
                field="store",
                hint="it must be an empty database or one that Quarterdeck made",
            ) from error
        raise
    return SqlStore(database, make_room)


class SqlStore:
    """See `open_store`. Any thread may use it."""

    def __init__(self, database: Database, make_room: Callable[[], bool]) -> None:
        self._database = database
        self._make_room = make_room
        self._reads = Reads(database)
        self.hooks = SqlHooks(database)
        self.directory = SqlDirectory(database)
        self.calendar = SqlCalendar(database)
        self._writer = Writer(database)
        self._closing = threading.Lock()

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run the work in the next commit and wait until that is on disk.

        A SQLite that found the disk full has kept nothing, so once there is room the work is run
        again. Of PostgreSQL's disk nobody here knows what it kept, nor how to make room on it.
        """
        try:
            return self._writer.transact(work)
        except Unavailable as error:
            is_ours = error.code == "disk_full" and not self._database.is_postgres
            if not is_ours or not self._make_room():
                raise
        return self._writer.transact(work)

    def find_job(self, job_id: JobId) -> Job | None:
        """The job, or None."""
        return self._reads.find_job(job_id)

    def list_jobs(self, wanted: JobFilter) -> list[Job]:
        """One page of jobs, newest first."""
        return self._reads.list_jobs(wanted)

    def count_jobs(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        return self._reads.count_jobs()

    def count_waiting(self, whose: Whose, name: str) -> int:
        """How many tasks of a team or an owner wait."""
        return self._reads.count_waiting(whose, name)

    def load_active(self) -> Active:
        """Unfinished jobs, oldest first, and all sites, of one instant."""
        return self._reads.load_active()

    def list_records(
        self, after: int, *, limit: int = 1000, job_id: JobId | None = None
    ) -> list[Record]:
        """Log entries after a place."""
        return self._reads.list_records(after, limit, job_id)

    def list_reports(self, site: str, before_ns: int, *, limit: int) -> list[SiteRecord]:
        """Old reports of a site."""
        return self._reads.list_reports(site, before_ns, limit)

    def list_finished(self, before_ns: int, *, limit: int) -> list[Job]:
        """Finished jobs whose last event is older than that."""
        return self._reads.list_finished(before_ns, limit)

    def head(self) -> int:
        """The last `seq`."""
        return self._reads.head()

    def replace_jobs(self, jobs: Iterator[Job], sites: Iterator[Site]) -> None:
        """Put these in place of all jobs and sites, in one transaction of its own."""
        with as_unavailable(), self._database.writing() as connection:
            connection.execute(sa.delete(schema.jobs))
            connection.execute(sa.delete(schema.job_tags))
            connection.execute(sa.delete(schema.sites))
            while batch := list(islice(jobs, REWRITE_BATCH)):
                _add_jobs(connection, batch)
            rows = [{"name": site.name, "document": encode(site)} for site in sites]
            if rows:
                connection.execute(sa.insert(schema.sites), rows)
            connection.execute(schema.count_rewrite)

    def close(self) -> None:
        """Finish what was accepted, then let go of the database."""
        with self._closing:
            self._writer.close()
            self._database.close()


def _add_jobs(connection: Connection, jobs: list[Job]) -> None:
    """The order of submission is the one in which the log first names them."""
    events = schema.events.c
    born = sa.select(events.job_id, events.seq).where(events.revision == 1)
    ids = [job.id for job in jobs]
    submitted_seq = {
        row[0]: row[1] for row in connection.execute(born.where(events.job_id.in_(ids)))
    }
    for job_id in ids:
        assert job_id in submitted_seq, f"job {job_id} is not in the log"
    rows = [
        {
            **job_columns(job, submitted_seq[job.id]),
            "revision": job.revision,
            "state": job.state.value,
            "waiting": job.waiting,
            "document": encode(job),
        }
        for job in jobs
    ]
    connection.execute(sa.insert(schema.jobs), rows)
    tags = [row for job in jobs for row in tag_rows(job, submitted_seq[job.id])]
    if tags:
        connection.execute(sa.insert(schema.job_tags), tags)
