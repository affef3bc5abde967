"""Bring a database to the tables of this code when it is opened, or refuse a newer one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from quarterdeck.adapters.stores.sql.schema import REVISION
from quarterdeck.basics.errors import Refused

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

    from quarterdeck.adapters.stores.sql.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade(database: Database) -> None:
    """Run the migrations that are missing, all in one transaction.

    Servers that start together queue up here, and the second one finds nothing left to do. The
    usual start, with nothing to do, does without Alembic, which takes a while to import.
    """
    with database.connect() as connection:
        if find_revision(connection) == REVISION:
            return
    with database.writing() as connection:
        found = find_revision(connection)
        if found != REVISION:
            _migrate(connection, found)


def find_revision(connection: Connection) -> str | None:
    """What the database is at, or None for one without our tables."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    text = "SELECT version_num FROM alembic_version"
    return connection.exec_driver_sql(text).scalar_one_or_none()


def _migrate(connection: Connection, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise Refused(
            f"the store is of a newer version of Quarterdeck: it is at revision {found}, and this "
            f"version knows revisions up to {REVISION}",
            code="store_too_new",
            field="store",
            hint="install the newer version again; a store is never taken back to an older one",
        )
    command.upgrade(config, REVISION)
