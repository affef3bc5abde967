"""The one writer: many transactions, one commit.

Callers hand in their work and wait. The writer takes all that wait, runs them one after the other
in one database transaction and commits once, so that the cost of a sync is shared by all of them.
In PostgreSQL an advisory lock makes the order of commits the order of the log, also among several
servers.
"""

from __future__ import annotations

import queue
import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from sqlalchemy import bindparam, delete, func, insert, select, text, update
from sqlalchemy.exc import SQLAlchemyError

from quarterdeck.adapters.stores.sql.codec import CAPACITY_KINDS, decode_job, encode
from quarterdeck.adapters.stores.sql.failures import as_unavailable
from quarterdeck.adapters.stores.sql.layers import Layer, Written
from quarterdeck.adapters.stores.sql.schema import EVENTS, JOBS, REPLIES, SITES
from quarterdeck.basics.errors import Unavailable
from quarterdeck.ports.store import KeptReply

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection, Engine

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import Transaction

T = TypeVar("T")
BATCH_MAX: Final = 512
CACHED_JOBS_MAX: Final = 20_000
LOG_LOCK: Final = 0x71_64_6C_6F_67
"""The advisory lock of the log: "qdlog" in ASCII."""

_HEAD: Final = select(func.coalesce(func.max(EVENTS.c.seq), 0))


class Writer:
    """Owns the only connection that writes."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: queue.SimpleQueue[_Asked[Any] | None] = queue.SimpleQueue()
        self._cache = _JobCache()
        self._lock = threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Hand the work in, wait for the commit."""
        return self._ask(_Asked(work))

    def alone(self, work: Callable[[Connection], T]) -> T:
        """Run work on the connection itself, as a commit of its own."""
        return self._ask(_Asked(None, work))

    def close(self) -> None:
        """Finish what was handed in, then end."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._waiting.put(None)
        self._thread.join()

    def _ask(self, asked: _Asked[T]) -> T:
        with self._lock:
            if self._is_closed:
                raise Unavailable("the store is closed", hint="the server is going down")
            self._waiting.put(asked)
        return asked.future.result()

    def _run(self) -> None:
        is_last = False
        while not is_last:
            batch, is_last = self._take()
            shared = [asked for asked in batch if asked.on_connection is None]
            for asked in batch:
                if asked.on_connection is not None:
                    self._cache.clear()
                    self._commit_alone(asked)
            if shared:
                self._commit(shared)

    def _take(self) -> tuple[list[_Asked[Any]], bool]:
        """Everything that waits now, at least one."""
        batch: list[_Asked[Any]] = []
        asked = self._waiting.get()
        while asked is not None:
            batch.append(asked)
            if len(batch) == BATCH_MAX or self._waiting.empty():
                return batch, False
            asked = self._waiting.get()
        return batch, True

    def _commit(self, batch: list[_Asked[Any]]) -> None:
        try:
            with self._engine.begin() as connection:
                head = _lock_log(connection)
                self._cache.trust(head)
                below = _Committed(connection, self._cache)
                written = Written(head)
                outcomes = [_run_work(asked, written, below) for asked in batch]
                _write(connection, written)
            self._cache.keep(written)
        except SQLAlchemyError as error:
            self._cache.clear()
            for asked in batch:
                asked.future.set_exception(as_unavailable(error))
            return
        for asked, result, failure in outcomes:
            if failure is not None:
                asked.future.set_exception(failure)
            else:
                asked.future.set_result(result)

    def _commit_alone(self, asked: _Asked[Any]) -> None:
        assert asked.on_connection is not None
        try:
            with self._engine.begin() as connection:
                _lock_log(connection)
                result = asked.on_connection(connection)
        except SQLAlchemyError as error:
            asked.future.set_exception(as_unavailable(error))
        except BaseException as error:  # noqa: BLE001 - it is the caller's, and raised there
            asked.future.set_exception(error)
        else:
            asked.future.set_result(result)


class _Asked(Generic[T]):
    """Work that waits, and where its outcome goes."""

    def __init__(
        self,
        work: Callable[[Transaction], T] | None,
        on_connection: Callable[[Connection], T] | None = None,
    ) -> None:
        self.work = work
        self.on_connection = on_connection
        self.future: Future[T] = Future()


class _JobCache:
    """Jobs as last committed. Worth nothing once somebody else has written to the log."""

    def __init__(self) -> None:
        self._jobs: OrderedDict[JobId, Job] = OrderedDict()
        self._head = -1

    def trust(self, head: int) -> None:
        if head != self._head:
            self.clear()

    def find(self, job_id: JobId) -> Job | None:
        return self._jobs.get(job_id)

    def keep(self, written: Written) -> None:
        self._head = written.head
        for job_id, job in written.jobs.items():
            self._jobs.pop(job_id, None)
            if not job.state.is_final:
                self._jobs[job_id] = job
        while len(self._jobs) > CACHED_JOBS_MAX:
            self._jobs.popitem(last=False)

    def clear(self) -> None:
        self._jobs.clear()
        self._head = -1


class _Committed:
    """The database as the batch found it."""

    def __init__(self, connection: Connection, cache: _JobCache) -> None:
        self._connection = connection
        self._cache = cache

    def find_job(self, job_id: JobId) -> Job | None:
        cached = self._cache.find(job_id)
        if cached is not None:
            return cached
        query = select(JOBS.c.document).where(JOBS.c.job_id == job_id)
        document = self._connection.execute(query).scalar()
        return decode_job(document) if document is not None else None

    def find_reply(self, key: str) -> KeptReply | None:
        query = select(REPLIES).where(REPLIES.c.key == key)
        row = self._connection.execute(query).first()
        return KeptReply(row.key, row.request_digest, row.job_id, row.at_ns) if row else None

    def count_replies(self, before_ns: int) -> int:
        query = select(func.count()).select_from(REPLIES).where(REPLIES.c.at_ns < before_ns)
        return int(self._connection.execute(query).scalar_one())

    def has_capacity_news(self, after: int) -> bool:
        query = select(EVENTS.c.seq).where(EVENTS.c.seq > after, EVENTS.c.kind.in_(CAPACITY_KINDS))
        return self._connection.execute(query.limit(1)).first() is not None


def _run_work(
    asked: _Asked[Any], written: Written, below: _Committed
) -> tuple[_Asked[Any], Any, BaseException | None]:
    """One transaction of the batch; what it raises is its caller's alone, unless it is the
    database's."""
    assert asked.work is not None
    layer = Layer(written, below)
    try:
        result = asked.work(layer)
    except SQLAlchemyError:
        raise
    except BaseException as error:  # noqa: BLE001 - it is the caller's, and raised there
        return asked, None, error
    written.lay_over(layer.written)
    return asked, result, None


