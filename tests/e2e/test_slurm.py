"""A person's jobs on a real Slurm: the same as on one machine, through crashes and faults."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.deck import Deck, until
from tests.e2e.slurm_site import (
    NAME,
    Gate,
    add_command,
    list_sites,
    squeue,
    wait_connected,
)
from tests.slurm.cluster import SlurmCluster, running_slurm
from tests.slurm.config import ClusterOptions

pytestmark = pytest.mark.needs_slurm

PRETEND = ("--pretend", "dgx-a100:2")
MAY_DIFFER = {
    "id", "site", "node", "nodes", "devices", "requested_at", "submitted_at", "started_at",
    "ended_at", "placed_at", "pretend",
}  # fmt: skip
"""Keys of a job whose values name it, its place or a time."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[SlurmCluster]:
    """Its controller may be stopped by a test, so it is no other file's."""
    with running_slurm(ClusterOptions(nodes=2)) as made:
        yield made


@pytest.fixture(scope="module")
def gate(cluster: SlurmCluster, tmp_path_factory: pytest.TempPathFactory) -> Gate:
    return Gate(tmp_path_factory.mktemp("gate"), cluster)


@pytest.fixture(scope="module")
def kept_deck(
    cluster: SlurmCluster, gate: Gate, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Deck]:
    """One server for all tests, with two pretended nodes of its own beside the Slurm."""
    folder = tmp_path_factory.mktemp("deck")
    made = Deck(folder / "home")
    made.environment["PATH"] = f"{Path(__import__('sys').executable).parent}:/usr/bin:/bin"
    options = ("--programs", str(gate.programs), "--country", "DE")
    added = made.qd(*add_command(cluster, folder / "shared", *options))
    assert added.returncode == 0, added.stderr
    made.up(*PRETEND)
    yield made
    made.end()


@pytest.fixture
def deck(kept_deck: Deck, cluster: SlurmCluster, gate: Gate) -> Iterator[Deck]:
    """The server when it uses its Slurm and nothing runs; what a test leaves is cancelled."""
    wait_connected(kept_deck)
    yield kept_deck
    gate.open()
    cluster.cancel_all()
