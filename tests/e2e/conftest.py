"""A real server on a home of its own, driven through `qd` and the SDK as a person would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.deck import Deck


@pytest.fixture
def deck(tmp_path: Path) -> Iterator[Deck]:
    """A home without a server yet; whatever it started is ended afterwards."""
    made = Deck(tmp_path / "home")
    yield made
    made.end()