def _lock_log(connection: Connection) -> int:
    """Nobody else writes from here to the commit; the log's head."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOG_LOCK})
    return int(connection.execute(_HEAD).scalar_one())


def _write(connection: Connection, written: Written) -> None:
    if written.replies_before_ns:
        old = REPLIES.c.at_ns < written.replies_before_ns
        connection.execute(delete(REPLIES).where(old))
    if written.events:
        connection.execute(insert(EVENTS), written.events)
    _write_jobs(connection, written)
    for site in written.sites.values():
        connection.execute(delete(SITES).where(SITES.c.name == site.name))
        connection.execute(insert(SITES), [{"name": site.name, "document": encode(site)}])
    if written.replies:
        rows = [
            {"key": r.key, "request_digest": r.request_digest, "job_id": r.job_id, "at_ns": r.at_ns}
            for r in written.replies.values()
        ]
        connection.execute(insert(REPLIES), rows)


def _write_jobs(connection: Connection, written: Written) -> None:
    born, changed = [], []
    for job_id, job in written.jobs.items():
        if job_id in written.born:
            born.append(job_row(job, written.born[job_id]))
        else:
            row = {"b_job_id": job_id, "state": job.state.value, "document": encode(job)}
            changed.append(row)
    if born:
        connection.execute(insert(JOBS), born)
    if changed:
        connection.execute(_UPDATE_JOB, changed)


def job_row(job: Job, submitted_seq: int) -> dict[str, Any]:
    """A job as a row of its table."""
    return {
        "job_id": job.id,
        "submitted_seq": submitted_seq,
        "state": job.state.value,
        "name": job.spec.name,
        "document": encode(job),
    }


_UPDATE_JOB: Final = (
    update(JOBS)
    .where(JOBS.c.job_id == bindparam("b_job_id"))
    .values(state=bindparam("state"), document=bindparam("document"))
)
