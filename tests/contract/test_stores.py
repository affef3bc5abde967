"""Every store passes the same suite; PostgreSQL is a real one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters.stores.memory import MemoryStore
from quarterdeck.adapters.stores.sql.store import SqlStore, open_store
from quarterdeck.testing.conformance.store import StoreConformance
from quarterdeck.testing.conformance.store_dropping import StoreDroppingConformance
from quarterdeck.testing.conformance.store_sites import StoreOfSites
from quarterdeck.testing.postgres import PostgresServer, running_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator


class TestMemoryStore(StoreConformance, StoreDroppingConformance, StoreOfSites):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()


class TestSqliteStore(StoreConformance, StoreDroppingConformance, StoreOfSites):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqlStore]:
        store = open_store(tmp_path / "store.db")
        yield store
        store.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.mark.needs_postgres
class TestPostgresStore(StoreConformance, StoreDroppingConformance, StoreOfSites):
    @pytest.fixture
    def store(self, postgres: PostgresServer) -> Iterator[SqlStore]:
        store = open_store(postgres.new_database())
        yield store
        store.close()
