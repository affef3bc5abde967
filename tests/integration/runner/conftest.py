"""A ground per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.enroot
import tests.podman
from tests.integration.runner.ground import Ground
from tests.means import Means
from tests.podman import Podman, opened, write_busybox


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    made = Ground(tmp_path / "site")
    yield made
    made.close()


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(tests.podman.opened, marks=pytest.mark.needs_podman, id="podman"),
        pytest.param(tests.enroot.opened, marks=pytest.mark.needs_enroot, id="enroot"),
    ],
)
def means(request: pytest.FixtureRequest) -> Iterator[Means]:
    """Each program that gives jobs images, with a place for all tests of this process."""
    with request.param() as made:
        yield made


@pytest.fixture(scope="session")
def busybox(means: Means, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with variables of its own, as a job calls it."""
    tar = write_busybox(tmp_path_factory.mktemp("images") / "busybox.tar")
    return means.import_tar(
        tar, "localhost/busybox:1", "ENV OF_IMAGE=yes", "ENV PYTHONPATH=/opt/image"
    )


@pytest.fixture(scope="session")
def podman() -> Iterator[Podman]:
    """A storage for all tests of this process."""
    with opened() as made:
        yield made
