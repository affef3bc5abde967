"""One database behind one address: how to reach it, and where SQLite and PostgreSQL differ.

Connections are in autocommit: a read that is one statement needs no transaction, and those that are
begun here say themselves what kind they are. A writing transaction excludes every other one, of
other processes too, before it looks at anything: so the log's numbers are committed in their order,
and a reader who has seen number n has seen all before it.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from quarterdeck.adapters.stores.sql.network_mount import refuse_network_mount
from quarterdeck.adapters.stores.sql.statements import Statements
from quarterdeck.basics.errors import Invalid, Refused, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.engine import URL, Connection, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection

WRITERS_LOCK: Final = 0x71645F6C6F67
"""The advisory lock of whoever writes; any number would do that nobody else uses."""
LOCK_WAIT_S: Final = 10
_POSTGRES: Final = ("postgresql", "postgres", "postgresql+psycopg")
_POOL: Final[dict[str, Any]] = {"pool_size": 8, "max_overflow": 40, "pool_timeout": 10}

_SQLITE_SETUP: Final = (
    f"PRAGMA busy_timeout = {LOCK_WAIT_S * 1000}",
    "PRAGMA synchronous = FULL",
    "PRAGMA journal_size_limit = 67108864",
    "PRAGMA cache_size = -8192",
)
_POSTGRES_SETUP: Final = (
    f"SET lock_timeout = '{LOCK_WAIT_S}s'",
    # A writer that froze lets go of the lock; one that is frozen cannot do so itself.
    "SET idle_in_transaction_session_timeout = '60s'",
    # What `transact` returned has survived a power cut, whatever the server's default is.
    (
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'"
    ),
)
_POSTGRES_CONNECT: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
    "application_name": "quarterdeck",
}


class Database:
    """Connections and transactions; every error of the driver becomes one of ours."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.statements = Statements(engine.dialect)
        self.is_postgres = engine.dialect.name == "postgresql"

    def connect(self) -> Connection:
        """A connection of the pool."""
        return self.engine.connect()

    def begin_write(self, connection: Connection) -> None:
        """From here to the end of the transaction nobody else writes."""
        if self.is_postgres:
            connection.exec_driver_sql("BEGIN")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({WRITERS_LOCK})")
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One writing transaction, outside the writer's thread."""
        with self.connect() as connection, _whole(connection):
            self.begin_write(connection)
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Several reads of one instant."""
        with self.connect() as connection, _whole(connection):
            connection.exec_driver_sql(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" if self.is_postgres else "BEGIN"
            )
            yield connection

    def forget_idle(self) -> None:
        """One connection turned out to be lost, so those that lie idle are not to be trusted: the
        next one is new. Those in use are left alone."""
        self.engine.dispose()

    def close(self) -> None:
        """Let go of all connections."""
        self.engine.dispose()


@contextmanager
def _whole(connection: Connection) -> Iterator[None]:
    try:
        yield
        connection.exec_driver_sql("COMMIT")
    except BaseException:
        if not connection.invalidated:
            connection.rollback()
        raise


def open_database(address: str | Path) -> Database:
    """The database at a path, a `sqlite:///` or a `postgresql://` address. Connects to nothing yet,
    but makes sure that a file is there, for its owner's eyes only."""
    scheme, separator, rest = str(address).partition("://")
    if not separator:
        return Database(_sqlite_engine(Path(address)))
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return Database(_sqlite_engine(Path(rest[1:])))
    if scheme in _POSTGRES:
        return Database(_postgres_engine(str(address)))
    raise Invalid(
        f"{scheme}:// is no address of a store",
        field="store",
        hint="use sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE",
    )


def _sqlite_engine(path: Path) -> Engine:
    refuse_network_mount(path.parent)
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise Refused(
            f"the store {path} cannot be opened: {error.strerror}",
            field="store",
            hint="choose a folder that exists and that you may write to",
        ) from error
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(path)),
        isolation_level="AUTOCOMMIT",
        paramstyle="named",
        hide_parameters=True,
        **_POOL,
    )
    sa.event.listen(engine, "connect", _set_up_sqlite)
    return engine


def _postgres_engine(address: str) -> Engine:
    url = _parse_url(address)
    try:
        engine = sa.create_engine(
            url,
            isolation_level="AUTOCOMMIT",
            hide_parameters=True,
            connect_args={k: v for k, v in _POSTGRES_CONNECT.items() if k not in url.query},
            **_POOL,
        )
    except ModuleNotFoundError as error:
        raise Refused(
            f"a PostgreSQL store needs {error.name}, which is not installed",
            field="store",
            hint="pip install 'quarterdeck[postgres]'",
        ) from error
    sa.event.listen(engine, "connect", _set_up_postgres)
    return engine


def _parse_url(address: str) -> URL:
    try:
        return sa.make_url(address).set(drivername="postgresql+psycopg")
    except (ArgumentError, ValueError):
        # Neither the address nor the parser's words are shown: they may hold the password.
        raise Invalid(
            "the store's address cannot be read",
            field="store",
            hint="use postgresql://USER:PASSWORD@HOST:PORT/DATABASE and write special characters "
            "of the password as %XX",
        ) from None


def _set_up_sqlite(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    for pragma in _SQLITE_SETUP:
        cursor.execute(pragma)
    cursor.execute("PRAGMA journal_mode = WAL")
    mode = cursor.fetchall()[0][0]
    cursor.close()
    if mode != "wal":
        raise Refused(
            f"SQLite cannot keep a write-ahead log there (journal_mode is {mode})",
            field="store",
            hint="put the home on a local disk or use PostgreSQL: --store postgresql://…",
        )


def _set_up_postgres(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    for command in _POSTGRES_SETUP:
        cursor.execute(command)
    cursor.close()


def _lacks_room(cause: BaseException) -> bool:
    """SQLite's own code; it has one more for the memory beside its log, which is a file too."""
    return getattr(cause, "sqlite_errorname", "") in ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")


@contextmanager
def as_unavailable() -> Iterator[None]:
    """What the driver raises becomes `Unavailable`, in its own words but without ours: statements
    and values stay out of it."""
    try:
        yield
    except SQLAlchemyError as error:
        raise unavailable(error) from error


def unavailable(error: SQLAlchemyError) -> Unavailable:
    """The driver's error as one of ours."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    said = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    if "disk is full" in said or "No space left" in said or _lacks_room(cause):
        return Unavailable(
            f"the store's disk is full: {said}",
            code="disk_full",
            hint="free some space; nothing was written, and running jobs go on",
        )
    return Unavailable(
        f"the store did not answer as it should: {said}",
        code="store_unavailable",
        hint="try again; if it lasts, look at the disk's free space or at the database server",
    )
