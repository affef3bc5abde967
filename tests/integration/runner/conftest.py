"""A ground per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.runner.ground import Ground
from tests.podman import Podman, opened


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path / "site")
    yield made
    made.close()


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    """A storage for all tests of this process."""
    with opened() as made:
        yield made
