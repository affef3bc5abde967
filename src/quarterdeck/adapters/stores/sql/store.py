"""The store on SQLite or PostgreSQL: one writer, as many readers as there are threads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import SQLAlchemyError

from quarterdeck.adapters.stores.sql import reads
from quarterdeck.adapters.stores.sql.codec import encode
from quarterdeck.adapters.stores.sql.engines import make_engines
from quarterdeck.adapters.stores.sql.failures import as_unavailable
from quarterdeck.adapters.stores.sql.schema import EVENTS, JOBS, SITES
from quarterdeck.adapters.stores.sql.upgrade import upgrade
from quarterdeck.adapters.stores.sql.writer import Writer, job_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Engine

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.hardware import Site
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.jobs.states import JobState
    from quarterdeck.ports.store import Active, JobFilter, Record, Transaction

T = TypeVar("T")


def open_store(url: str) -> SqlStore:
    """The store at `sqlite:///PATH` or `postgresql://…`, its tables made or brought up to date.

    Raises `Refused` for an address that cannot be used or a database newer than this version, and
    `Unavailable` when the database does not answer.
    """
    writing, reading = make_engines(url)
    try:
        upgrade(writing)
    except SQLAlchemyError as error:
        raise as_unavailable(error) from None
    return SqlStore(writing, reading)


class SqlStore:
    """A `Store` on a database."""

    def __init__(self, writing: Engine, reading: Engine) -> None:
        self._engines = (writing, reading)
        self._reading = reading
        self._writer = Writer(writing)

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Run the work with others in one commit."""
        return self._writer.transact(work)

    def find_job(self, job_id: JobId) -> Job | None:
        """The job, or None."""
        return self._read(lambda connection: reads.find_job(connection, job_id))

    def list_jobs(self, wanted: JobFilter) -> list[Job]:
        """One page, newest first."""
        return self._read(lambda connection: reads.list_jobs(connection, wanted))

    def count_jobs(self) -> dict[JobState, int]:
        """How many jobs are in each state."""
        return self._read(reads.count_jobs)

    def load_active(self) -> Active:
        """Unfinished jobs, sites and the head of the log, as of one instant."""
        return self._read(reads.load_active)

    def list_records(
        self, after: int, *, limit: int = 1000, job_id: JobId | None = None
    ) -> list[Record]:
        """Log entries after a place."""
        return self._read(lambda connection: reads.list_records(connection, after, limit, job_id))

    def head(self) -> int:
        """The last `seq`."""
        return self._read(reads.head)

    def replace_jobs(self, jobs: Iterator[Job], sites: Iterator[Site]) -> None:
        """Put these in place of what is there, in one commit."""
        self._writer.alone(lambda connection: _replace(connection, jobs, sites))

    def close(self) -> None:
        """Finish what was handed in, then close every connection."""
        self._writer.close()
        for engine in self._engines:
            engine.dispose()

    def _read(self, question: Callable[[Connection], T]) -> T:
        try:
            with self._reading.begin() as connection:
                return question(connection)
        except SQLAlchemyError as error:
            raise as_unavailable(error) from None


def _replace(connection: Connection, jobs: Iterator[Job], sites: Iterator[Site]) -> None:
    query = select(EVENTS.c.job_id, EVENTS.c.seq).where(EVENTS.c.revision == 1)
    born = {row.job_id: row.seq for row in connection.execute(query)}
    connection.execute(delete(JOBS))
    connection.execute(delete(SITES))
    rows: list[dict[str, Any]] = [job_row(job, born[job.id]) for job in jobs]
    if rows:
        connection.execute(insert(JOBS), rows)
    placed = [{"name": site.name, "document": encode(site)} for site in sites]
    if placed:
        connection.execute(insert(SITES), placed)
