"""A log of cycles in a SQLite file of its own.

A crash of the server costs what it had not yet handed over; what a power cut costs, and what comes
of a broken file, `adapters/log_file.py` says. Many plans share one policy and one set of limits, so
those are kept once each.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from typing import TYPE_CHECKING, Final

import msgspec

from quarterdeck.adapters.cycles.none import NoCycleLog
from quarterdeck.adapters.log_file import BUSY_S, open_log_file
from quarterdeck.basics.errors import Unavailable
from quarterdeck.core.ledger.usage import Used
from quarterdeck.core.scheduling.imprint import Imprint
from quarterdeck.ports.cycles import Cycle, Inputs, Outcome, Start

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from quarterdeck.ports.cycles import CycleLog

log = logging.getLogger(__name__)
_encoder = msgspec.json.Encoder()
_waiting = msgspec.json.Decoder(tuple[tuple[str, int], ...])
_inputs = msgspec.json.Decoder(Inputs)
_used = msgspec.json.Decoder(tuple[Used, ...])

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS starts (
    number INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    as_of INTEGER NOT NULL,
    version TEXT NOT NULL,
    ended_at_ns INTEGER
);
CREATE TABLE IF NOT EXISTS used (
    start INTEGER PRIMARY KEY,
    document TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS inputs (
    id INTEGER PRIMARY KEY,
    document TEXT NOT NULL UNIQUE
);
CREATE TABLE IF NOT EXISTS cycles (
    start INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    as_of INTEGER NOT NULL,
    placements TEXT NOT NULL,
    verdicts TEXT NOT NULL,
    placed INTEGER NOT NULL,
    waiting TEXT NOT NULL,
    inputs INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    kept INTEGER NOT NULL,
    PRIMARY KEY (start, number)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cycles_inputs ON cycles (inputs);
"""
_BEGIN: Final = "INSERT INTO starts (at_ns, as_of, version) VALUES (?, ?, ?)"
_ADD_USED: Final = "INSERT INTO used VALUES (?, ?)"
_END: Final = "UPDATE starts SET ended_at_ns = ? WHERE number = ?"
_ADD: Final = "INSERT OR IGNORE INTO cycles VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ADD_INPUTS: Final = "INSERT OR IGNORE INTO inputs (document) VALUES (?)"
_FIND_INPUTS: Final = "SELECT id FROM inputs WHERE document = ?"
_LIST_STARTS: Final = "SELECT number, at_ns, as_of, version, ended_at_ns FROM starts ORDER BY 1"
_LIST_USED: Final = "SELECT start, document FROM used"
_KNOWS_USED: Final = "SELECT count(*) FROM sqlite_master WHERE name = 'used'"
"""A file of an older version that is only read has no such table."""
_LIST: Final = """
SELECT number, at_ns, as_of, placements, verdicts, placed, waiting, document, outcome, kept
FROM cycles JOIN inputs ON inputs.id = cycles.inputs
WHERE start = ? AND number > ? AND at_ns >= ? ORDER BY number LIMIT ?
"""
_FIRST: Final = "SELECT min(number) FROM cycles WHERE start = ?"
_LAST: Final = "SELECT max(number) FROM cycles WHERE start = ?"
_FIRST_KEPT: Final = """
SELECT number FROM cycles WHERE start = ? AND at_ns >= ? ORDER BY number LIMIT 1
"""
_DROP: Final = "DELETE FROM cycles WHERE start = ? AND number < ?"
_DROP_STARTS: Final = """
DELETE FROM starts WHERE at_ns < ? AND number < (SELECT max(number) FROM starts)
AND NOT EXISTS (SELECT 1 FROM cycles WHERE start = starts.number)
"""
_DROP_USED: Final = "DELETE FROM used WHERE start NOT IN (SELECT number FROM starts)"
_DROP_INPUTS: Final = """
DELETE FROM inputs WHERE NOT EXISTS (SELECT 1 FROM cycles WHERE inputs = inputs.id)
"""


def open_cycle_log(path: Path) -> CycleLog:
    """The log in a file, which is made when need be: for the one server that writes it. While the
    file cannot be opened no cycles are kept."""
    connection = open_log_file(path, _SCHEMA)
    return NoCycleLog() if connection is None else SqliteCycleLog(connection)


def read_cycle_log(path: Path) -> SqliteCycleLog | None:
    """The log in a file that a server may be writing, to be read only; None where there is none."""
    if not path.is_file():
        return None
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        return SqliteCycleLog(
            sqlite3.connect(address, uri=True, check_same_thread=False, timeout=BUSY_S)
        )
    except sqlite3.Error as error:
        raise _unreadable(error) from error


