"""A log of verdicts in a SQLite file of its own.

What a power cut costs, and what comes of a broken file, `adapters/log_file.py` says.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import msgspec

from quarterdeck.adapters.log_file import open_log_file
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
    """A `VerdictLog` in a file. Any thread may call it. While the file cannot be opened it keeps
    nothing."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = open_log_file(path, _SCHEMA)

    def add(self, told: Sequence[Told]) -> None:
        """Keep these, in one transaction. What the disk refuses is lost, and only that."""
        if self._connection is None:
            return
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
        if self._connection is None:
            return []
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
        if self._connection is None:
            return
        with self._lock, suppress(sqlite3.Error), self._connection:
            self._connection.execute("DELETE FROM told WHERE at_ns < ?", (before_ns,))

    def close(self) -> None:
        """Let go of the file."""
        if self._connection is None:
            return
        with self._lock:
            self._connection.close()
