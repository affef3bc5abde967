"""A log of promises in a SQLite file of its own.

What a power cut costs, and what comes of a broken file, `adapters/log_file.py` says.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.adapters.log_file import open_log_file
from quarterdeck.basics.ids import JobId
from quarterdeck.core.scheduling.promises import Because, Bounds, Promise, Stretch
from quarterdeck.ports.promises import Day, Kept

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from quarterdeck.ports.promises import Settled

log = logging.getLogger(__name__)

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS promise (
    id INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    made_at_ns INTEGER NOT NULL,
    guess_s REAL NOT NULL,
    expected_at_ns INTEGER NOT NULL,
    half_from_ns INTEGER NOT NULL,
    half_to_ns INTEGER NOT NULL,
    most_from_ns INTEGER NOT NULL,
    most_to_ns INTEGER NOT NULL,
    because TEXT NOT NULL,
    why TEXT NOT NULL,
    started_at_ns INTEGER,
    is_void INTEGER NOT NULL DEFAULT 0,
    half_stretch REAL NOT NULL DEFAULT 0,
    most_stretch REAL NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS promise_of_job ON promise (job_id, id);
CREATE INDEX IF NOT EXISTS promise_made ON promise (made_at_ns);
CREATE INDEX IF NOT EXISTS promise_open ON promise (id)
    WHERE started_at_ns IS NULL AND is_void = 0;
CREATE INDEX IF NOT EXISTS promise_started ON promise (started_at_ns)
    WHERE started_at_ns IS NOT NULL;
"""
_COLUMNS: Final = (
    "job_id, made_at_ns, guess_s, expected_at_ns, half_from_ns, half_to_ns, most_from_ns, "
    "most_to_ns, because, why, half_stretch, most_stretch"
)
_ADD: Final = f"INSERT INTO promise ({_COLUMNS}) VALUES ({', '.join('?' * 12)})"  # noqa: S608
_SETTLE: Final = """
UPDATE promise SET started_at_ns = ?2, is_void = (?2 IS NULL)
WHERE job_id = ?1 AND started_at_ns IS NULL AND is_void = 0
"""
_SELECT: Final = f"SELECT {_COLUMNS}, started_at_ns, is_void FROM promise "  # noqa: S608
_OF_JOB: Final = _SELECT + "WHERE job_id = ? ORDER BY id DESC LIMIT ?"
_OPEN: Final = _SELECT + "WHERE started_at_ns IS NULL AND is_void = 0 ORDER BY id"
_SETTLED: Final = (
    _SELECT + "WHERE started_at_ns IS NOT NULL AND because = 'first' "
    "ORDER BY started_at_ns DESC, id DESC LIMIT ?"
)
_DAYS: Final = """
WITH wait AS (
    SELECT job_id, started_at_ns, min(id) AS first_id, max(id) AS last_id FROM promise
    WHERE started_at_ns IS NOT NULL GROUP BY job_id, started_at_ns
)
SELECT date(wait.started_at_ns / 1000000000, 'unixepoch') AS day, count(*),
    sum(wait.started_at_ns BETWEEN made.half_from_ns AND made.half_to_ns),
    sum(wait.started_at_ns BETWEEN made.most_from_ns AND made.most_to_ns),
    sum(wait.started_at_ns BETWEEN told.half_from_ns AND told.half_to_ns),
    sum(wait.started_at_ns BETWEEN told.most_from_ns AND told.most_to_ns)
FROM wait
JOIN promise AS made ON made.id = wait.first_id
JOIN promise AS told ON told.id = wait.last_id
WHERE made.because = 'first'
GROUP BY day ORDER BY day DESC LIMIT ?
"""


class SqlitePromiseLog:
    """A `PromiseLog` in a file. Any thread may call it. While the file cannot be opened it keeps
    nothing."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = open_log_file(path, _SCHEMA)
        self._widen()

    def add(self, promises: Sequence[Promise]) -> None:
        """Keep these, in one transaction. What the disk refuses is lost, and only that."""
        self._write(_ADD, [_row_of(one) for one in promises])

    def settle(self, settled: Sequence[Settled]) -> None:
        """Every open promise of these jobs has its end."""
        self._write(_SETTLE, [(one.job_id, one.started_at_ns) for one in settled])

    def list_promises(self, job_id: JobId, limit: int) -> list[Kept]:
        """The last so many of a job, oldest first."""
        return [_kept_of(row) for row in reversed(self._read(_OF_JOB, job_id, limit))]

    def list_open(self) -> list[Promise]:
        """All that are open, oldest first."""
        return [_kept_of(row).promise for row in self._read(_OPEN)]

    def list_settled(self, limit: int) -> list[Kept]:
        """The last so many first ones that were settled by a start, in the order of the starts."""
        return [_kept_of(row) for row in reversed(self._read(_SETTLED, limit))]

    def list_days(self, limit: int) -> list[Day]:
        """The last so many days, newest first."""
        return [Day(*row) for row in self._read(_DAYS, limit)]

    def drop(self, before_ns: int) -> None:
        """Forget what is older and not open."""
        if self._connection is None:
            return
        with self._lock, suppress(sqlite3.Error), self._connection:
            self._connection.execute(
                "DELETE FROM promise WHERE made_at_ns < ? "
                "AND (started_at_ns IS NOT NULL OR is_void = 1)",
                (before_ns,),
            )

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is None:
            return
        with self._lock:
            self._connection.close()

    def _widen(self) -> None:
        """A file of an earlier version lacks what bounds were stretched by: nothing then."""
        known = {row[1] for row in self._read("PRAGMA table_info(promise)")}
        if self._connection is None or not known:
            return
        for column in ("half_stretch", "most_stretch"):
            if column not in known:
                with self._lock, suppress(sqlite3.Error), self._connection:
                    self._connection.execute(
                        f"ALTER TABLE promise ADD COLUMN {column} REAL NOT NULL DEFAULT 0"
                    )

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        if self._connection is None or not rows:
            return
        with self._lock:
            try:
                with self._connection:
                    self._connection.executemany(statement, rows)
            except sqlite3.Error as error:
                log.warning("%d promises were not kept: %s", len(rows), error)

    def _read(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        if self._connection is None:
            return []
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                log.warning("promises cannot be read: %s", error)
                return []


def _row_of(one: Promise) -> tuple[object, ...]:
    half, most = one.half, one.most
    return (
        one.job_id,
        one.made_at_ns,
        one.guess_s,
        one.expected_at_ns,
        half.from_ns,
        half.to_ns,
        most.from_ns,
        most.to_ns,
        one.because.value,
        one.why,
        *one.stretch,
    )


def _kept_of(row: tuple[Any, ...]) -> Kept:
    job_id, made_at_ns, guess_s, expected_at_ns, *told, started_at_ns, void = row
    half_from, half_to, most_from, most_to, because, why, *stretch = told
    promise = Promise(
        JobId(job_id),
        made_at_ns,
        guess_s,
        expected_at_ns,
        Bounds(half_from, half_to),
        Bounds(most_from, most_to),
        Because(because),
        why,
        Stretch(*stretch),
    )
    return Kept(promise, started_at_ns, bool(void))
