"""Wherever cycles are kept, the same suite holds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters import log_file
from quarterdeck.adapters.cycles.memory import MemoryCycleLog
from quarterdeck.adapters.cycles.sqlite import SqliteCycleLog, open_cycle_log, read_cycle_log
from quarterdeck.basics.errors import Unavailable
from quarterdeck.testing.builders import START_NS
from quarterdeck.testing.conformance.cycles import LIMITS, CycleLogConformance, a_cycle
from tests.contract.locking import a_lock_on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def in_file(path: Path) -> SqliteCycleLog:
    log = open_cycle_log(path)
    assert isinstance(log, SqliteCycleLog)
    return log


class TestMemoryCycleLog(CycleLogConformance):
    @pytest.fixture
    def cycles(self) -> MemoryCycleLog:
        return MemoryCycleLog()

    @pytest.fixture
    def reopened(self, cycles: MemoryCycleLog) -> Callable[[], MemoryCycleLog]:
        return lambda: cycles


class TestSqliteCycleLog(CycleLogConformance):
    @pytest.fixture
    def opened(self) -> Iterator[list[SqliteCycleLog]]:
        logs: list[SqliteCycleLog] = []
        yield logs
        for log in logs:
            log.close()

    @pytest.fixture
    def cycles(self, tmp_path: Path, opened: list[SqliteCycleLog]) -> SqliteCycleLog:
        opened.append(in_file(tmp_path / "cycles.db"))
        return opened[-1]

    @pytest.fixture
    def reopened(
        self, tmp_path: Path, opened: list[SqliteCycleLog]
    ) -> Callable[[], SqliteCycleLog]:
        def again() -> SqliteCycleLog:
            opened.append(in_file(tmp_path / "cycles.db"))
            return opened[-1]

        return again

    def test_a_reader_sees_what_a_server_is_writing_and_changes_nothing(
        self, tmp_path: Path, cycles: SqliteCycleLog, opened: list[SqliteCycleLog]
    ) -> None:
        start = cycles.begin(START_NS, 7, "1.0")
        cycles.add([a_cycle(1)])
        reader = read_cycle_log(tmp_path / "cycles.db")
        assert reader is not None
        opened.append(reader)
        assert reader.list_cycles(start) == [a_cycle(1)]
        reader.drop(START_NS + 10**12, 0)
        cycles.add([a_cycle(2, inputs=LIMITS)])
        assert reader.list_cycles(start) == [a_cycle(1), a_cycle(2, inputs=LIMITS)]

    def test_a_reader_reads_a_file_of_before_use_was_kept(
        self, tmp_path: Path, cycles: SqliteCycleLog, opened: list[SqliteCycleLog]
    ) -> None:
        cycles.begin(START_NS, 7, "1.0")
        with closing(sqlite3.connect(tmp_path / "cycles.db")) as older:
            older.execute("DROP TABLE used")
        reader = read_cycle_log(tmp_path / "cycles.db")
        assert reader is not None
        opened.append(reader)
        assert [one.used for one in reader.list_starts()] == [()]

    def test_a_reader_makes_no_file(self, tmp_path: Path) -> None:
        assert read_cycle_log(tmp_path / "cycles.db") is None
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_is_none_is_begun_anew_by_a_server_and_left_alone_by_a_reader(
        self, tmp_path: Path
    ) -> None:
        path = tmp_path / "cycles.db"
        rubbish = b"not a database, but long enough to be taken for one" * 100
        path.write_bytes(rubbish)
        reader = read_cycle_log(path)
        assert reader is not None
        with pytest.raises(Unavailable, match="the log of cycles cannot be read"):
            reader.list_starts()
        reader.close()
        assert path.read_bytes() == rubbish
        log = open_cycle_log(path)
        start = log.begin(START_NS, 7, "1.0")
        log.add([a_cycle()])
        assert log.list_cycles(start) == [a_cycle()]
        log.close()
        assert (tmp_path / "cycles.db.broken").read_bytes() == rubbish

    def test_a_file_that_somebody_locks_is_left_alone_and_the_server_does_without(
        self, tmp_path: Path, cycles: SqliteCycleLog, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        start = cycles.begin(START_NS, 7, "1.0")
        cycles.add([a_cycle()])
        cycles.close()
        monkeypatch.setattr(log_file, "BUSY_S", 0.0)
        path = tmp_path / "cycles.db"
        with a_lock_on(path):
            log = open_cycle_log(path)
            begun = log.begin(START_NS, 8, "1.0")
            log.add([a_cycle(2)])
            log.drop(START_NS, 0)
            log.end(START_NS)
            assert log.list_cycles(begun) == []
            log.close()
        later = in_file(path)
        assert [one.number for one in later.list_starts()] == [start]
        assert later.list_cycles(start) == [a_cycle()]
        later.close()

    def test_nobody_else_may_read_it(self, tmp_path: Path, cycles: SqliteCycleLog) -> None:
        assert (tmp_path / "cycles.db").stat().st_mode & 0o077 == 0

    def test_a_disk_that_refuses_costs_the_cycles_and_nothing_else(
        self, cycles: SqliteCycleLog
    ) -> None:
        start = cycles.begin(START_NS, 7, "1.0")
        cycles._connection.execute("PRAGMA max_page_count = 1")
        cycles.add([a_cycle(number, inputs=LIMITS) for number in range(1, 500)])
        cycles._connection.execute("PRAGMA max_page_count = 100000")
        cycles.add([a_cycle(500, inputs=LIMITS)])
        assert cycles.list_cycles(start) == [a_cycle(500, inputs=LIMITS)]
