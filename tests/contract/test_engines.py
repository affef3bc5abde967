"""The real engine and the simulator's pass the same suite."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic

import pytest

from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
from quarterdeck.adapters.engines.local.engine import LocalEngine
from quarterdeck.adapters.engines.local.paths import SitePaths
from quarterdeck.adapters.gauges.pretend import parse_pretend
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.ports.engine import AttemptRef, LaunchOrder
from quarterdeck.testing.conformance.engine import Behaviour, EngineConformance

HOME_ID = "conformance"


class LocalGround:
    """A local engine on pretended nodes; commands note their starts in a file."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._paths = SitePaths(root / "site")
        self._paths.make()
        os.mkfifo(self._paths.inbox)
        self._inbox = os.open(self._paths.inbox, os.O_RDWR | os.O_NONBLOCK)
        self._nodes = parse_pretend("dgx-a100:2")
        self._ordered: list[AttemptRef] = []
        self.engine = self._make()

    def _make(self) -> LocalEngine:
        blobs = FilesystemBlobs(self._root / "blobs")
        return LocalEngine(self._paths, HOME_ID, blobs, lambda: self._nodes)

    def restart(self) -> None:
        self.engine = self._make()

    def order(self, ref: AttemptRef, behaviour: Behaviour, *, nodes: int = 1) -> LaunchOrder:
        self._ordered.append(ref)
        line = f"echo start >> {self._starts(ref)}; "
        if behaviour.ignores_stop:
            line += "trap '' TERM; "
        line += "while :; do sleep 1000; done" if behaviour.lasts else f"exit {behaviour.exit_code}"
        demand = Demand(nodes, Resources(gpus=1))
        grants = tuple(Grant(node.name, (node.devices[0].id,)) for node in self._nodes[:nodes])
        return LaunchOrder(ref, JobSpec(("sh", "-c", line), demand=demand), grants)

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = monotonic() + 20
        pause = threading.Event()
        while not holds():
            for ref in self._ordered:
                self.engine.note(ref)
            assert monotonic() < deadline
            pause.wait(0.01)

    def count_starts(self, ref: AttemptRef) -> int:
        self.until(self._starts(ref).exists)
        return len(self._starts(ref).read_text().splitlines())

    def count_living(self, ref: AttemptRef) -> int:
        mark = f"QD_REPLICA={HOME_ID}/{ref.job_id}/{ref.attempt}/".encode()
        found = 0
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    found += mark in (process / "environ").read_bytes()
                except OSError:
                    continue
        return found

    def close(self) -> None:
        for seen in self.engine.observe():
            self.engine.stop(seen.ref, 0.0)
        self.until(lambda: all(seen.is_gone for seen in self.engine.observe()))
        os.close(self._inbox)

    def _starts(self, ref: AttemptRef) -> Path:
        return self._root / f"starts-{ref.job_id}-{ref.attempt}"


class TestLocalEngine(EngineConformance):
    @pytest.fixture
    def ground(self, tmp_path: Path) -> Iterator[LocalGround]:
        made = LocalGround(tmp_path)
        yield made
        made.close()
