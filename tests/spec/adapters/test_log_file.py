"""A file of records outlives power cuts and bad disks, and is put aside only if it is broken."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters.log_file import open_log_file

if TYPE_CHECKING:
    from pathlib import Path

SCHEMA = "CREATE TABLE IF NOT EXISTS lines (text TEXT NOT NULL)"
NORMAL = 1
"""Of `PRAGMA synchronous`: in WAL mode a power cut cannot break the file."""


def write(path: Path, *lines: str) -> None:
    connection = open_log_file(path, SCHEMA)
    assert connection is not None
    with closing(connection), connection:
        connection.executemany("INSERT INTO lines VALUES (?)", [(line,) for line in lines])


def read(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [text for (text,) in connection.execute("SELECT text FROM lines")]


def test_it_is_synced_at_checkpoints_so_that_a_power_cut_cannot_break_it(tmp_path: Path) -> None:
    connection = open_log_file(tmp_path / "it.db", SCHEMA)
    assert connection is not None
    with closing(connection):
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (NORMAL,)


def test_a_database_with_a_ruined_page_is_put_aside_with_its_companions(tmp_path: Path) -> None:
    path = tmp_path / "it.db"
    write(path, "old")
    whole = path.read_bytes()
    ruined = whole[:100] + b"\xff" * 3996 + whole[4096:]
    path.write_bytes(ruined)
    (tmp_path / "it.db.broken").write_bytes(b"an earlier one")
    (tmp_path / "it.db.broken-wal").write_bytes(b"of the earlier one")
    write(path, "new")
    assert read(path) == ["new"]
    assert (tmp_path / "it.db.broken").read_bytes() == ruined
    assert b"earlier" not in b"".join(one.read_bytes() for one in tmp_path.iterdir())


@pytest.mark.parametrize(
    "code",
    [sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN],
)
def test_a_disk_that_fails_costs_no_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    code: int,
) -> None:
    path = tmp_path / "it.db"
    write(path, "old")

    def refuse(*_: object, **__: object) -> sqlite3.Connection:
        error = sqlite3.OperationalError("the disk says no")
        error.sqlite_errorcode = code
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", refuse)
        assert open_log_file(path, SCHEMA) is None
    assert "it.db cannot be opened (the disk says no)" in caplog.text
    assert read(path) == ["old"]
    assert [one.name for one in tmp_path.iterdir()] == ["it.db"]


def test_a_folder_in_its_place_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "it.db").mkdir()
    assert open_log_file(tmp_path / "it.db", SCHEMA) is None
