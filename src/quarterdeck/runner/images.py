"""Ranks in an image, whichever program gives it to them.

What all of these have in common: where the image comes from and what it is called, which of the
job's folders are inside, and what variables the command has. The folders are at their own paths,
and nothing else of the node is there but what the network needs.
"""

from __future__ import annotations

import os
import time
from typing import Any

from .enclosed import EnclosedRanks
from .environment import make_mark
from .processes import read_parents
from .programs import PULL_S_MAX, Pull
from .refusals import NotEnclosed
from .spool import SHOWN, Spool

PLAIN = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:=@,+%-")
"""Signs of which no file of variables makes something else."""
UP_S_MAX = 60.0
"""How long what starts a rank may take to be seen in the image."""


class Image:
    """An image that is here. `reference` names its content, `name` is what the program calls it."""

    def __init__(self, reference: str, name: str) -> None:
        self.reference = reference
        self.name = name


class ImageRanks(EnclosedRanks):
    """See the module."""

    def __init__(
        self, first_rank: int, order: dict[str, Any], spool: Spool, folders: list[str]
    ) -> None:
        super().__init__(first_rank)
        self._order = order
        self._spool = spool
        self._folders = folders
        self._mark = make_mark(order)
        self._image: Image | None = None
        self._pull: Pull | None = None
        self._pids: dict[int, int] = {}
        self._firsts: dict[int, int] = {}
        self._started_at = 0.0
        os.makedirs(spool.path(SHOWN), exist_ok=True)

    def start(
        self,
        command: list[str],
        environment: dict[str, str],
        folder: str,
        output: int,
        cgroups: tuple[str, ...] = (),
    ) -> int:
        """Start what starts a rank."""
        self._started_at = time.monotonic()
        pid = super().start(command, environment, folder, output, cgroups)
        self._pids[self._running[pid]] = pid
        return pid

    def find_first(self, pid: int, parents: dict[int, int]) -> int | None:
        """The rank's first process in the image, once there is one."""
        raise NotImplementedError

    def check_start(self, rank: int, end: dict[str, Any]) -> None:
        """`NotEnclosed` if a rank that was never seen in the image has ended before its command was
        started."""
        raise NotImplementedError

    def are_up(self) -> bool:
        """Whether each has a process in the image, or has ended."""
        for rank, end in self._ended.items():
            if self._pids[rank] not in self._firsts:
                self.check_start(rank, end)
        is_late = time.monotonic() - self._started_at > UP_S_MAX
        return is_late or all(pid in self._firsts for pid in self._running)

    @property
    def has_to_be_looked_at(self) -> bool:
        """Whether something is waited for that nobody tells of."""
        return super().has_to_be_looked_at or any(p not in self._firsts for p in self._running)

    def reap(self) -> None:
        """Look for the first processes of those that have just begun, too."""
        sought = [pid for pid in self._running if pid not in self._firsts]
        parents = read_parents() if sought else {}
        for pid in sought:
            first = self.find_first(pid, parents)
            if first is not None:
                self._firsts[pid] = first
        super().reap()

    def find_image(self, fetched: str = "") -> Image | None:
        """The image that the order names, if it is here; `fetched` is what a pull has called it."""
        raise NotImplementedError

    def pull_command(self) -> list[str]:
        """What fetches the image, and says what it is called."""
        raise NotImplementedError

    def prepare(self) -> Pull | None:
        """The pull, if the image is not here."""
        self._image = self.find_image()
        if self._image is None:
            self._pull = Pull(
                self.pull_command(),
                self._order["image"],
                self._mark,
                self._spool.path("pull.log"),
                self._order.get("pull_s_max") or PULL_S_MAX,
            )
        return self._pull

    @property
    def facts(self) -> dict[str, Any]:
        """The image by digest, and how long it took to fetch."""
        pulled = {"pull_s": self._pull.seconds} if self._pull is not None else {}
        return {"image": self.image.reference, **pulled}

    @property
    def image(self) -> Image:
        """The image, once it is here."""
        if self._image is None:
            self._image = self.find_image(self._pull.name if self._pull is not None else "")
        if self._image is None:
            raise NotEnclosed("the image %s is gone again" % self._order["image"])
        return self._image

    def places(self) -> dict[str, bool]:
        """The folders that are inside, and whether they can be written."""
        found = dict.fromkeys(self._folders, True)
        found[self._spool.path(SHOWN)] = False
        if self._order.get("inside"):
            found[self._order["inside"]] = False
        return found

    def shared_memory_bytes(self) -> int:
        """All that the job may use, or half of the node: 64 MiB, as podman would have it, are too
        little for what loads data in several processes."""
        asked: int = (self._order.get("limits") or {}).get("memory_bytes") or 0
        return asked or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
