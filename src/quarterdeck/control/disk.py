"""No new work on a full disk: what is refused, what waits, and how both are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Unavailable
from quarterdeck.core.scheduling.plan import Blocker, Verdict

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.cluster.disk import DiskSpace

DISK_FULL: Final = "disk_full"
HINT: Final = "free some space there; `qd gc --plan` lists what Quarterdeck itself could delete"


def find_shortage(plane: ControlPlane) -> DiskSpace | None:
    """What is short on the plane's disk, or None while there is room."""
    if plane.disk is None:
        return None
    space = plane.disk.look()
    return space if space.is_full else None


def check_room(plane: ControlPlane) -> None:
    """Raise `Unavailable` with code `disk_full` while there is no room for new work."""
    shortage = find_shortage(plane)
    if shortage is not None:
        raise Unavailable(f"{shortage.message}; running jobs go on", code=DISK_FULL, hint=HINT)


def verdict_on(job_id: JobId, shortage: DiskSpace) -> Verdict:
    """Why a queued job is not placed, whatever else is free."""
    numbers = {
        "free_bytes": shortage.free_bytes,
        "kept_free_bytes": shortage.reserve_bytes,
        "free_inodes": shortage.free_inodes,
        "kept_free_inodes": shortage.reserve_inodes,
    }
    return Verdict(job_id, Blocker.DISK_FULL, shortage.message, HINT, numbers)
