"""Whatever goes wrong, the plans of a simulated site can all be made again from its two logs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quarterdeck.adapters.blobs.memory import MemoryBlobs
from quarterdeck.adapters.cycles.memory import MemoryCycleLog
from quarterdeck.adapters.stores.memory import MemoryStore
from quarterdeck.control.cycles import Cycles
from quarterdeck.control.schedule import Scheduler
from quarterdeck.ports.cycles import Outcome
from quarterdeck.sim import world
from quarterdeck.sim.replay.again import replay
from quarterdeck.sim.run import simulate
from quarterdeck.sim.server import SimServer

JOBS = 150


@pytest.mark.parametrize("seed", [1, 2])
def test_every_plan_of_a_site_full_of_faults_is_made_again_the_same(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, cycle_log = MemoryStore(), MemoryCycleLog()

    class RecordingServer(SimServer):
        """Every start of it begins a new part of the log."""

        def start(self) -> None:
            super().start()
            if self._plane is not None and self._board is not None:
                cycle_log.begin(self._clock.now_ns(), self._board.loaded_at, "1")
                self._plane = replace(self._plane, cycles=Cycles(cycle_log))
                self._scheduler = Scheduler(self._plane)

    monkeypatch.setattr(world, "SimServer", RecordingServer)
    outcome = simulate(seed, JOBS, lambda: store, MemoryBlobs)
    assert outcome.is_ok, outcome.text
    again = replay(store, cycle_log, (0, 2**62), lambda: None)
    assert again.differences == []
    assert again.cycles == again.same > 300
    assert len(again.starts) > 3
    assert again.outcomes[Outcome.STALE] > 0
    assert again.placements > JOBS
