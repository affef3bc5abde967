"""The local engine: launches, watches and stops attempts as processes of this machine."""

from __future__ import annotations

import logging
from contextlib import suppress
from time import monotonic
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.engines.local.accounts import make_account, open_site
from quarterdeck.adapters.engines.local.confinement import describe_confinement, remove_groups
from quarterdeck.adapters.engines.local.launcher import Launcher
from quarterdeck.adapters.spool.attempts import Attempts, load_order
from quarterdeck.adapters.spool.inside import make_inside
from quarterdeck.adapters.spool.orders import make_order, make_snapshot
from quarterdeck.adapters.spool.untrusted import Garbled, as_text
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import Abilities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
    from quarterdeck.adapters.spool.attempts import Tracked
    from quarterdeck.adapters.spool.credentials import Credentials
    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.adapters.spool.replica import Spool
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.ports.engine import AttemptRef, LaunchOrder, Observation

SWEEP_S: Final = 1.0
"""How often replicas that said nothing are looked at: a lost word costs no more than this."""

log = logging.getLogger(__name__)


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
        self._launcher = Launcher(paths)
        self._accounts = accounts
        self._inside = make_inside(paths)
        if accounts is not None:
            open_site(paths, self._inside)
        self._attempts = Attempts(paths, credentials, is_fenced=accounts is not None)
        self._swept_at = 0.0
        self._find_attempts()

    @property
    def abilities(self) -> Abilities:
        """All there is; accounts with their launcher."""
        return Abilities(accounts=self._accounts is not None)

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
        self._attempts.note(ref)

    def launch(self, order: LaunchOrder) -> None:
        """Write every replica's order, then ask the launcher for the runners."""
        if not self._attempts.may_launch(order):
            return
        nodes = {node.name: node for node in self._list_nodes()}
        snapshot = make_snapshot(order.spec.snapshot, self._blobs)
        absent = [grant.node for grant in order.grants if grant.node not in nodes]
        if absent:
            message = f"the site has no node {', '.join(absent)} any more"
            self._attempts.lose(order, message)
            return
        beside = {
            "snapshot": snapshot,
            "blobs_dir": str(self._blobs.root),
            "inside": str(self._inside),
            **make_account(self._accounts, order, self._paths),
        }
        contents = [
            make_order(order, rank, nodes[grant.node], self._home_id, self._paths) | beside
            for rank, grant in enumerate(order.grants)
        ]
        tracked = self._attempts.write(order.ref, contents)
        self._launcher.start_runners(spool.folder for spool in tracked.spools)

    def stop(self, ref: AttemptRef, grace_s: float) -> None:
        """Leave word in every replica's folder, and poke its runner."""
        self._attempts.stop(ref, grace_s)

    def observe(self) -> list[Observation]:
        """Every attempt that is known, with what its runners wrote last."""
        self._attempts.check()
        if monotonic() - self._swept_at >= SWEEP_S:
            self._sweep()
            self._swept_at = monotonic()
        return self._attempts.observe()

    def forget(self, refs: Iterable[AttemptRef]) -> None:
        """Move the attempt's folder out of sight, without its work folder."""
        self._attempts.forget(refs)

    def _find_attempts(self) -> None:
        self._attempts.find()
        self._sweep()
        unheard = [
            spool.folder
            for tracked in self._attempts.live
            for spool in tracked.spools
            if not spool.was_taken_up
        ]
        self._launcher.start_runners(unheard)

    def _sweep(self) -> None:
        """Read every live spool, and find runners that died or were never started."""
        self._lose_nodes()
        dead: list[tuple[Tracked, Spool]] = []
        unheard: list[Path] = []
        for tracked in self._attempts.live:
            self._attempts.read(tracked)
            if not tracked.is_gone:
                self._attempts.renew(tracked)
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
        for tracked in self._attempts.live if lost else ():
            for spool in tracked.spools:
                if _node_of(spool.folder) in lost:
                    spool.kill_runner()

    def _bury(self, dead: list[tuple[Tracked, Spool]]) -> None:
        """Only when nothing of a dead runner's command lives any more is its replica lost."""
        marks = (
            f"{self._home_id}/{tracked.ref.job_id}/{tracked.ref.attempt}/{spool.folder.name}"
            for tracked, spool in dead
        )
        folders = (spool.folder for _, spool in dead)
        self._launcher.reap(dict(zip(marks, folders, strict=True)))
        for tracked, spool in dead:
            remove_groups(spool.folder)
            spool.read()
            if not spool.sighting.state.is_gone:
                spool.lose("its runner was lost (killed, or the machine went down)")
            self._attempts.refresh(tracked)


def _node_of(folder: Path) -> str:
    """Where a replica runs, as its order says."""
    with suppress(Garbled):
        return as_text((load_order(folder) or {}).get("node"))
    return ""
