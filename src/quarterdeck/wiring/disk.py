"""Watches the home's disk: keeps the ballast, and says when there is room again."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.disk.filesystem import FilesystemDisk
from quarterdeck.wiring.embedded import SITE
from quarterdeck.wiring.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from quarterdeck.wiring.settings import Settings

LOOK_EVERY_S: Final = 1.0
STARTING_BYTES: Final = 2**20
"""With less, a server could not even write down where it listens."""
log = logging.getLogger(__name__)


class DiskWatch:
    """The disk, and the worker that looks at it while nobody asks."""

    def __init__(self, settings: Settings, root: Path) -> None:
        self.disk = FilesystemDisk(
            root,
            f"site {SITE}",
            reserve_bytes=settings.disk_reserve_bytes,
            ballast_bytes=settings.ballast_bytes,
        )
        self._worker = Worker("disk", self._turn, every_s=LOOK_EVERY_S)
        self._tell: Callable[[], None] = lambda: None
        self._was_full = False
        if self.disk.look().free_bytes < STARTING_BYTES:
            self.disk.give_up_ballast()

    def on_room(self, tell: Callable[[], None]) -> None:
        """Call this whenever a full disk has room again."""
        self._tell = tell

    def make_room(self) -> bool:
        """Give the ballast for what must be written; says whether trying again may help."""
        return self.disk.give_up_ballast()

    def start(self) -> None:
        """Make the ballast, and go on looking."""
        self._worker.start()

    def close(self) -> None:
        """Look no more."""
        self._worker.close()

    def _turn(self) -> None:
        space = self.disk.look()
        if space.is_full != self._was_full:
            self._was_full = space.is_full
            if space.is_full:
                log.warning("%s; new work is refused", space.message)
            else:
                log.info("the disk of %s has room again", space.where)
                self._tell()
        self.disk.restore_ballast()
