"""The disk under a home: its free room, and a ballast that can be thrown overboard.

New work is refused while less than a reserve is free. That does not stop what runs from filling the
rest, and then even the end of a job could not be written down. So a file of some size lies in the
home for nothing else than to be deleted at that moment; it is made again once there is room.
"""

from __future__ import annotations

import errno
import logging
import os
import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Unavailable
from quarterdeck.core.cluster.disk import DiskSpace

if TYPE_CHECKING:
    from pathlib import Path

LOOK_S: Final = 0.2
"""How old an answer may be: submits in a burst share one look."""
RESERVE_BYTES: Final = 256 * 2**20
RESERVE_PART: Final = 100
"""One part in so many is kept free, if that is more."""
RESERVE_INODES: Final = 64
BALLAST_BYTES: Final = 32 * 2**20
GIVEN_UP_S: Final = 5.0
"""So long after the ballast went, whoever failed on the full disk may try again."""
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT})

log = logging.getLogger(__name__)


class FilesystemDisk:
    """A `Disk` by `statvfs`. `reserve_bytes` None: the larger of 256 MiB and one percent."""

    def __init__(
        self,
        root: Path,
        where: str,
        *,
        reserve_bytes: int | None = None,
        ballast_bytes: int = BALLAST_BYTES,
    ) -> None:
        self._root = root
        self._where = where
        self._reserve_bytes = reserve_bytes
        self._ballast = root / "ballast"
        self._ballast_bytes = ballast_bytes
        self._lock = threading.Lock()
        self._seen: tuple[float, DiskSpace] | None = None
        self._given_up_at = float("-inf")

    def look(self) -> DiskSpace:
        """Free bytes and inodes for those who are not root."""
        seen = self._seen
        if seen is not None and monotonic() - seen[0] < LOOK_S:
            return seen[1]
        try:
            found = os.statvfs(self._root)
        except OSError as error:
            raise Unavailable(
                f"the disk of {self._where} does not answer: {error}", hint="look at that disk"
            ) from error
        size_bytes = found.f_blocks * found.f_frsize
        reserve_bytes = self._reserve_bytes
        if reserve_bytes is None:
            reserve_bytes = max(RESERVE_BYTES, size_bytes // RESERVE_PART)
        space = DiskSpace(
            self._where,
            size_bytes,
            found.f_bavail * found.f_frsize,
            reserve_bytes,
            found.f_files,
            found.f_favail,
            max(RESERVE_INODES, found.f_files // RESERVE_PART),
        )
        self._seen = (monotonic(), space)
        return space

    def give_up_ballast(self) -> bool:
        """Make room for what must still be written; says whether trying again may help."""
        with self._lock:
            try:
                self._ballast.unlink()
            except FileNotFoundError:
                return monotonic() - self._given_up_at < GIVEN_UP_S
            self._given_up_at = monotonic()
            self._seen = None
        log.warning("the disk of %s is full to the brim: the ballast was given up", self._where)
        return True

    def restore_ballast(self) -> bool:
        """Make the ballast if it is not there and leaves the reserve alone; says whether it is."""
        with self._lock:
            if self._ballast_bytes == 0 or self._is_whole():
                return self._ballast_bytes > 0
            space = self.look()
            if space.is_full or space.free_bytes - self._ballast_bytes < space.reserve_bytes:
                return False
            return self._fill()

    def _is_whole(self) -> bool:
        try:
            return self._ballast.stat().st_size >= self._ballast_bytes
        except FileNotFoundError:
            return False

    def _fill(self) -> bool:
        handle = os.open(self._ballast, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(handle, 0, self._ballast_bytes)
        except OSError as error:
            self._ballast.unlink(missing_ok=True)
            if error.errno not in NO_ROOM:
                raise
            return False
        finally:
            os.close(handle)
            self._seen = None
        return True
