"""Wherever verdicts are kept, the same suite holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters import log_file
from quarterdeck.adapters.verdicts.memory import MemoryVerdictLog
from quarterdeck.adapters.verdicts.sqlite import SqliteVerdictLog
from quarterdeck.testing.conformance.verdicts import JOB, VerdictLogConformance, a_told
from tests.contract.locking import a_lock_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class TestMemoryVerdictLog(VerdictLogConformance):
    @pytest.fixture
    def verdicts(self) -> MemoryVerdictLog:
        return MemoryVerdictLog()

    @pytest.fixture
    def reopened(self, verdicts: MemoryVerdictLog) -> Callable[[], MemoryVerdictLog]:
        return lambda: verdicts


class TestSqliteVerdictLog(VerdictLogConformance):
    @pytest.fixture
    def opened(self) -> Iterator[list[SqliteVerdictLog]]:
        logs: list[SqliteVerdictLog] = []
        yield logs
        for log in logs:
            log.close()

    @pytest.fixture
    def verdicts(self, tmp_path: Path, opened: list[SqliteVerdictLog]) -> SqliteVerdictLog:
        opened.append(SqliteVerdictLog(tmp_path / "verdicts.db"))
        return opened[-1]

    @pytest.fixture
    def reopened(
        self, tmp_path: Path, opened: list[SqliteVerdictLog]
    ) -> Callable[[], SqliteVerdictLog]:
        def again() -> SqliteVerdictLog:
            opened.append(SqliteVerdictLog(tmp_path / "verdicts.db"))
            return opened[-1]

        return again

    def test_a_file_that_is_none_is_begun_anew(self, tmp_path: Path) -> None:
        path = tmp_path / "verdicts.db"
        rubbish = b"not a database, but long enough to be taken for one" * 100
        path.write_bytes(rubbish)
        log = SqliteVerdictLog(path)
        log.add([a_told()])
        assert log.list_told(JOB, 1) == [a_told()]
        log.close()
        assert (tmp_path / "verdicts.db.broken").read_bytes() == rubbish

    def test_a_file_that_somebody_locks_is_left_alone_and_the_server_does_without(
        self, tmp_path: Path, verdicts: SqliteVerdictLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        verdicts.add([a_told()])
        verdicts.close()
        monkeypatch.setattr(log_file, "BUSY_S", 0.0)
        path = tmp_path / "verdicts.db"
        with a_lock_on(path):
            log = SqliteVerdictLog(path)
            log.add([a_told(2)])
            log.drop(2**62)
            assert log.list_told(JOB, 9) == []
            log.close()
        later = SqliteVerdictLog(path)
        assert later.list_told(JOB, 9) == [a_told()]
        later.close()

    def test_nobody_else_may_read_it(self, tmp_path: Path, verdicts: SqliteVerdictLog) -> None:
        assert (tmp_path / "verdicts.db").stat().st_mode & 0o077 == 0

    def test_a_disk_that_refuses_costs_the_record_and_nothing_else(
        self, verdicts: SqliteVerdictLog
    ) -> None:
        assert verdicts._connection is not None
        verdicts._connection.execute("PRAGMA max_page_count = 1")
        verdicts.add([a_told(number, message="x" * 9000) for number in range(50)])
        verdicts._connection.execute("PRAGMA max_page_count = 100000")
        verdicts.add([a_told(99)])
        assert verdicts.list_told(JOB, 1) == [a_told(99)]
