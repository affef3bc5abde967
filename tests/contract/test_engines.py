"""The real engine and the simulator's pass the same suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from quarterdeck.testing.conformance.engine import EngineConformance
from tests.contract.grounds import LocalGround, VirtualGround


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
