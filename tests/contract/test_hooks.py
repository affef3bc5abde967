"""Wherever webhooks are kept, the same suite holds; PostgreSQL is a real one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters.stores.memory_hooks import MemoryHooks
from quarterdeck.adapters.stores.sql.hooks import SqlHooks
from quarterdeck.adapters.stores.sql.store import SqlStore, open_store
from quarterdeck.testing.conformance.hooks import HooksConformance
from quarterdeck.testing.postgres import PostgresServer, running_postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class TestMemoryHooks(HooksConformance):
    @pytest.fixture
    def hooks(self) -> MemoryHooks:
        return MemoryHooks()

    @pytest.fixture
    def reopened(self, hooks: MemoryHooks) -> Callable[[], MemoryHooks]:
        return lambda: hooks


class SqlGround(HooksConformance):
    """On a fixture `address`, which each database has its own of."""

    @pytest.fixture
    def opened(self, address: str) -> Iterator[list[SqlStore]]:
        stores = [open_store(address)]
        yield stores
        for store in stores:
            store.close()

    @pytest.fixture
    def hooks(self, opened: list[SqlStore]) -> SqlHooks:
        return opened[0].hooks

    @pytest.fixture
    def reopened(self, opened: list[SqlStore], address: str) -> Callable[[], SqlHooks]:
        def reopen() -> SqlHooks:
            opened.append(open_store(address))
            return opened[-1].hooks

        return reopen


class TestSqliteHooks(SqlGround):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.mark.needs_postgres
class TestPostgresHooks(SqlGround):
    @pytest.fixture
    def address(self, postgres: PostgresServer) -> str:
        return postgres.new_database()
