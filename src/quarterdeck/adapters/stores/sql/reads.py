"""Questions to the database. Each sees everything that was committed before it began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import func, select

from quarterdeck.adapters.stores.sql.codec import decode_job, decode_record, decode_site
from quarterdeck.adapters.stores.sql.schema import EVENTS, JOBS, SITES
from quarterdeck.core.jobs.states import FINAL_STATES, JobState
from quarterdeck.ports.store import Active

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import JobFilter, Record

_UNFINISHED: Final = tuple(sorted(state.value for state in JobState if state not in FINAL_STATES))


def find_job(connection: Connection, job_id: JobId) -> Job | None:
    """The job, or None."""
    query = select(JOBS.c.document).where(JOBS.c.job_id == job_id)
    document = connection.execute(query).scalar()
    return decode_job(document) if document is not None else None


def list_jobs(connection: Connection, wanted: JobFilter) -> list[Job]:
    """One page, newest first."""
    query = select(JOBS.c.document).order_by(JOBS.c.submitted_seq.desc()).limit(wanted.limit)
    if wanted.states:
        query = query.where(JOBS.c.state.in_([state.value for state in wanted.states]))
    if wanted.name is not None:
        query = query.where(JOBS.c.name == wanted.name)
    if wanted.before is not None:
        cursor = select(JOBS.c.submitted_seq).where(JOBS.c.job_id == wanted.before)
        query = query.where(JOBS.c.submitted_seq < cursor.scalar_subquery())
    return [decode_job(document) for document in connection.execute(query).scalars()]


def count_jobs(connection: Connection) -> dict[JobState, int]:
    """How many jobs are in each state."""
    query = select(JOBS.c.state, func.count()).group_by(JOBS.c.state)
    return {JobState(state): count for state, count in connection.execute(query)}


def load_active(connection: Connection) -> Active:
    """Unfinished jobs in the order in which they came, sites, and the head of the log."""
    jobs = (
        select(JOBS.c.document).where(JOBS.c.state.in_(_UNFINISHED)).order_by(JOBS.c.submitted_seq)
    )
    sites = select(SITES.c.document).order_by(SITES.c.name)
    return Active(
        head(connection),
        tuple(decode_job(document) for document in connection.execute(jobs).scalars()),
        tuple(decode_site(document) for document in connection.execute(sites).scalars()),
    )


def list_records(
    connection: Connection, after: int, limit: int, job_id: JobId | None
) -> list[Record]:
    """Log entries after a place."""
    query = select(EVENTS).where(EVENTS.c.seq > after).order_by(EVENTS.c.seq).limit(limit)
    if job_id is not None:
        query = query.where(EVENTS.c.job_id == job_id)
    return [decode_record(*row) for row in connection.execute(query)]


def head(connection: Connection) -> int:
    """The last `seq`, or 0."""
    return int(connection.execute(select(func.coalesce(func.max(EVENTS.c.seq), 0))).scalar_one())
