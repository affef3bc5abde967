"""The one writer: a thread that runs everybody's transactions and commits them in groups.

Whatever waits when a commit has ended, or comes right after, goes into the next one together, so
one sync to disk serves all of them, and a lone caller waits for nobody. Callers block until their
transaction is on disk.

When the outcome of a commit is not known (the connection broke), nothing is assumed: every caller
hears `Unavailable`, the connection is thrown away, and the next batch starts by looking at what the
database really holds. A caller that asks again is protected by revisions and idempotency keys.
"""

from __future__ import annotations

import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from sqlalchemy.exc import SQLAlchemyError

from quarterdeck.adapters.stores.sql.database import unavailable
from quarterdeck.adapters.stores.sql.recent import Recent, Stamp
from quarterdeck.adapters.stores.sql.transaction import Batch, SqlTransaction
from quarterdeck.basics.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.engine import Connection

    from quarterdeck.adapters.stores.sql.database import Database
    from quarterdeck.ports.store import Transaction

T = TypeVar("T")
GATHER_S: Final = 0.003
GATHER_ENOUGH: Final = 8
"""A commit costs ten times what a transaction does. So right after one, the next waits until this
many have come or so much time has passed; who comes alone after a pause is committed at once."""


class _Call:
    """One caller's work, and what came of it."""

    __slots__ = ("done", "error", "outcome", "work")

    def __init__(self, work: Callable[[Transaction], Any]) -> None:
        self.work = work
        self.outcome: Any = None
        self.error: BaseException | None = None
        self.done = threading.Event()


class Writer:
    """See the module."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._recent = Recent()
        self._connection: Connection | None = None
        self._wake = threading.Condition()
        self._waiting: list[_Call] = []
        self._is_closing = False
        self._committed_s = 0.0
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def transact(self, work: Callable[[Transaction], T]) -> T:
        """Have the work run, and wait until it is on disk."""
        assert threading.current_thread() is not self._thread, "a work called `transact`"
        call = _Call(work)
        with self._wake:
            if self._is_closing:
                raise Unavailable("the store is closed", code="store_closed", hint="start it again")
            self._waiting.append(call)
            if len(self._waiting) in (1, GATHER_ENOUGH):
                self._wake.notify()
        call.done.wait()
        if call.error is not None:
            try:
                raise call.error
            finally:
                # The error's traceback holds this frame: do not hold the error from it.
                call.error = None
        return cast("T", call.outcome)

    def close(self) -> None:
        """Commit what was accepted, then end."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()
        self._thread.join()

    def _run(self) -> None:
        while calls := self._take():
            try:
                self._commit(calls)
            except Exception as error:  # noqa: BLE001 - a bug must not leave callers waiting
                self._fail(calls, error)
            self._committed_s = monotonic()
            for call in calls:
                call.done.set()
        self._disconnect()

    def _take(self) -> Sequence[_Call]:
        """Whatever waits; nothing only when the store is closing."""
        with self._wake:
            while not self._waiting and not self._is_closing:
                self._wake.wait()
            gather_s = self._committed_s + GATHER_S - monotonic()
            if gather_s > 0:
                self._wake.wait_for(self._is_enough, gather_s)
            calls, self._waiting = self._waiting, []
            return calls

    def _is_enough(self) -> bool:
        return self._is_closing or len(self._waiting) >= GATHER_ENOUGH

    def _commit(self, calls: Sequence[_Call]) -> None:
        connection = self._begin()
        batch = Batch(connection, self._database.statements, self._recent)
        for call in calls:
            transaction = SqlTransaction(batch)
            try:
                call.outcome = call.work(transaction)
            except BaseException as error:  # noqa: BLE001 - it is raised in its caller
                call.error = error
            else:
                batch.merge(transaction.writes)
            if batch.broken is not None:
                raise batch.broken
        if batch.writes.is_empty:
            connection.exec_driver_sql("ROLLBACK")
        else:
            batch.flush()
            connection.exec_driver_sql("COMMIT")
        batch.remember()

    def _fail(self, calls: Sequence[_Call], error: Exception) -> None:
        """Nothing of the batch was kept. That goes for works that raised, too: they may have
        judged by what others of the batch had written."""
        self._disconnect()
        for call in calls:
            call.outcome, call.error = None, _own_copy(error)

    def _begin(self) -> Connection:
        """A connection in a writing transaction. One that was lost while nothing happened is no
        failure: nothing was asked of it yet, so a new one is tried."""
        if self._connection is not None:
            try:
                return self._begin_on(self._connection)
            except SQLAlchemyError:
                self._disconnect()
                self._database.forget_idle()
        self._connection = self._database.connect()
        return self._begin_on(self._connection)

    def _begin_on(self, connection: Connection) -> Connection:
        self._database.begin_write(connection)
        row = self._database.statements.stamp.run(connection).one()
        self._recent.check(Stamp(row[0], row[1]))
        return connection

    def _disconnect(self) -> None:
        """Throw the connection away, and with it whatever it had begun."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()


def _own_copy(error: Exception) -> Exception:
    """What one of many callers is told. Each gets an error of its own, because raising one and the
    same in several threads would mix up their tracebacks."""
    if isinstance(error, SQLAlchemyError):
        told: Exception = unavailable(error)
    elif isinstance(error, Unavailable):
        told = Unavailable(error.message, code=error.code, hint=error.hint)
    else:
        told = AssertionError(f"the store's writer failed: {error!r}")
    told.__cause__ = error
    return told
