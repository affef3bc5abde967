"""The real engine and the simulator's pass the same suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quarterdeck.testing.conformance.engine import EngineConformance, RemoteEngineConformance
from tests.contract.grounds import LocalGround, VirtualGround
from tests.contract.slurm_ground import PilotGround, SlurmGround
from tests.slurm.cluster import SlurmCluster


class TestLocalEngine(EngineConformance):
    @pytest.fixture
    def ground(self, tmp_path: Path) -> Iterator[LocalGround]:
        made = LocalGround(tmp_path)
        yield made
        made.close()


class TestVirtualEngine(EngineConformance):
    @pytest.fixture
    def ground(self) -> VirtualGround:
        return VirtualGround()


@pytest.mark.needs_slurm
class TestSlurmEngine(RemoteEngineConformance):
    @pytest.fixture
    def ground(self, slurm: SlurmCluster, tmp_path: Path) -> Iterator[SlurmGround]:
        made = SlurmGround(slurm, tmp_path)
        yield made
        made.close()


@pytest.mark.needs_slurm
class TestPilotEngine(RemoteEngineConformance):
    @pytest.fixture
    def ground(self, slurm: SlurmCluster, tmp_path: Path) -> Iterator[PilotGround]:
        made = PilotGround(slurm, tmp_path)
        yield made
        made.close()
