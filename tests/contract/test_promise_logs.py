"""Wherever promises are kept, the same suite holds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters import log_file
from quarterdeck.adapters.promises.memory import MemoryPromiseLog
from quarterdeck.adapters.promises.sqlite import SqlitePromiseLog
from quarterdeck.core.scheduling.promises import NONE
from quarterdeck.ports.promises import Settled
from quarterdeck.testing.conformance.promises import (
    JOB,
    OTHER,
    PromiseLogConformance,
    a_promise,
    at,
)
from tests.contract.locking import a_lock_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class TestMemoryPromiseLog(PromiseLogConformance):
    @pytest.fixture
    def promises(self) -> MemoryPromiseLog:
        return MemoryPromiseLog()

    @pytest.fixture
    def reopened(self, promises: MemoryPromiseLog) -> Callable[[], MemoryPromiseLog]:
        return lambda: promises


class TestSqlitePromiseLog(PromiseLogConformance):
    @pytest.fixture
    def opened(self) -> Iterator[list[SqlitePromiseLog]]:
        logs: list[SqlitePromiseLog] = []
        yield logs
        for log in logs:
            log.close()

    @pytest.fixture
    def promises(self, tmp_path: Path, opened: list[SqlitePromiseLog]) -> SqlitePromiseLog:
        opened.append(SqlitePromiseLog(tmp_path / "promises.db"))
        return opened[-1]

    @pytest.fixture
    def reopened(
        self, tmp_path: Path, opened: list[SqlitePromiseLog]
    ) -> Callable[[], SqlitePromiseLog]:
        def again() -> SqlitePromiseLog:
            opened.append(SqlitePromiseLog(tmp_path / "promises.db"))
            return opened[-1]

        return again

    def test_a_file_of_an_earlier_version_goes_on(
        self, promises: SqlitePromiseLog, reopened: Callable[[], SqlitePromiseLog], tmp_path: Path
    ) -> None:
        """It knows nothing of what bounds were stretched by: nothing, then."""
        promises.add([a_promise()])
        promises.close()
        with closing(sqlite3.connect(tmp_path / "promises.db")) as file:
            file.execute("ALTER TABLE promise DROP COLUMN half_stretch")
            file.execute("ALTER TABLE promise DROP COLUMN most_stretch")
        again = reopened()
        again.add([a_promise(OTHER)])
        old, new = again.list_open()
        assert old == replace(a_promise(), stretch=NONE)
        assert new == a_promise(OTHER)

    def test_a_file_that_somebody_locks_is_left_alone_and_the_server_does_without(
        self, tmp_path: Path, promises: SqlitePromiseLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        promises.add([a_promise()])
        promises.close()
        monkeypatch.setattr(log_file, "BUSY_S", 0.0)
        path = tmp_path / "promises.db"
        with a_lock_on(path):
            log = SqlitePromiseLog(path)
            log.add([a_promise(made=60)])
            log.settle([Settled(JOB, at(150))])
            log.drop(2**62)
            assert log.list_open() == []
            assert log.list_days(9) == []
            log.close()
        later = SqlitePromiseLog(path)
        assert later.list_open() == [a_promise()]
        later.close()

    def test_nobody_else_may_read_it(self, tmp_path: Path, promises: SqlitePromiseLog) -> None:
        assert (tmp_path / "promises.db").stat().st_mode & 0o077 == 0

    def test_a_disk_that_refuses_costs_the_record_and_nothing_else(
        self, promises: SqlitePromiseLog
    ) -> None:
        assert promises._connection is not None
        promises._connection.execute("PRAGMA max_page_count = 1")
        promises.add([a_promise(made=number, why="x" * 9000) for number in range(50)])
        promises._connection.execute("PRAGMA max_page_count = 100000")
        promises.add([a_promise(made=99)])
        assert [one.promise for one in promises.list_promises(JOB, 9)] == [a_promise(made=99)]
