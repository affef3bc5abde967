"""A house to test in, and who talks to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fastapi.testclient import TestClient

from tests.integration.api.house import TOKEN, House, make_house, served

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def house() -> House:
    return make_house()


@pytest.fixture
def client(house: House) -> TestClient:
    """A client that has the token."""
    return TestClient(
        house.app,
        base_url="http://127.0.0.1:8000",
        client=("127.0.0.1", 50000),
        headers={"Authorization": f"Bearer {TOKEN}"},
        raise_server_exceptions=True,
    )


@pytest.fixture
def stranger(house: House) -> TestClient:
    """A client without a token."""
    return TestClient(house.app, base_url="http://127.0.0.1:8000", client=("127.0.0.1", 50000))


@pytest.fixture
def live(house: House) -> Iterator[House]:
    with served(house):
        yield house
