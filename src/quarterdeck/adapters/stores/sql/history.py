"""The log of a database, to be read beside the server that writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.adapters.stores.sql.database import as_unavailable, open_database
from quarterdeck.adapters.stores.sql.reads import Reads
from quarterdeck.adapters.stores.sql.schema import REVISION
from quarterdeck.adapters.stores.sql.upgrade import find_revision
from quarterdeck.basics.errors import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from quarterdeck.adapters.stores.sql.database import Database
    from quarterdeck.basics.ids import JobId
    from quarterdeck.ports.store import Active, Record


def open_history(address: str | Path) -> SqlHistory:
    """The log at an address as `open_store` takes it, which must be there and of this version:
    nothing is brought up to date. Raises `Invalid`, `Refused` or `Unavailable`."""
    database = open_database(address)
    try:
        _check(database)
    except BaseException:
        database.close()
        raise
    return SqlHistory(database)


def _check(database: Database) -> None:
    with as_unavailable(), database.connect() as connection:
        found = find_revision(connection)
    if found != REVISION:
        raise Refused(
            f"the store is at revision {found}, and this version reads {REVISION}",
            code="store_of_another_version",
            field="store",
            hint="use the version of Quarterdeck that its server has",
        )


class SqlHistory:
    """A `History`; see `open_history`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reads = Reads(database)

    def load_active(self) -> Active:
        """Unfinished jobs and all sites, of one instant."""
        return self._reads.load_active()

    def list_records(
        self, after: int, *, limit: int = 1000, job_id: JobId | None = None
    ) -> list[Record]:
        """Log entries after a place."""
        return self._reads.list_records(after, limit, job_id)

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()
