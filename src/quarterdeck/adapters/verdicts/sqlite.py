"""A log of verdicts in a SQLite file of its own.

It is written without waiting for the disk: a power cut may cost the last seconds, a crash of the
server costs nothing. If the file is unreadable a new one is begun; verdicts are not worth stopping
a server for.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from quarterdeck.basics.ids import JobId
from quarterdeck.ports.verdicts import Told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()
_numbers = msgspec.json.Decoder(dict[str, int])
_held_by = msgspec.json.Decoder(tuple[str, ...])

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS told (
    id INTEGER PRIMARY KEY,
    job_id TEXT NOT NULL,
    at_ns INTEGER NOT NULL,
    code TEXT NOT NULL,
    message TEXT NOT NULL,
    hint TEXT NOT NULL,
    numbers TEXT NOT NULL,
    held_by TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS told_of_job ON told (job_id, id);
CREATE INDEX IF NOT EXISTS told_at ON told (at_ns);
"""
_ADD: Final = """
INSERT INTO told (job_id, at_ns, code, message, hint, numbers, held_by)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE NOT EXISTS (
    SELECT 1 FROM (SELECT code, message FROM told WHERE job_id = ?1 ORDER BY id DESC LIMIT 1)
    WHERE code = ?3 AND message = ?4
)
"""
_LIST: Final = """
SELECT job_id, at_ns, code, message, hint, numbers, held_by FROM told
WHERE job_id = ? ORDER BY id DESC LIMIT ?
"""


class SqliteVerdictLog:
    """A `VerdictLog` in a file. Any thread may call it."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        try:
            self._connection = _open(path)
        except sqlite3.DatabaseError as error:
            log.warning("%s cannot be read (%s); a new one is begun", path.name, error)
            for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)
            self._connection = _open(path)

    def add(self, told: Sequence[Told]) -> None:
        """Keep these, in one transaction. What the disk refuses is lost, and only that."""
        rows = [
            (
                one.job_id,
                one.at_ns,
                one.code,
                one.message,
                one.hint,
                _encoder.encode(one.numbers).decode(),
                _encoder.encode(one.held_by).decode(),
            )
            for one in told
        ]
        with self._lock:
            try:
                with self._connection:
                    self._connection.executemany(_ADD, rows)
            except sqlite3.Error as error:
                log.warning("%d verdicts were not kept: %s", len(rows), error)

    def list_told(self, job_id: JobId, limit: int) -> list[Told]:
        """The last so many of a job, oldest first; none while the file cannot be read."""
        with self._lock:
            try:
                rows = self._connection.execute(_LIST, (job_id, limit)).fetchall()
            except sqlite3.Error as error:
                log.warning("verdicts cannot be read: %s", error)
                return []
        return [
            Told(
                JobId(job_id),
                at_ns,
                code,
                message,
                hint,
                _numbers.decode(numbers),
                tuple(map(JobId, _held_by.decode(held_by))),
            )
            for job_id, at_ns, code, message, hint, numbers, held_by in reversed(rows)
        ]

    def drop(self, before_ns: int) -> None:
        """Forget what is older."""
        with self._lock, suppress(sqlite3.Error), self._connection:
            self._connection.execute("DELETE FROM told WHERE at_ns < ?", (before_ns,))

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()


def _open(path: Path) -> sqlite3.Connection:
    path.touch(0o600)
    connection = sqlite3.connect(path, check_same_thread=False, timeout=5.0)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")
    connection.executescript(_SCHEMA)
    return connection
