"""Bring a database's tables up to this version, with Alembic's migrations."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import inspect, text

from quarterdeck.adapters.stores.sql.writer import LOG_LOCK
from quarterdeck.basics.errors import Refused

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

NEWEST: Final = "0001"
MIGRATIONS: Final = Path(__file__).parent / "migrations"


def upgrade(engine: Engine) -> None:
    """Make or change the tables, in one transaction; a database that is up to date costs one read.

    Raises `Refused` for a database that a newer version wrote.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOG_LOCK})
        present = _find_revision(connection)
        if present == NEWEST:
            return
        _migrate(connection, present)


def _find_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return str(revision) if revision is not None else None


def _migrate(connection: Connection, present: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise Refused(
            f"the database is at version {present}, which this quarterdeck does not know "
            f"(it knows up to {NEWEST})",
            code="database_too_new",
            field="store",
            hint="use the newer quarterdeck that wrote it, or another home",
        )
    command.upgrade(config, "head")
