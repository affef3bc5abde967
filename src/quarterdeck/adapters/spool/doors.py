"""The way of an attempt to what outlives it, which can be shut.

A job is not told where its results and checkpoints lie, but of a door in its own attempt's folder
that leads there. When the attempt is given up while something of it may live on, out of reach on a
lost node, the door is walled up: whatever it still wants to write there by name is refused by the
file system, and the next attempt has the checkpoints to itself. What it had open already it can
write on; so checkpoints are to be written under another name first, and renamed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from quarterdeck.adapters.spool.orders import site_disk, write_json

if TYPE_CHECKING:
    from pathlib import Path

DOOR: Final = "door"


def make_door(folder: Path, order: dict[str, Any]) -> dict[str, Any]:
    """Put a door into a replica's folder; the order as it is then. What is behind it is made by
    the runner, so that a cluster's nodes do that and not all of it is done here."""
    door = folder / DOOR
    given = dict(order)
    with site_disk():
        door.mkdir(parents=True, exist_ok=True)
        for name in ("results", "checkpoint"):
            if not (door / name).is_symlink():
                (door / name).symlink_to(order[f"{name}_dir"])
            given[f"{name}_dir"] = str(door / name)
    return given


def shut_door(folder: Path) -> None:
    """Wall it up, and ask whoever lives behind it to end at once."""
    door = folder / DOOR
    with site_disk():
        if door.is_dir():
            door.rename(folder / f"{DOOR}.shut")
            for link in (folder / f"{DOOR}.shut").iterdir():
                link.unlink()
        door.touch()
    write_json(folder / "stop.json", {"grace_s": 0.0, "signal": "KILL"})
