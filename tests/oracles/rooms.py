"""Rooms of which something is held."""

from __future__ import annotations

from dataclasses import replace

from quarterdeck.core.cluster.demand import Resources
from quarterdeck.core.cluster.room import Room


def less(room: Room, taken: Resources) -> Room:
    """What is left when a replica has taken the first free devices."""
    assert len(room.free_devices) >= taken.gpus
    return replace(
        room,
        free_devices=room.free_devices[taken.gpus :],
        free_cpus=room.free_cpus - taken.cpus,
        free_memory_bytes=room.free_memory_bytes - taken.memory_bytes,
    )
