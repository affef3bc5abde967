"""Wherever bookings are kept, the same suite holds; PostgreSQL is a real one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters.stores.memory_calendar import MemoryCalendar
from quarterdeck.adapters.stores.sql.calendar import SqlCalendar
from quarterdeck.adapters.stores.sql.store import SqlStore, open_store
from quarterdeck.testing.conformance.calendar import CalendarConformance
from quarterdeck.testing.postgres import PostgresServer, running_postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class TestMemoryCalendar(CalendarConformance):
    @pytest.fixture
    def calendar(self) -> MemoryCalendar:
        return MemoryCalendar()

    @pytest.fixture
    def reopened(self, calendar: MemoryCalendar) -> Callable[[], MemoryCalendar]:
        return lambda: calendar


class SqlGround(CalendarConformance):
    """On a fixture `address`, which each database has its own of."""

    @pytest.fixture
    def opened(self, address: str) -> Iterator[list[SqlStore]]:
        stores = [open_store(address)]
        yield stores
        for store in stores:
            store.close()

    @pytest.fixture
    def calendar(self, opened: list[SqlStore]) -> SqlCalendar:
        return opened[0].calendar

    @pytest.fixture
    def reopened(self, opened: list[SqlStore], address: str) -> Callable[[], SqlCalendar]:
        def reopen() -> SqlCalendar:
            opened.append(open_store(address))
            return opened[-1].calendar

        return reopen


class TestSqliteCalendar(SqlGround):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.mark.needs_postgres
class TestPostgresCalendar(SqlGround):
    @pytest.fixture
    def address(self, postgres: PostgresServer) -> str:
        return postgres.new_database()
