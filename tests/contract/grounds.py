"""The engines that the conformance suite is tried on, each with the world around it."""

from __future__ import annotations

import json
import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic

from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
from quarterdeck.adapters.engines.local.engine import LocalEngine
from quarterdeck.adapters.gauges.pretend import parse_pretend
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.basics.chance import Chance
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.hardware import Node
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.ports.engine import AttemptRef, LaunchOrder
from quarterdeck.sim.checks import Checks
from quarterdeck.sim.engine import VirtualEngine
from quarterdeck.sim.faults import Faults
from quarterdeck.sim.site import VirtualSite
from quarterdeck.sim.timeline import SimClock, Timeline
from quarterdeck.sim.workload import Script
from quarterdeck.testing.conformance.engine import Behaviour

FOR_EVER_S = 1e9


def make_grants(nodes: tuple[Node, ...], number: int, gpus: int) -> tuple[Grant, ...]:
    """So many GPUs of each node, others for each order as long as there are."""
    first = number % (len(nodes[0].devices) - gpus + 1)
    return tuple(
        Grant(node.name, tuple(one.id for one in node.devices[first : first + gpus]))
        for node in nodes
    )


def make_demand(nodes: int, behaviour: Behaviour) -> Demand:
    return Demand(nodes, Resources(gpus=behaviour.gpus))


def make_line(starts: Path, behaviour: Behaviour) -> str:
    """A shell line that notes its start and its devices, and behaves."""
    line = f"echo $CUDA_VISIBLE_DEVICES >> {starts}; "
    if behaviour.ignores_stop:
        line += "trap '' TERM; "
    end = "while :; do sleep 1000; done" if behaviour.lasts else f"exit {behaviour.exit_code}"
    return line + end


def count_started(paths: SitePaths, ref: AttemptRef) -> int:
    """Starts that runners noted; the command's own line follows each, sooner or later."""
    noted = 0
    for folder in (paths.attempt(ref), paths.ended_attempt(ref)):
        for status in folder.glob("*/status.jsonl"):
            facts = [json.loads(line) for line in status.read_text().splitlines()]
            noted += sum(fact["kind"] == "started" for fact in facts)
    return noted


def read_starts(path: Path) -> list[list[str]]:
    """The devices that each start of a command has noted."""
    return [line.split(",") for line in path.read_text().splitlines()] if path.exists() else []


class LocalGround:
    """The local engine on pretended nodes; commands note their starts in a file."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._home_id = secrets.token_hex(8)
        self._paths = SitePaths(root / "site")
        self._paths.make()
        os.mkfifo(self._paths.inbox)
        self._inbox = os.open(self._paths.inbox, os.O_RDWR | os.O_NONBLOCK)
        self._nodes = parse_pretend("dgx-a100:2")
        self._ordered: list[AttemptRef] = []
        self.engine = self._make()

    def _make(self) -> LocalEngine:
        blobs = FilesystemBlobs(self._root / "blobs")
        return LocalEngine(self._paths, self._home_id, blobs, lambda: self._nodes)

    def restart(self) -> None:
        self.engine = self._make()

    def order(self, ref: AttemptRef, behaviour: Behaviour, *, nodes: int = 1) -> LaunchOrder:
        self._ordered.append(ref)
        line = make_line(self._starts(ref), behaviour)
        spec = JobSpec(("sh", "-c", line), demand=make_demand(nodes, behaviour))
        grants = make_grants(self._nodes[:nodes], len(self._ordered), behaviour.gpus)
        return LaunchOrder(ref, spec, grants)

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = monotonic() + 20
        pause = threading.Event()
        while not holds():
            for ref in self._ordered:
                self.engine.note(ref)
            assert monotonic() < deadline
            pause.wait(0.01)

    def count_starts(self, ref: AttemptRef) -> int:
        noted = count_started(self._paths, ref)
        self.until(lambda: len(self.read_devices(ref)) >= noted)
        assert len(self.read_devices(ref)) == noted
        return noted

    def count_living(self, ref: AttemptRef) -> int:
        mark = f"QD_REPLICA={self._home_id}/{ref.job_id}/{ref.attempt}/".encode()
        found = 0
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    found += mark in (process / "environ").read_bytes()
                except OSError:
                    continue
        return found

    def read_devices(self, ref: AttemptRef) -> list[list[str]]:
        return read_starts(self._starts(ref))

    def close(self) -> None:
        for seen in self.engine.observe():
            self.engine.stop(seen.ref, 0.0)
        self.until(lambda: all(seen.is_gone for seen in self.engine.observe()))
        os.close(self._inbox)

    def _starts(self, ref: AttemptRef) -> Path:
        return self._root / f"starts-{ref.job_id}-{ref.attempt}"


class VirtualGround:
    """The simulator's engine on virtual time, with no faults."""

    def __init__(self) -> None:
        self._timeline = Timeline()
        self._faults = Faults(Chance(1))
        self._faults.cease()
        self._nodes = parse_pretend("dgx-a100:2")
        self._behaviours: dict[AttemptRef, Behaviour] = {}
        clock = SimClock(self._timeline)
        self._site = VirtualSite(
            self.script, Chance(2), self._timeline, clock, Checks(), self._nodes
        )
        self.engine = VirtualEngine(self._site, self._faults)

    def restart(self) -> None:
        self.engine = VirtualEngine(self._site, self._faults)

    def order(self, ref: AttemptRef, behaviour: Behaviour, *, nodes: int = 1) -> LaunchOrder:
        self._behaviours[ref] = behaviour
        name = f"job-{list(self._behaviours).index(ref)}"
        spec = JobSpec(("virtual",), name=name, demand=make_demand(nodes, behaviour))
        grants = make_grants(self._nodes[:nodes], len(self._behaviours), behaviour.gpus)
        return LaunchOrder(ref, spec, grants)

    def script(self, order: LaunchOrder) -> Script:
        """What stands in for the simulator's own choice of what a command does."""
        behaviour = self._behaviours[order.ref]
        return Script(
            stand_after_s=(0.1,) * order.spec.demand.nodes,
            lasts_s=FOR_EVER_S if behaviour.lasts else 1.0,
            bad_replica=0 if behaviour.exit_code else None,
            bad_code=behaviour.exit_code or None,
            bad_after=1.0,
            yields_after_s=None if behaviour.ignores_stop else 0.2,
            yields_with_zero=False,
        )

    def until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            assert self._timeline.step(), "nothing is to come"

    def count_starts(self, ref: AttemptRef) -> int:
        attempt = self._site.forgotten.get(ref) or self._site.tracked[ref]
        return sum(replica.starts for replica in attempt.replicas)

    def read_devices(self, ref: AttemptRef) -> list[list[str]]:
        attempt = self._site.find_attempt(ref)
        return [list(grant.devices) for grant in attempt.order.grants] if attempt else []

    def count_living(self, ref: AttemptRef) -> int:
        attempt = self._site.find_attempt(ref)
        return sum(replica.lives for replica in attempt.replicas) if attempt else 0
