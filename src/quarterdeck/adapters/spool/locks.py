"""Whether somebody holds a lock: the one sign of life that is believed here."""

from __future__ import annotations

import fcntl
from typing import TYPE_CHECKING

from quarterdeck.adapters.spool.plain import open_plain

if TYPE_CHECKING:
    from pathlib import Path


def is_held(path: Path, levels: int = 0) -> bool:
    """Whether a process has the file locked for itself now. The question holds the lock for an
    instant, so whoever takes it tries more than once. `levels`: as in `open_plain`."""
    try:
        stream = open_plain(path, levels)
    except FileNotFoundError:
        return False
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
