"""The pilots of a site: batch jobs that hold a node each, and take orders from a folder.

A pilot's folder is `pilots/NODE/NUMBER` below the site's. A number is never used again, so that
nothing which Slurm says of an earlier pilot of the node is taken for a word on this one.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from dataclasses import dataclass, field
from time import time
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.engines.slurm.batch import MARGIN_S, OUTPUT, make_script
from quarterdeck.adapters.engines.slurm.beats import Beat
from quarterdeck.adapters.engines.slurm.desk import Batch, find_batch
from quarterdeck.adapters.engines.slurm.requests import BatchRequest, check_word
from quarterdeck.adapters.engines.slurm.tickets import TICKET, Ticket, load_ticket
from quarterdeck.adapters.spool.orders import site_disk, write_json
from quarterdeck.adapters.spool.plain import (
    OF_ATTEMPT,
    list_folders,
    make_plain,
    open_folder,
    remove_tree,
)
from quarterdeck.adapters.spool.replica import read_beat_ns
from quarterdeck.adapters.spool.untrusted import Garbled, as_span, as_text, is_number, load_json
from quarterdeck.basics.times import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from quarterdeck.adapters.engines.slurm.fate import Fate
    from quarterdeck.adapters.engines.slurm.keys import Keys
    from quarterdeck.adapters.engines.slurm.settings import PilotSettings
    from quarterdeck.adapters.engines.slurm.view import Look
    from quarterdeck.adapters.spool.paths import SitePaths
    from quarterdeck.core.cluster.hardware import Node

DAY_S: Final = 86_400.0
HOLD_S_LEAST: Final = 240.0
"""A pilot for less than this is not worth its start."""
ROUNDING_S: Final = 60.0
"""Slurm counts limits in minutes."""
ORDERS, SHUT, END = "orders", "orders.shut", "end"
PLAN, LIVES, LAST, WATCH = "plan.json", "lives.json", "last.json", "watch"
"""As in the runner's own module of pilots."""
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Pilot:
    """One of them. `is_lost`: it lives or not, and is not believed any more. `fate`: what we have
    decided for all that it was handed, whatever Slurm says of its end."""

    folder: Path
    node: str
    number: int
    hold_s: float
    batch: Batch
    beat: Beat = field(default_factory=Beat)
    idle_since: float | None = None
    is_lost: bool = False
    has_begun: bool = False
    fate: Fate | None = None

    @property
    def margin_s(self) -> float:
        """How much before its end its jobs are to have ended."""
        return margin_of(self.hold_s)

    @property
    def is_new(self) -> bool:
        """Whether Slurm was never asked for it."""
        return self.batch.pause_s == 0.0 and not self.batch.ticket.is_asked

    @property
    def lives(self) -> bool:
        """Whether it ever said that it does."""
        self.has_begun = self.has_begun or LIVES in self._list()
        return self.has_begun

    @property
    def is_withdrawn(self) -> bool:
        """Whether it was taken back from Slurm before it began, as nobody wanted it any more."""
        return not self.lives and (self.folder / SHUT).is_dir()

    @property
    def takes_orders(self) -> bool:
        """Whether it will look for them, now or when it starts."""
        return (self.folder / ORDERS).is_dir()

    @property
    def last_word(self) -> str:
        """Why it ended; empty when it has not said so."""
        if LAST not in self._list():
            return ""
        try:
            told = load_json(self.folder / LAST, levels=OF_ATTEMPT) or {}
        except Garbled:
            return "garbled"
        return as_text(told.get("why"))

    def _list(self) -> list[str]:
        """What is in its folder. Not by asking for a file by name: that it was not there is what
        NFS remembers for a while."""
        try:
            return [one.name for one in self.folder.iterdir()]
        except FileNotFoundError:
            return []

    def read_beat_ns(self) -> int:
        """As `Spool.read_beat_ns`."""
        return read_beat_ns(self.folder)

    def hand(self, name: str, replica: Path, grace_s: float) -> bool:
        """Give it an order; False when it takes none any more."""
        new = self.folder / f".{name}.new"
        order = {"folder": str(replica), "grace_s": grace_s}
        write_json(new, order, levels=OF_ATTEMPT)
        try:
            new.rename(self.folder / ORDERS / name)
        except FileNotFoundError:
            new.unlink()
            return False
        return True

    def has_order(self, name: str) -> bool:
        """Whether it has not taken it yet."""
        return (self.folder / ORDERS / name).exists()

    def take_back(self, name: str) -> bool:
        """Whether the order could be taken back, so that it is never begun with."""
        for place in (ORDERS, SHUT):
            try:
                (self.folder / place / name).unlink()
            except FileNotFoundError:
                continue
            return True
        return False

    def withdraw(self) -> None:
        """It takes no orders any more, if it ever begins."""
        with suppress(FileNotFoundError):
            (self.folder / ORDERS).rename(self.folder / SHUT)

    def ask_to_end(self) -> None:
        """It does as soon as it has nothing to do, unless it gets an order before."""
        if self.takes_orders:
            with site_disk():
                make_plain(self.folder / ORDERS / END).close()


