"""The attempts that an engine knows, by the folders in which their runners write.

Its memory is the disk: whatever is held in fields was read from there, and a new engine on the same
folder reads it again. An attempt's folder that lacks a replica's order was cut off by a crash
before anything was launched, and is cleared away.
"""

from __future__ import annotations

import json
import logging
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quarterdeck.adapters.spool.orders import ORDER, poke, site_disk, write_json, write_stop
from quarterdeck.adapters.spool.plain import list_folders, open_folder, open_plain
from quarterdeck.adapters.spool.replica import Spool
from quarterdeck.basics.errors import Unavailable
from quarterdeck.basics.ids import JobId
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import AttemptRef, Observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from quarterdeck.adapters.spool.credentials import Credentials
    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.ports.engine import LaunchOrder

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Tracked:
    """One attempt that the engine knows. `is_released`: its replicas were told of each other."""

    ref: AttemptRef
    spools: list[Spool]
    observation: Observation
    is_released: bool

    @property
    def is_gone(self) -> bool:
        """Whether all of it has ended."""
        return self.observation.is_gone

    def refresh(self) -> None:
        """Say what the spools say now."""
        self.observation = Observation(self.ref, tuple(spool.sighting for spool in self.spools))


class Attempts:
    """Launched and not forgotten attempts. Used by one thread, except `note`."""

    def __init__(
        self,
        paths: SitePaths,
        credentials: Credentials | None,
        *,
        is_fenced: bool = False,
        asks_why: bool = False,
    ) -> None:
        """`is_fenced`: only the account of a job's owner can pass the job's folder. `asks_why`: the
        engine explains the ends of those who were told to end at the site."""
        self._paths = paths
        self._credentials = credentials
        self._is_fenced = is_fenced
        self._asks_why = asks_why
        self._tracked: dict[AttemptRef, Tracked] = {}
        self._live: dict[AttemptRef, Tracked] = {}
        self._noted: list[AttemptRef] = []
        self._unwritten: dict[AttemptRef, float] = {}

    @property
    def live(self) -> list[Tracked]:
        """Those of which something may still run."""
        return list(self._live.values())

    def find(self) -> None:
        """Take up what lies on the disk, as an earlier engine left it."""
        for job_folder in list_folders(self._paths.attempts):
            for folder in list_folders(job_folder):
                if not folder.name.isdigit():
                    continue
                ref = AttemptRef(JobId(job_folder.name), int(folder.name))
                replicas = _count_orders(folder)
                if replicas is None:
                    shutil.rmtree(folder)
                else:
                    self._track(ref, replicas)

    def may_launch(self, order: LaunchOrder) -> bool:
        """Whether it was never launched. One that was and is forgotten is seen as lost."""
        if order.ref in self._tracked:
            return False
        if self._paths.ended_attempt(order.ref).exists():
            self.lose(order, "this attempt has ended before and is not run again")
            return False
        return True

    def lose(self, order: LaunchOrder, message: str) -> None:
        """It will never run."""
        sightings = tuple(
            Sighting(rank, ReplicaState.LOST, reason=Reason.NODE_FAILURE, message=message)
            for rank in range(len(order.grants))
        )
        observation = Observation(order.ref, sightings)
        self._tracked[order.ref] = Tracked(order.ref, [], observation, is_released=True)

    def write(self, ref: AttemptRef, contents: Sequence[dict[str, Any]]) -> Tracked:
        """Write the order of each replica; the attempt is known from then on."""
        for rank, content in enumerate(contents):
            folder = self._paths.replica(ref, rank)
            with site_disk():
                folder.mkdir(parents=True, exist_ok=True)
            write_json(folder / ORDER, content)
        tracked = self._track(ref, len(contents))
        self.renew(tracked)
        return tracked

    def note(self, ref: AttemptRef) -> None:
        """A runner says that its spool has news. From any thread."""
        self._noted.append(ref)

    def stop(self, ref: AttemptRef, grace_s: float) -> Tracked | None:
        """Leave word in every replica's folder, and poke its runner; says whom it reached. On a
        full disk the word is kept here, and written as soon as there is room: nobody else has to
        wait for that."""
        self._unwritten.pop(ref, None)
        tracked = self._tracked.get(ref)
        if tracked is None or tracked.is_gone:
            return None
        try:
            _write_stop(tracked, grace_s)
        except Unavailable as error:
            log.warning("attempt %s/%d cannot be told to stop yet: %s", *ref, error)
            self._unwritten[ref] = grace_s
        return tracked

    def observe(self) -> list[Observation]:
        """Every attempt that is known, with what its runners wrote last as far as it was noted."""
        for ref, grace_s in list(self._unwritten.items()):
            self.stop(ref, grace_s)
        noted, self._noted = self._noted, []
        for ref in noted:
            if ref in self._live:
                self.read(self._live[ref])
        return [tracked.observation for tracked in self._tracked.values()]

    def read(self, tracked: Tracked) -> None:
        """Take in what its runners have written since."""
        changed = [spool.read() for spool in tracked.spools]
        if any(changed):
            self.refresh(tracked)
        if not tracked.is_released:
            self._release(tracked)

    def refresh(self, tracked: Tracked) -> None:
        """Its spools say something new."""
        tracked.refresh()
        if tracked.is_gone:
            self._live.pop(tracked.ref, None)

    def renew(self, tracked: Tracked) -> None:
        """See to it that what it shows the server is good for a while."""
        if self._credentials is not None and self._credentials.is_due(tracked.ref):
            folders = (spool.folder for spool in tracked.spools)
            self._credentials.put(tracked.ref, folders, is_fenced=self._is_fenced)

    def forget(self, refs: Iterable[AttemptRef]) -> list[AttemptRef]:
        """Move the attempts' folders out of sight, without their work folders; says which are
        forgotten now. One that the disk has no room to move is forgotten later."""
        forgotten = []
        for ref in refs:
            tracked = self._tracked.get(ref)
            if tracked is None or not tracked.is_gone:
                continue
            for spool in tracked.spools:
                with suppress(OSError), open_folder(spool.folder) as here:
                    shutil.rmtree("work", ignore_errors=True, dir_fd=here)
            if self._credentials is not None:
                self._credentials.drop(ref, (spool.folder for spool in tracked.spools))
            try:
                _move(self._paths.attempt(ref), self._paths.ended_attempt(ref))
            except Unavailable as error:
                log.warning("attempt %s/%d cannot be moved away yet: %s", *ref, error)
                continue
            del self._tracked[ref]
            self._live.pop(ref, None)
            forgotten.append(ref)
        return forgotten

    def _track(self, ref: AttemptRef, replicas: int) -> Tracked:
        spools = [
            Spool(self._paths.replica(ref, rank), rank, asks_why=self._asks_why)
            for rank in range(replicas)
        ]
        tracked = Tracked(ref, spools, Observation(ref, ()), is_released=replicas == 1)
        self._tracked[ref] = tracked
        self._live[ref] = tracked
        self.refresh(tracked)
        return tracked

    def _release(self, tracked: Tracked) -> None:
        """The rendezvous: once every replica stands, each is told of all and may start."""
        if not all(spool.standing for spool in tracked.spools):
            return
        peers = [
            {key: spool.standing.get(key) for key in ("host", "address", "port", "image")}
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


def load_json(path: Path) -> dict[str, Any] | None:
    """A file that was written whole, or None where there is none."""
    try:
        with open_plain(path) as stream:
            content: dict[str, Any] = json.load(stream)
    except FileNotFoundError:
        return None
    return content


def _write_stop(tracked: Tracked, grace_s: float) -> None:
    for spool in tracked.spools:
        if not spool.sighting.state.is_gone:
            order = load_json(spool.folder / ORDER) or {}
            write_stop(spool.folder, grace_s, order.get("stop_signal", "TERM"))
            poke(spool.folder, "stop")


def _count_orders(folder: Path) -> int | None:
    """How many replicas the attempt has, or None when an order is missing."""
    first = load_json(folder / "0" / ORDER)
    if first is None:
        return None
    replicas = int(first["nnodes"])
    complete = all((folder / str(rank) / ORDER).exists() for rank in range(replicas))
    return replicas if complete else None


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
