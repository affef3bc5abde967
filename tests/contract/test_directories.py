"""Wherever people and tokens are kept, the same suite holds; PostgreSQL is a real one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters.stores.memory_directory import MemoryDirectory
from quarterdeck.adapters.stores.sql.directory import SqlDirectory
from quarterdeck.adapters.stores.sql.store import SqlStore, open_store
from quarterdeck.ports.store import JobFilter
from quarterdeck.testing.builders import a_placed
from quarterdeck.testing.conformance.directory import DirectoryConformance, founded
from quarterdeck.testing.conformance.store_steps import move, submit
from quarterdeck.testing.postgres import PostgresServer, running_postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class TestMemoryDirectory(DirectoryConformance):
    @pytest.fixture
    def directory(self) -> MemoryDirectory:
        return MemoryDirectory()

    @pytest.fixture
    def reopened(self, directory: MemoryDirectory) -> Callable[[], MemoryDirectory]:
        return lambda: directory


class SqlGround(DirectoryConformance):
    """On a fixture `address`, which each database has its own of."""

    @pytest.fixture
    def opened(self, address: str) -> Iterator[list[SqlStore]]:
        stores = [open_store(address)]
        yield stores
        for store in stores:
            store.close()

    @pytest.fixture
    def directory(self, opened: list[SqlStore]) -> SqlDirectory:
        return opened[0].directory

    @pytest.fixture
    def reopened(self, opened: list[SqlStore], address: str) -> Callable[[], SqlDirectory]:
        def reopen() -> SqlDirectory:
            opened.append(open_store(address))
            return opened[-1].directory

        return reopen

    def test_it_outlives_the_store_that_it_came_with(
        self, opened: list[SqlStore], reopened: Callable[[], SqlDirectory]
    ) -> None:
        founded(opened[0].directory)
        before = opened[0].directory.load()
        opened[0].close()
        assert reopened().load() == before

    def test_jobs_and_people_leave_each_other_alone(self, opened: list[SqlStore]) -> None:
        (store,) = opened
        job = submit(store, 1)
        founded(store.directory)
        before = store.directory.load()
        job = move(store, job, a_placed())
        store.replace_jobs(iter([job]), iter(()))
        assert store.list_jobs(JobFilter()) == [job]
        assert store.directory.load() == before


class TestSqliteDirectory(SqlGround):
    @pytest.fixture
    def address(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.mark.needs_postgres
class TestPostgresDirectory(SqlGround):
    @pytest.fixture
    def address(self, postgres: PostgresServer) -> str:
        return postgres.new_database()