class SqliteCycleLog:
    """A `CycleLog` in a file; see `open_cycle_log`. Any thread may call it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._start: int | None = None
        self._known: tuple[Inputs, int] | None = None

    def begin(self, at_ns: int, as_of: int, version: str, used: tuple[Used, ...] = ()) -> int:
        """A server starts. On a disk that refuses the word nothing of it will be known."""
        with self._lock:
            try:
                with self._connection:
                    self._start = self._connection.execute(
                        _BEGIN, (at_ns, as_of, version)
                    ).lastrowid
                    if used:
                        document = _encoder.encode(used).decode()
                        self._connection.execute(_ADD_USED, (self._start, document))
            except sqlite3.Error as error:
                log.warning("plans of this start will not be kept: %s", error)
            return self._start or 0

    def add(self, cycles: Sequence[Cycle]) -> None:
        """Keep these, in one transaction. What the disk refuses is lost, and only that."""
        with self._lock:
            if self._start is None:
                return
            try:
                with self._connection:
                    self._connection.executemany(_ADD, [self._row(cycle) for cycle in cycles])
            except sqlite3.Error as error:
                self._known = None
                log.warning("%d cycles were not kept: %s", len(cycles), error)

    def end(self, at_ns: int) -> None:
        """The present start is over."""
        with self._lock:
            try:
                with self._connection:
                    self._connection.execute(_END, (at_ns, self._start))
            except sqlite3.Error as error:
                log.warning("the end of the cycles was not kept: %s", error)

    def list_starts(self) -> list[Start]:
        """All of them. `Unavailable` while the file cannot be read."""
        with self._lock:
            try:
                ask = self._connection.execute
                knows = ask(_KNOWS_USED).fetchone()[0]
                used = dict(ask(_LIST_USED)) if knows else {}
                return [
                    Start(
                        number, at_ns, as_of, version, end_ns, _used.decode(used.get(number, "[]"))
                    )
                    for number, at_ns, as_of, version, end_ns in ask(_LIST_STARTS)
                ]
            except sqlite3.Error as error:
                raise _unreadable(error) from error

    def list_cycles(
        self, start: int, after: int = 0, *, since_ns: int = 0, limit: int = 1000
    ) -> list[Cycle]:
        """Those of a start. `Unavailable` while the file cannot be read."""
        with self._lock:
            try:
                rows = self._connection.execute(_LIST, (start, after, since_ns, limit)).fetchall()
            except sqlite3.Error as error:
                raise _unreadable(error) from error
        known = {document: _inputs.decode(document) for document in {row[7] for row in rows}}
        return [_cycle_of(row, known) for row in rows]

    def drop(self, before_ns: int, cycles_max: int) -> None:
        """Forget what is older, and what is too much. Whoever adds cycles waits for this, so it
        looks at no more of them than it forgets."""
        with self._lock:
            self._known = None
            try:
                with self._connection:
                    self._drop(before_ns, cycles_max)
            except sqlite3.Error as error:
                log.warning("old cycles were not forgotten: %s", error)

    def _drop(self, before_ns: int, cycles_max: int) -> None:
        ask = self._connection.execute
        ends = []
        for (start,) in ask("SELECT number FROM starts ORDER BY 1").fetchall():
            (first,), (last,) = ask(_FIRST, (start,)).fetchone(), ask(_LAST, (start,)).fetchone()
            if first is not None:
                (kept,) = ask(_FIRST_KEPT, (start, before_ns)).fetchone() or (last + 1,)
                ends.append((start, kept, last))
        excess = sum(last + 1 - kept for _, kept, last in ends) - cycles_max
        for start, kept, last in ends:
            more = max(0, min(excess, last + 1 - kept))
            excess -= more
            ask(_DROP, (start, kept + more))
        ask(_DROP_STARTS, (before_ns,))
        ask(_DROP_USED)
        ask(_DROP_INPUTS)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    def _row(self, cycle: Cycle) -> tuple[int | str | None, ...]:
        imprint = cycle.imprint
        return (
            self._start,
            cycle.number,
            cycle.at_ns,
            cycle.as_of,
            imprint.placements,
            imprint.verdicts,
            imprint.placed,
            _encoder.encode(imprint.waiting).decode(),
            self._keep_inputs(cycle.inputs),
            cycle.outcome.value,
            cycle.kept,
        )

    def _keep_inputs(self, inputs: Inputs) -> int:
        """The id of what is kept once for many cycles."""
        if self._known is None or self._known[0] is not inputs:
            document = _encoder.encode(inputs).decode()
            self._connection.execute(_ADD_INPUTS, (document,))
            (kept,) = self._connection.execute(_FIND_INPUTS, (document,)).fetchone()
            self._known = (inputs, kept)
        return self._known[1]


def _cycle_of(
    row: tuple[int, int, int, str, str, int, str, str, str, int], known: Mapping[str, Inputs]
) -> Cycle:
    number, at_ns, as_of, placements, verdicts, placed, waiting, inputs, outcome, kept = row
    return Cycle(
        number,
        at_ns,
        as_of,
        Imprint(placements, verdicts, placed, _waiting.decode(waiting)),
        known[inputs],
        Outcome(outcome),
        kept,
    )


def _unreadable(error: sqlite3.Error) -> Unavailable:
    return Unavailable(
        f"the log of cycles cannot be read: {error}", hint="look at the file cycles.db of the home"
    )
