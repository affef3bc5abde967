"""A real Slurm for the conformance suite, and engines that can be cut off from it."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, Generic, TypeVar

from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
from quarterdeck.adapters.engines.slurm.engine import SlurmEngine
from quarterdeck.adapters.engines.slurm.keys import make_keys
from quarterdeck.adapters.engines.slurm.pilot_engine import PilotEngine
from quarterdeck.adapters.engines.slurm.settings import PilotSettings, SlurmSettings
from quarterdeck.adapters.engines.slurm.tickets import TICKET
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.ports.engine import AttemptRef, LaunchOrder
from quarterdeck.testing.conformance.engine import Behaviour
from tests.contract.grounds import count_started, make_demand, make_grants, make_line, read_starts
from tests.slurm.cluster import SlurmCluster
from tests.slurm.processes import find_processes

SETTINGS = SlurmSettings(poll_s=0.2)
PILOTS = PilotSettings(SETTINGS, nodes_max=6, idle_s=600.0)
E = TypeVar("E", bound=SlurmEngine | PilotEngine)
S = TypeVar("S", bound=SlurmSettings | PilotSettings)


class ClusterGround(Generic[E, S]):
    """See the module. Its programs are scripts that fail, or fail after they did it, on demand."""

    def __init__(self, cluster: SlurmCluster, root: Path, settings: S) -> None:
        self.cluster = cluster
        self._root = root
        self._settings = settings
        self._home_id = secrets.token_hex(8)
        self.paths = SitePaths(root / "site")
        self._programs = root / "programs"
        self._make_programs()
        self._ordered: list[AttemptRef] = []
        self._granted: dict[AttemptRef, tuple[Grant, ...]] = {}
        self.engine = self._make()
        self._nodes = self.engine.list_nodes()

    def _make_programs(self) -> None:
        self._programs.mkdir()
        self.outage = self._programs / "outage"
        self.asked = self._programs / "asked"
        for name in ("sbatch", "squeue", "scancel", "scontrol", "sacct"):
            real = self.cluster.programs / name
            script = self._programs / name
            script.write_text(
                "#!/bin/sh\n"
                f"what=$(cat {self.outage} 2>/dev/null)\n"
                f"printf {'S' if name == 'sbatch' else '.'} >> {self.asked}\n"
                'case "$what" in\n'
                'down) echo "Unable to contact slurm controller (connect failure)" >&2; exit 1;;\n'
                f'deaf) {real} "$@" >/dev/null 2>&1; '
                'echo "Unable to contact slurm controller (connect failure)" >&2; exit 1;;\n'
                f'late) [ {name} = sbatch ] || exec {real} "$@"; cat > {script}.in; '
                f'(sleep 2; {real} "$@" < {script}.in) >/dev/null 2>&1 & '
                'echo "Unable to contact slurm controller (connect failure)" >&2; exit 1;;\n'
                f'slow) [ {name} = sbatch ] || exec {real} "$@"; told=$({real} "$@"); '
                f'while [ -e {self.outage} ]; do sleep 0.05; done; echo "$told"; exit 0;;\n'
                "garbage) head -c 3000 /dev/urandom; exit 0;;\n"
                "esac\n"
                f'exec {real} "$@"\n'
            )
            script.chmod(0o755)

    def _make(self) -> E:
        raise NotImplementedError

    def _blobs(self) -> FilesystemBlobs:
        return FilesystemBlobs(self._root / "blobs")

    def _commands(self) -> SlurmCommands:
        return SlurmCommands(config=self.cluster.config, programs=self._programs)

    def _line(self, ref: AttemptRef, behaviour: Behaviour) -> str:
        return make_line(self._starts(ref), behaviour)

    def restart(self, settings: S | None = None) -> None:
        self.engine.close()
        self._settings = settings or self._settings
        self.engine = self._make()

    def break_down(self, kind: str) -> None:
        """From now on Slurm is `down`, `deaf` (it does what it is told, and no answer arrives),
        `late` (the same for new jobs, two seconds later), `slow` (new jobs are answered once it is
        mended) or says `garbage`."""
        self.outage.write_text(kind)

    def mend(self) -> None:
        self.outage.unlink(missing_ok=True)

    def count_asked(self) -> int:
        """How many of its programs were started."""
        return self.asked.stat().st_size if self.asked.exists() else 0

    def count_submitted(self) -> int:
        """How many of those were sbatch."""
        return self.asked.read_text().count("S") if self.asked.exists() else 0

    def has_asked(self) -> Callable[[], bool]:
        before = self.count_asked()

        def look() -> bool:
            self.engine.observe()
            return self.count_asked() >= before + 3

        return look

    def order(
        self, ref: AttemptRef, behaviour: Behaviour, *, nodes: int = 1, line: str = ""
    ) -> LaunchOrder:
        """`line`: what the command does instead of its behaviour."""
        self._ordered.append(ref)
        line = line or self._line(ref, behaviour)
        spec = JobSpec(("sh", "-c", line), demand=make_demand(nodes, behaviour))
        grants = make_grants(self._nodes[:nodes], len(self._ordered), behaviour.gpus)
        self._granted[ref] = grants
        return LaunchOrder(ref, spec, grants)

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = monotonic() + 60
        pause = threading.Event()
        while not holds():
            assert monotonic() < deadline, self.cluster.ask("squeue", "-t", "all")
            pause.wait(0.02)

    def count_starts(self, ref: AttemptRef) -> int:
        noted = count_started(self.paths, ref)
        self.until(lambda: len(self.read_devices(ref)) >= noted)
        assert len(self.read_devices(ref)) == noted
        return noted

    def read_devices(self, ref: AttemptRef) -> list[list[str]]:
        return read_starts(self._starts(ref))

    def read_order(self, ref: AttemptRef) -> dict[str, Any]:
        """What the runner of the first replica was told."""
        content: dict[str, Any] = json.loads(
            (self.paths.replica(ref, 0) / "order.json").read_text()
        )
        return content

    def read_ticket(self, ref: AttemptRef) -> dict[str, Any]:
        """What the engine remembers of its batch job."""
        content: dict[str, Any] = json.loads((self.paths.attempt(ref) / TICKET).read_text())
        return content

    def write_ticket(self, ref: AttemptRef, **changes: object) -> None:
        """As an engine before this one might have left it."""
        content = self.read_ticket(ref) | changes
        (self.paths.attempt(ref) / TICKET).write_text(json.dumps(content))

    def runner_pid(self, ref: AttemptRef) -> int:
        """Of the first replica."""
        facts = (self.paths.replica(ref, 0) / "status.jsonl").read_text().splitlines()
        return int(json.loads(facts[-1])["pid"])

    def key(self, ref: AttemptRef) -> str:
        """The comment of its batch job."""
        return make_keys(self._home_id, self.paths).attempt(ref)

    def granted(self, ref: AttemptRef) -> tuple[Grant, ...]:
        """What an attempt was ordered with."""
        return self._granted[ref]

    def count_living(self, ref: AttemptRef) -> int:
        return len(find_processes(f"QD_REPLICA={self._home_id}/{ref.job_id}/{ref.attempt}/"))

    def close(self) -> None:
        self.mend()
        for seen in self.engine.observe():
            self.engine.stop(seen.ref, 0.0)
        self.until(lambda: all(seen.is_gone for seen in self.engine.observe()))
        self.engine.close()

    def _starts(self, ref: AttemptRef) -> Path:
        return self._root / f"starts-{ref.job_id}-{ref.attempt}"


class SlurmGround(ClusterGround[SlurmEngine, SlurmSettings]):
    """Each job is one of Slurm's."""

    def __init__(
        self, cluster: SlurmCluster, root: Path, settings: SlurmSettings = SETTINGS
    ) -> None:
        self._before_outage = (0, 0)
        super().__init__(cluster, root, settings)

    def break_down(self, kind: str) -> None:
        super().break_down(kind)
        self._before_outage = len(self._ordered), self.count_submitted()

    def mend(self) -> None:
        """Once what was launched meanwhile has met the outage."""
        ordered, submitted = self._before_outage
        if self.outage.exists() and len(self._ordered) > ordered:
            self.until(lambda: self.count_submitted() > submitted)
        super().mend()

    def _make(self) -> SlurmEngine:
        return SlurmEngine(
            self.paths, self._home_id, self._blobs(), self._commands(), self._settings
        )


class PilotGround(ClusterGround[PilotEngine, PilotSettings]):
    """Jobs run under pilots."""

    def __init__(self, cluster: SlurmCluster, root: Path, settings: PilotSettings = PILOTS) -> None:
        super().__init__(cluster, root, settings)

    def _make(self) -> PilotEngine:
        return PilotEngine(
            self.paths, self._home_id, self._blobs(), self._commands(), self._settings
        )

    def _line(self, ref: AttemptRef, behaviour: Behaviour) -> str:
        """What CUDA is told are places on the node; the plan has names for these."""
        line = super()._line(ref, behaviour)
        named = "$(echo $CUDA_VISIBLE_DEVICES | sed s/[0-9]/$QD_NODE-gpu\\&/g)"
        return line.replace("$CUDA_VISIBLE_DEVICES", named)

    def pilots(self) -> list[str]:
        """The nodes that pilots hold or wait for, by Slurm's word."""
        said = self.cluster.ask("squeue", "-h", "-n", "qd-pilot", "-o", "%T %R").splitlines()
        return sorted(line.rpartition(" ")[2] for line in said)
