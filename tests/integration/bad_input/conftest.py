"""One real server behind HTTP for a whole table of wrong input: none of it may leave a trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.api.house import TOKEN, House, make_house, served

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    made = make_house()
    with served(made):
        yield made


@pytest.fixture(autouse=True)
def untouched(house: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The promise of every test here: the log's head is where it was, and no job is there."""
    monkeypatch.setenv("QD_URL", house.url)
    monkeypatch.setenv("QD_TOKEN", TOKEN)
    before = house.plane.store.head()
    yield
    assert house.plane.store.head() == before
    assert house.plane.store.count_jobs() == {}
