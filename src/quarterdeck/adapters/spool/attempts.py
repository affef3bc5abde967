"""The attempts that an engine knows, by the folders in which their runners write.

Its memory is the disk: whatever is held in fields was read from there, and a new engine on the same
folder reads it again. An attempt's folder that lacks a replica's order was cut off by a crash
before anything was launched, and is cleared away. One that holds what we never write there has been
changed by somebody at the site, most likely by the job: it is given up, and costs nobody else
anything.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.adapters.spool.doors import shut_door
from quarterdeck.adapters.spool.orders import ORDER, poke, site_disk, write_json, write_stop
from quarterdeck.adapters.spool.plain import (
    OF_ATTEMPT,
    check_folder,
    list_folders,
    open_folder,
    remove_tree,
)
from quarterdeck.adapters.spool.replica import Spool
from quarterdeck.adapters.spool.untrusted import (
    ORDER_BYTES_MAX,
    Garbled,
    as_whole,
    is_number,
    load_json,
    parse_ref,
)
from quarterdeck.basics.errors import Unavailable
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import STOP_SIGNALS
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import Observation

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from quarterdeck.adapters.spool.credentials import Credentials
    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.ports.engine import AttemptRef, LaunchOrder

REPLICAS_MAX: Final = 10_000
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
        self.check()
        for job_folder in list_folders(self._paths.attempts, 1):
            for folder in list_folders(job_folder, 2):
                ref = parse_ref(job_folder.name, folder.name)
                if ref is not None:
                    self._find(ref, folder)

    def _find(self, ref: AttemptRef, folder: Path) -> None:
        try:
            replicas = _count_orders(folder)
        except Garbled as error:
            ranks = [int(one.name) for one in list_folders(folder, OF_ATTEMPT) if _is_rank(one)]
            self.give_up(self._track(ref, 1 + max(ranks, default=0)), str(error))
            return
        if replicas is None:
            with suppress(OSError), open_folder(folder.parent, 2) as above:
                remove_tree(folder.name, above)
            return
        for spool in self._track(ref, replicas).spools:
            if spool.was_given_up:
                # It may be the job itself that says so, and goes on.
                with suppress(Unavailable):
                    shut_door(spool.folder)

    def check(self) -> None:
        """`Unavailable` where a link or something else is in the place of our own folders: who
        followed it would be led to files of this machine."""
        with site_disk():
            for folder in (self._paths.attempts, self._paths.ended):
                check_folder(folder)

    def give_up(self, tracked: Tracked, told: str) -> None:
        """What lies in its folder cannot be used: it is lost, and what may live of it is kept out
        and told to end, as far as that can be written."""
        message = f"{told}; somebody at the site has changed it"
        log.warning("attempt %s/%d: %s", *tracked.ref, message)
        for spool in tracked.spools:
            if spool.sighting.state.is_gone and not spool.was_given_up:
                continue
            with suppress(Unavailable):
                shut_door(spool.folder)
            if not spool.was_given_up:
                spool.lose(message)
        self.refresh(tracked)

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
                    remove_tree("work", here)
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


def load_order(folder: Path) -> dict[str, Any] | None:
    """That of a replica's folder, None where there is none. `Garbled` if it is not one."""
    return load_json(folder / ORDER, bytes_max=ORDER_BYTES_MAX)


def _read_signal(folder: Path) -> str:
    """By which a replica wants to be told to stop."""
    try:
        wanted = (load_order(folder) or {}).get("stop_signal")
    except Garbled:
        return "TERM"
    return wanted if isinstance(wanted, str) and wanted in STOP_SIGNALS else "TERM"


def _write_stop(tracked: Tracked, grace_s: float) -> None:
    for spool in tracked.spools:
        if not spool.sighting.state.is_gone:
            write_stop(spool.folder, grace_s, _read_signal(spool.folder))
            poke(spool.folder, "stop")


def _count_orders(folder: Path) -> int | None:
    """How many replicas the attempt has, or None when an order is missing and nothing has begun.
    `Garbled` when it cannot be told."""
    first = load_order(folder / "0")
    replicas = None if first is None else as_whole(first.get("nnodes"), REPLICAS_MAX)
    if first is not None and not replicas:
        raise Garbled(f"its {ORDER} does not say how many replicas there are")
    if replicas and all((folder / str(rank) / ORDER).exists() for rank in range(replicas)):
        return replicas
    if any((one / "lock").exists() for one in list_folders(folder, OF_ATTEMPT)):
        raise Garbled(f"an {ORDER} of it is gone")
    return None


def _is_rank(folder: Path) -> bool:
    return is_number(folder.name) and int(folder.name) < REPLICAS_MAX


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
