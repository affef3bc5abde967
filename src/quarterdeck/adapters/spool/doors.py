"""The way of an attempt to what outlives it, which can be shut.

A job is not told where its results and checkpoints lie, but of a door in its own attempt's folder
that leads there. When the attempt is given up while something of it may live on, out of reach on a
lost node, the door is walled up: whatever it still wants to write there by name is refused by the
file system, and the next attempt has the checkpoints to itself. What it had open already it can
write on; so checkpoints are to be written under another name first, and renamed.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from quarterdeck.adapters.spool.orders import site_disk, write_stop
from quarterdeck.adapters.spool.plain import LEVELS, open_folder

if TYPE_CHECKING:
    from pathlib import Path

DOOR: Final = "door"
WAYS: Final = ("results", "checkpoint")


def make_door(folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Put a door into a replica's folder; the order as it is then. What is behind it is made by
    the runner, so that a cluster's nodes do that and not all of it is done here."""
    given = dict(order)
    with site_disk():
        (folder / DOOR).mkdir(parents=True, exist_ok=True)
        with open_folder(folder / DOOR, LEVELS + 1) as door:
            for name in WAYS:
                with suppress(FileExistsError):
                    os.symlink(order[f"{name}_dir"], name, dir_fd=door)
                given[f"{name}_dir"] = str(folder / DOOR / name)
    return given


def shut_door(folder: Path) -> None:
    """Wall it up, and ask whoever lives behind it to end at once. Only our own links are deleted,
    where they still are: the job can have put something else in the door's place."""
    with site_disk(), open_folder(folder) as here:
        _wall_up(here)
    write_stop(folder, 0.0, "KILL")


def _wall_up(here: int) -> None:
    try:
        kind = os.stat(DOOR, dir_fd=here, follow_symlinks=False).st_mode
    except FileNotFoundError:
        kind = 0
    if stat.S_ISREG(kind):
        return
    if stat.S_ISDIR(kind):
        # Renamed first: nothing can be made behind it any more by the name that the job knows.
        aside = f"{DOOR}.{secrets.token_hex(4)}.shut"
        os.rename(DOOR, aside, src_dir_fd=here, dst_dir_fd=here)
        _cut_ways(here, aside)
    elif kind:
        os.unlink(DOOR, dir_fd=here)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(DOOR, flags, 0o600, dir_fd=here))


def _cut_ways(here: int, name: str) -> None:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    door = os.open(name, flags, dir_fd=here)
    try:
        for way in WAYS:
            with suppress(FileNotFoundError, IsADirectoryError):
                os.unlink(way, dir_fd=door)
    finally:
        os.close(door)
