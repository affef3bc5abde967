"""The local engine: launches, watches and stops attempts as processes of this machine.

Its memory is the spool on disk: whatever it holds in its fields was read from there, and a new
engine on the same folder reads it again. An attempt's folder that lacks a replica's order was cut
off by a crash before anything was launched, and is cleared away.
"""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.adapters.engines.local.accounts import make_account, open_site
from quarterdeck.adapters.engines.local.confinement import describe_confinement, remove_groups
from quarterdeck.adapters.engines.local.inside import make_inside
from quarterdeck.adapters.engines.local.launcher import Launcher
from quarterdeck.adapters.engines.local.orders import (
    make_order,
    make_snapshot,
    poke,
    site_disk,
    write_json,
)
from quarterdeck.adapters.engines.local.spool import Spool
from quarterdeck.basics.errors import Unavailable
from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import AttemptRef, LaunchOrder, Observation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
    from quarterdeck.adapters.engines.local.credentials import Credentials
    from quarterdeck.adapters.engines.local.paths import SitePaths
    from quarterdeck.core.cluster.hardware import Node

SWEEP_S: Final = 1.0
"""How often replicas that said nothing are looked at: a lost word costs no more than this."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Tracked:
    """One attempt that the engine knows."""

    ref: AttemptRef
    spools: list[Spool]
    observation: Observation
    is_released: bool

    @property
    def is_gone(self) -> bool:
        return self.observation.is_gone

    def refresh(self) -> None:
        self.observation = Observation(self.ref, tuple(spool.sighting for spool in self.spools))


class LocalEngine:
    """An `Engine` on this machine. Used by one thread, except `note`."""

    def __init__(
        self,
        paths: SitePaths,
        home_id: str,
        blobs: FilesystemBlobs,
        list_nodes: Callable[[], tuple[Node, ...]],
        credentials: Credentials | None = None,
        accounts: Path | None = None,
    ) -> None:
        """`accounts`: the socket of the launcher that starts ranks as the accounts of owners."""
        paths.make()
        self._paths = paths
        self._home_id = home_id
        self._blobs = blobs
        self._list_nodes = list_nodes
        self._credentials = credentials
        self._launcher = Launcher(paths)
        self._accounts = accounts
        self._inside = make_inside(paths)
        if accounts is not None:
            open_site(paths, self._inside)
        self._tracked: dict[AttemptRef, _Tracked] = {}
        self._live: dict[AttemptRef, _Tracked] = {}
        self._noted: list[AttemptRef] = []
        self._unwritten: dict[AttemptRef, float] = {}
        self._swept_at = 0.0
        self._find_attempts()

    def list_nodes(self) -> tuple[Node, ...]:
        """The machine, or the nodes that it pretends to be."""
        return self._list_nodes()

    def ensure_started(self) -> None:
        """Start the launcher, so that the first job does not wait for it; say what it can do."""
        self._launcher.ensure_started()
        confinement = describe_confinement()
        is_whole = confinement.memory and confinement.cpu
        log.log(logging.INFO if is_whole else logging.WARNING, "limits: %s", confinement.why)

    def note(self, ref: AttemptRef) -> None:
        """A runner says that its spool has news. From any thread."""
        self._noted.append(ref)

    def launch(self, order: LaunchOrder) -> None:
        """Write every replica's order, then ask the launcher for the runners."""
        if order.ref in self._tracked:
            return
        if self._paths.ended_attempt(order.ref).exists():
            self._track_ended(order)
            return
        nodes = {node.name: node for node in self._list_nodes()}
        snapshot = make_snapshot(order.spec.snapshot, self._blobs)
        absent = [grant.node for grant in order.grants if grant.node not in nodes]
        if absent:
            self._track_absent(order, absent)
            return
        for rank, grant in enumerate(order.grants):
            content = make_order(order, rank, nodes[grant.node], self._home_id, self._paths)
            content |= {
                "snapshot": snapshot,
                "blobs_dir": str(self._blobs.root),
                "inside": str(self._inside),
                **make_account(self._accounts, order, self._paths),
            }
            folder = self._paths.replica(order.ref, rank)
            with site_disk():
                folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / "order.json", content)
        tracked = self._track(order.ref, len(order.grants))
        self._renew(tracked)
        self._launcher.start_runners(spool.folder for spool in tracked.spools)

    def stop(self, ref: AttemptRef, grace_s: float) -> None:
        """Leave word in every replica's folder, and poke its runner. On a full disk the word is
        kept here, and written as soon as there is room: nobody else has to wait for that."""
        self._unwritten.pop(ref, None)
        tracked = self._tracked.get(ref)
        if tracked is None or tracked.is_gone:
            return
        try:
            self._write_stop(tracked, grace_s)
        except Unavailable as error:
            log.warning("attempt %s/%d cannot be told to stop yet: %s", *ref, error)
            self._unwritten[ref] = grace_s

    def _write_stop(self, tracked: _Tracked, grace_s: float) -> None:
        for spool in tracked.spools:
            if not spool.sighting.state.is_gone:
                order = json.loads((spool.folder / "order.json").read_text())
                wish = {"grace_s": grace_s, "signal": order["stop_signal"]}
                write_json(spool.folder / "stop.json", wish)
                poke(spool.folder, "stop")

    def observe(self) -> list[Observation]:
        """Every attempt that is known, with what its runners wrote last."""
        for ref, grace_s in list(self._unwritten.items()):
            self.stop(ref, grace_s)
        noted, self._noted = self._noted, []
        for ref in noted:
            if ref in self._live:
                self._read(self._live[ref])
        if monotonic() - self._swept_at >= SWEEP_S:
            self._sweep()
            self._swept_at = monotonic()
        return [tracked.observation for tracked in self._tracked.values()]

    def forget(self, refs: Iterable[AttemptRef]) -> None:
        """Move the attempt's folder out of sight, without its work folder. One that the disk has
        no room to move shows in `observe` again, and is forgotten then."""
        for ref in refs:
            tracked = self._tracked.get(ref)
            if tracked is None or not tracked.is_gone:
                continue
            for spool in tracked.spools:
                shutil.rmtree(spool.folder / "work", ignore_errors=True)
            if self._credentials is not None:
                self._credentials.drop(ref, (spool.folder for spool in tracked.spools))
            try:
                _move(self._paths.attempt(ref), self._paths.ended_attempt(ref))
            except Unavailable as error:
                log.warning("attempt %s/%d cannot be moved away yet: %s", *ref, error)
                continue
            del self._tracked[ref]
            self._live.pop(ref, None)

    def _find_attempts(self) -> None:
        for job_folder in sorted(self._paths.attempts.iterdir()):
            for folder in sorted(job_folder.iterdir()):
                ref = AttemptRef(JobId(job_folder.name), int(folder.name))
                replicas = _count_orders(folder)
                if replicas is None:
                    shutil.rmtree(folder)
                else:
                    self._track(ref, replicas)
        self._sweep()
        unheard = [
            spool.folder
            for tracked in self._live.values()
            for spool in tracked.spools
            if not spool.was_taken_up
        ]
        self._launcher.start_runners(unheard)

    def _track(self, ref: AttemptRef, replicas: int) -> _Tracked:
        spools = [Spool(self._paths.replica(ref, rank), rank) for rank in range(replicas)]
        tracked = _Tracked(ref, spools, Observation(ref, ()), is_released=replicas == 1)
        tracked.refresh()
        self._tracked[ref] = tracked
        self._live[ref] = tracked
        return tracked

    def _track_ended(self, order: LaunchOrder) -> None:
        self._track_lost(order, "this attempt has ended before and is not run again")

    def _track_absent(self, order: LaunchOrder, absent: list[str]) -> None:
        self._track_lost(order, f"the site has no node {', '.join(absent)} any more")

    def _track_lost(self, order: LaunchOrder, message: str) -> None:
        sightings = tuple(
            Sighting(rank, ReplicaState.LOST, reason=Reason.NODE_FAILURE, message=message)
            for rank in range(len(order.grants))
        )
        observation = Observation(order.ref, sightings)
        self._tracked[order.ref] = _Tracked(order.ref, [], observation, is_released=True)

    def _read(self, tracked: _Tracked) -> None:
        changed = [spool.read() for spool in tracked.spools]
        if any(changed):
            tracked.refresh()
            if tracked.is_gone:
                self._live.pop(tracked.ref, None)
        if not tracked.is_released:
            self._release(tracked)

    def _release(self, tracked: _Tracked) -> None:
        """The rendezvous: once every replica stands, each is told of all and may start."""
        if not all(spool.standing for spool in tracked.spools):
            return
        peers = [
            {key: spool.standing[key] for key in ("host", "address", "port")}
            | {"node_rank": spool.sighting.node_rank}
            for spool in tracked.spools
            if spool.standing is not None
        ]
        try:
            for spool in tracked.spools:
                write_json(spool.folder / "peers.json", {"peers": peers})
        except Unavailable as error:
            log.warning("attempt %s/%d cannot begin yet: %s", *tracked.ref, error)
            return
        for spool in tracked.spools:
            poke(spool.folder, "go")
        tracked.is_released = True

    def _renew(self, tracked: _Tracked) -> None:
        if self._credentials is not None and self._credentials.is_due(tracked.ref):
            folders = (spool.folder for spool in tracked.spools)
            self._credentials.put(tracked.ref, folders, is_fenced=self._accounts is not None)

    def _sweep(self) -> None:
        """Read every live spool, and find runners that died or were never started."""
        self._lose_nodes()
        dead: list[tuple[_Tracked, Spool]] = []
        unheard: list[Path] = []
        for tracked in list(self._live.values()):
            self._read(tracked)
            if not tracked.is_gone:
                self._renew(tracked)
            for spool in tracked.spools:
                if spool.sighting.state.is_gone:
                    continue
                if not spool.was_taken_up:
                    unheard.append(spool.folder)
                elif spool.is_alive():
                    spool.is_doubted = False
                elif spool.is_doubted or spool.sighting.state is not ReplicaState.PENDING:
                    dead.append((tracked, spool))
                else:
                    spool.is_doubted = True
        if self._swept_at:
            self._launcher.start_runners(unheard)
        if dead:
            self._bury(dead)

    def _lose_nodes(self) -> None:
        """Kill what runs on nodes that are pretended to be lost, again and again while they are."""
        lost = {
            node.name
            for node in self._list_nodes()
            if node.pretend and node.state is NodeState.DOWN
        }
        for tracked in list(self._live.values()) if lost else ():
            for spool in tracked.spools:
                order = _load(spool.folder / "order.json")
                if order is not None and order["node"] in lost:
                    spool.kill_runner()

    def _bury(self, dead: list[tuple[_Tracked, Spool]]) -> None:
        """Only when nothing of a dead runner's command lives any more is its replica lost."""
        self._launcher.reap(
            f"{self._home_id}/{tracked.ref.job_id}/{tracked.ref.attempt}/{spool.folder.name}"
            for tracked, spool in dead
        )
        for tracked, spool in dead:
            remove_groups(spool.folder)
            spool.read()
            if not spool.sighting.state.is_gone:
                spool.lose("its runner was lost (killed, or the machine went down)")
            tracked.refresh()
            if tracked.is_gone:
                self._live.pop(tracked.ref, None)


def _count_orders(folder: Path) -> int | None:
    """How many replicas the attempt has, or None when an order is missing."""
    first = _load(folder / "0" / "order.json")
    if first is None:
        return None
    replicas = int(first["nnodes"])
    complete = all((folder / str(rank) / "order.json").exists() for rank in range(replicas))
    return replicas if complete else None


def _load(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return content


def _move(source: Path, target: Path) -> None:
    """Move a folder; what was never on disk (a lost order) leaves a mark all the same."""
    with site_disk():
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.exists():
            source.rename(target)
    try:
        source.parent.rmdir()
    except OSError:
        return
