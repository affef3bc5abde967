"""Opens a SQLite file of records that are not worth stopping a server for.

Such a file is synced at checkpoints only: a process that is killed loses nothing that it had
written, a power cut may cost what the system had not yet brought to the disk, and never the file.
A broken one is put aside; one that cannot be opened for another reason is left alone.
"""

from __future__ import annotations

import logging
import sqlite3
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

BUSY_S: Final = 5.0
_BROKEN: Final = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})
_PRIMARY: Final = 0xFF
"""The part of a code of SQLite that says what failed; the rest says where."""


def open_log_file(path: Path, schema: str) -> sqlite3.Connection | None:
    """The file, made when need be, for the one server that writes it.

    One that is broken is renamed to `NAME.broken`, in place of an earlier one, and a new one is
    begun. None while it is locked or the disk fails: then the server does without.
    """
    try:
        try:
            return _open(path, schema)
        except sqlite3.Error as error:
            if not _is_broken(error):
                raise
            log.warning(
                "%s is broken (%s): it is kept as %s.broken, and a new one is begun",
                path.name,
                error,
                path.name,
            )
        _put_aside(path)
        return _open(path, schema)
    except (sqlite3.Error, OSError) as error:
        log.warning("%s cannot be opened (%s): nothing is kept in it now", path.name, error)
        return None


def _open(path: Path, schema: str) -> sqlite3.Connection:
    path.touch(0o600)
    connection = sqlite3.connect(path, check_same_thread=False, timeout=BUSY_S)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # In WAL mode this never breaks the file: sqlite.org/pragma.html#pragma_synchronous
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.executescript(schema)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _is_broken(error: sqlite3.Error) -> bool:
    code: int = getattr(error, "sqlite_errorcode", 0)
    return code & _PRIMARY in _BROKEN


def _put_aside(path: Path) -> None:
    """Its companions go with it: a new file must not meet the old one's."""
    for suffix in ("", "-wal", "-shm"):
        old = path.with_name(f"{path.name}{suffix}")
        kept = path.with_name(f"{path.name}.broken{suffix}")
        kept.unlink(missing_ok=True)
        if old.exists():
            old.rename(kept)
