"""Connections, set up so that what was committed is on disk.

SQLite: write-ahead log, so that readers and the writer do not wait for each other, and
`synchronous=FULL`, so that a commit survives a power cut (https://www.sqlite.org/pragma.html).
The driver's own idea of when transactions begin is switched off: ours begin when we say so.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import QueuePool

from quarterdeck.adapters.stores.sql.network_mount import refuse_network_mount
from quarterdeck.basics.errors import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import URL, Connection, Engine

READERS_MAX: Final = 48
PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA busy_timeout=10000",
    "PRAGMA foreign_keys=ON",
)


def make_engines(url: str) -> tuple[Engine, Engine]:
    """An engine for the writer and one for readers."""
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise _unknown("the store's address cannot be read") from None
    kind = parsed.get_backend_name()
    if kind == "sqlite":
        return _sqlite(parsed)
    if kind == "postgresql":
        return _postgresql(parsed)
    raise _unknown(f"the store's address names {kind!r}")


def _unknown(what: str) -> Refused:
    return Refused(
        what,
        field="store",
        hint="write postgresql://user@host/database, or leave it out for SQLite in the home",
    )


def _sqlite(url: URL) -> tuple[Engine, Engine]:
    if not url.database or url.database == ":memory:":
        raise _unknown("the store's address names no file")
    refuse_network_mount(Path(url.database).parent)
    engines = []
    for begin, size in (("BEGIN IMMEDIATE", 1), ("BEGIN", READERS_MAX)):
        engine = create_engine(url, poolclass=QueuePool, pool_size=size, max_overflow=0)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_with(begin))
        engines.append(engine)
    return engines[0], engines[1]


def _set_up_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None
    for pragma in PRAGMAS:
        connection.execute(pragma).close()


def _begin_with(statement: str) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin


def _postgresql(url: URL) -> tuple[Engine, Engine]:
    try:
        psycopg = url.set(drivername="postgresql+psycopg")
        writing = create_engine(psycopg, pool_size=1, max_overflow=0, pool_pre_ping=True)
        reading = create_engine(
            psycopg,
            pool_size=READERS_MAX // 4,
            max_overflow=READERS_MAX,
            pool_pre_ping=True,
            isolation_level="REPEATABLE READ",
        )
    except (ModuleNotFoundError, NoSuchModuleError):
        raise Refused(
            "PostgreSQL needs psycopg, which is not installed",
            field="store",
            hint="pip install 'quarterdeck[postgres]'",
        ) from None
    else:
        return writing, reading