class Pilots:
    """Those that are not known to be gone. Its memory is the disk."""

    def __init__(
        self,
        paths: SitePaths,
        keys: Keys,
        settings: PilotSettings,
        runner: Path,
    ) -> None:
        self._keys = keys
        self._root = paths.root / "pilots"
        self._settings = settings
        self._runner = runner
        self._known: dict[str, dict[int, Pilot]] = {}
        self._root.mkdir(parents=True, exist_ok=True)
        for above in list_folders(self._root, 1):
            for folder in _numbered(above):
                self._find(folder)

    def __iter__(self) -> Iterator[Pilot]:
        """All of them; those of a node by age."""
        by_age = [sorted(some.items()) for some in self._known.values()]
        return iter([one for some in by_age for _, one in some])

    def get(self, node: str, number: int) -> Pilot | None:
        """That one."""
        return self._known.get(node, {}).get(number)

    def current(self, node: str) -> Pilot | None:
        """The one that holds the node, or is to, and takes orders."""
        for number in sorted(self._known.get(node, {}), reverse=True):
            pilot = self._known[node][number]
            if not pilot.is_lost and pilot.takes_orders:
                return pilot
        return None

    def make(self, on: Node, look: Look) -> Pilot:
        """Another one for this node, which is not handed in yet. `Unavailable` when the disk does
        not take it."""
        node = on.name
        above = self._root / check_word(node, "node")
        number = 1 + max((int(one.name) for one in _numbered(above)), default=0)
        folder, hold_s = above / str(number), hold_of(on, look, self._settings, time())
        ticket = Ticket(folder, self._request(folder, node, number, hold_s, look))
        with site_disk():
            (folder / ORDERS).mkdir(parents=True, exist_ok=True)
        plan = {"node": node, "hold_s": hold_s, "margin_s": margin_of(hold_s)}
        write_json(folder / PLAN, plan, levels=OF_ATTEMPT)
        ticket.save()
        pilot = Pilot(folder, node, number, hold_s, Batch(ticket))
        self._known.setdefault(node, {})[number] = pilot
        for older in _numbered(above):
            if int(older.name) < number and self.get(node, int(older.name)) is None:
                with suppress(OSError), open_folder(above, levels=2) as folder_above:
                    remove_tree(older.name, folder_above)
        return pilot

    def drop(self, pilot: Pilot) -> None:
        """It is gone. Its folder stays until the node's next one, for whoever asks why."""
        with site_disk():
            (pilot.folder / TICKET).unlink(missing_ok=True)
        self._known.get(pilot.node, {}).pop(pilot.number, None)

    def watch(self) -> None:
        """Say to all of them that somebody watches."""
        with site_disk(), make_plain(self._root / WATCH, levels=1) as stream:
            os.utime(stream.fileno())

    def _find(self, folder: Path) -> None:
        """An earlier engine's. What was changed of one is its end: its batch job is a stray then,
        and those that it runs are lost with it."""
        node, number = folder.parent.name, int(folder.name)
        try:
            plan = load_json(folder / PLAN, levels=OF_ATTEMPT)
            ticket = load_ticket(folder, self._keys.pilot(node, number))
            hold_s = None if plan is None else as_span(plan.get("hold_s"))
        except Garbled as error:
            log.warning("pilot %d on %s: %s", number, node, error)
            return
        if ticket is not None and hold_s is not None:
            pilot = Pilot(folder, node, number, hold_s, find_batch(ticket))
            self._known.setdefault(node, {})[number] = pilot

    def _request(
        self, folder: Path, node: str, number: int, hold_s: float, look: Look
    ) -> BatchRequest:
        settings, gpus = self._settings.slurm, look.gpus[node]
        devices = [gpus.id_of(index) for index in range(len(gpus.types))]
        return BatchRequest(
            script=make_script(settings, self._runner, ("pilot", str(folder))),
            name="qd-pilot",
            comment=self._keys.pilot(node, number),
            partition=settings.partition,
            account=settings.account,
            qos=settings.qos,
            reservation=settings.reservation,
            nodes=(node,),
            tasks_per_node=1,
            memory_bytes=0,  # All of the node's.
            gres=gpus.ask_for(devices),
            is_exclusive=True,
            time_limit_s=hold_s,
            output=str(folder / OUTPUT),
            folder="/",
            warning=("TERM", max(1, int(margin_of(hold_s) / 2))),
        )


def margin_of(hold_s: float) -> float:
    """How much before a pilot's end its jobs are to have ended."""
    return min(MARGIN_S, hold_s / 4)


def longest_hold_s(look: Look, settings: PilotSettings) -> float:
    """How long a pilot may stay on a node that nobody has reserved."""
    longest_s = look.longest_s
    wanted_s = settings.hold_s or longest_s or DAY_S
    return wanted_s if longest_s is None else min(wanted_s, longest_s)


def hold_of(node: Node, look: Look, settings: PilotSettings, now_s: float) -> float:
    """How long a pilot may stay there from now on, before somebody else's reservation begins. Not
    more than 0 when it has."""
    hold_s = longest_hold_s(look, settings)
    for one in node.others:
        if one.is_reservation:
            hold_s = min(hold_s, one.starts_at_ns / NS_PER_S - now_s - ROUNDING_S)
    return hold_s


def _numbered(folder: Path) -> list[Path]:
    return [one for one in list_folders(folder, 2) if is_number(one.name)]
