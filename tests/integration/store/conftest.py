"""A real PostgreSQL server for the tests that need one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quarterdeck.testing.postgres import PostgresServer, running_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server
