"""A site whose file names another engine than the one that has launched what lives."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from quarterdeck.adapters.engines.slurm.engine import SlurmEngine
from quarterdeck.adapters.engines.slurm.pilot_engine import PilotEngine
from quarterdeck.adapters.engines.slurm.requests import BatchRequest
from quarterdeck.adapters.engines.slurm.settings import PilotSettings, SlurmSettings
from quarterdeck.adapters.engines.slurm.tickets import Ticket
from quarterdeck.adapters.spool.attempts import Attempts
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.basics.errors import Conflict
from quarterdeck.basics.ids import JobId
from quarterdeck.ports.engine import AttemptRef

REF = AttemptRef(JobId("j1"), 2)
ORDER = {
    "nnodes": 1, "node": "n1", "devices": [], "grace_s": 1.0,
    "limits": {"cpus": 1, "memory_bytes": 1},
}  # fmt: skip


def start(paths: SitePaths, nothing: Any, settings: PilotSettings | SlurmSettings) -> object:
    if isinstance(settings, PilotSettings):
        return PilotEngine(paths, "a1", nothing, nothing, settings)
    return SlurmEngine(paths, "a1", nothing, nothing, settings)


@pytest.mark.parametrize(
    ("order", "is_pilot", "engine"),
    [({**ORDER, "pilot": 1}, False, "slurm-pilot"), (ORDER, True, "slurm")],
)
def test_it_is_told_with_what_to_do(
    tmp_path: Path, order: dict[str, Any], is_pilot: bool, engine: str
) -> None:
    paths, nothing = SitePaths(tmp_path), cast("Any", None)
    paths.make()
    paths.attempt(REF).mkdir(parents=True)
    if is_pilot:
        Ticket(paths.attempt(REF), BatchRequest("#!/bin/sh\n")).save()
    Attempts(paths, None).write(REF, [order])
    pilot = PilotSettings(SlurmSettings(), 1)
    with pytest.raises(Conflict, match=f"j1/2 was launched with {engine}") as caught:
        start(paths, nothing, pilot if is_pilot else pilot.slurm)
    assert (caught.value.field, caught.value.code) == ("engine", "engine_changed")
    assert f"say engine: {engine} again" in caught.value.hint
