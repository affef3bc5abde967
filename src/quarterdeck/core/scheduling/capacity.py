"""Every node with what is free of it, as arrays: what a plan reckons with.

A `Capacity` is a sequence of `Room` and never changes; `replaced` makes the next one, which shares
with it what stayed the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, overload

import numpy as np

from quarterdeck.core.cluster.mig import mask_of, profiles_of
from quarterdeck.core.cluster.parts import parse_part
from quarterdeck.core.cluster.room import Room
from quarterdeck.core.scheduling.fleet import Fleet, fleet_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from quarterdeck.core.cluster.hardware import Device
    from quarterdeck.core.cluster.parts import Part

FREE: Final = 0
"""The state of a GPU of which nothing is held. Below `SHARED` a state is the occupancy of its
memory slices (`cluster/mig`)."""
SHARED: Final = 512
"""From here on a state is this and the percent of the GPU's time that shares hold."""
CLOSED: Final = SHARED + 101
"""The state of a GPU that is held whole, is cordoned, or is not there at all."""
STATES: Final = CLOSED + 1
MEMORY_SLICES: Final = 8
"""Of a GPU that can be cut; on the few models that have four, half of it stays idle here."""


def _idle_of_states() -> NDArray[np.float64]:
    idle = np.zeros(STATES)
    slices = [(state % 256).bit_count() for state in range(SHARED)]
    idle[:SHARED] = 1 - np.array(slices) / MEMORY_SLICES
    idle[SHARED:CLOSED] = 1 - np.arange(CLOSED - SHARED) / 100
    return idle


IDLE: Final = _idle_of_states()
"""How much of a GPU nobody holds, by its state: of its memory slices, or of its time."""


@dataclass(frozen=True, slots=True, eq=False)
class Capacity(Sequence[Room]):
    """See the module. `state` has a column for each GPU of a node, 0 for one that is free;
    `gpus_free` counts those, and `gpus_idle` counts the free parts of the others too.
    `is_cordoned` says so of the node or of any of its GPUs. `shared` are the rows of nodes of which
    others of the site have something, or will. The fleet's nodes are as they are built; how they
    are now is said by the rooms."""

    fleet: Fleet
    rooms: tuple[Room, ...]
    is_open: NDArray[np.bool_]
    is_cordoned: NDArray[np.bool_]
    cpus: NDArray[np.int64]
    memory_bytes: NDArray[np.int64]
    gpus_free: NDArray[np.int64]
    gpus_idle: NDArray[np.float64]
    state: NDArray[np.int16]
    shared: tuple[int, ...] = ()

    def replaced(self, rooms: Iterable[Room]) -> Capacity:
        """The capacity with these rooms in the places of the same nodes' rooms."""
        changed = {self.fleet.rows.get((room.site, room.node.name)): room for room in rooms}
        if any(
            row is None or not self.rooms[row].node.is_built_like(one.node)
            for row, one in changed.items()
        ):
            by_name = {(room.site, room.node.name): room for room in self.rooms}
            by_name |= {(room.site, room.node.name): room for room in changed.values()}
            return capacity_of(by_name.values())
        listed = list(self.rooms)
        for row, room in changed.items():
            assert row is not None
            listed[row] = room
        shared = {row for row in self.shared if row not in changed}
        shared.update(row for row, one in changed.items() if row is not None and one.node.others)
        made = Capacity(
            self.fleet,
            tuple(listed),
            self.is_open.copy(),
            self.is_cordoned.copy(),
            self.cpus.copy(),
            self.memory_bytes.copy(),
            self.gpus_free.copy(),
            self.gpus_idle.copy(),
            self.state.copy(),
            tuple(sorted(shared)),
        )
        for row in changed:
            assert row is not None
            _set_room(made, row, made.rooms[row])
        return made

    @overload
    def __getitem__(self, index: int) -> Room: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Room, ...]: ...
    def __getitem__(self, index: int | slice) -> Room | tuple[Room, ...]:
        """A room by its row."""
        return self.rooms[index]

    def __len__(self) -> int:
        """How many nodes there are."""
        return len(self.rooms)


def capacity_of(rooms: Iterable[Room]) -> Capacity:
    """The rooms as arrays; a capacity is already."""
    if isinstance(rooms, Capacity):
        return rooms
    ordered = tuple(sorted(rooms, key=lambda room: (room.site, room.node.name)))
    fleet = fleet_of([(room.site, room.node) for room in ordered])
    count = len(ordered)
    made = Capacity(
        fleet,
        ordered,
        np.zeros(count, bool),
        np.zeros(count, bool),
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count, np.int64),
        np.zeros(count),
        np.full(fleet.kind.shape, CLOSED, np.int16),
        tuple(row for row, room in enumerate(ordered) if room.node.others),
    )
    for row, room in enumerate(ordered):
        _set_room(made, row, room)
    return made


def _set_room(capacity: Capacity, row: int, room: Room) -> None:
    capacity.is_open[row] = room.is_open
    capacity.is_cordoned[row] = bool(room.cordons)
    capacity.cpus[row] = room.free_cpus
    capacity.memory_bytes[row] = room.free_memory_bytes
    capacity.gpus_free[row] = len(room.free_devices)
    states = _states_of(room)
    capacity.state[row, : len(states)] = states
    if room.parts:
        capacity.gpus_idle[row] = IDLE[states].sum()
    else:
        capacity.gpus_idle[row] = states.count(FREE)


def _states_of(room: Room) -> list[int]:
    """The state of each GPU. One that is closed to new work is closed, whatever is free of it."""
    free = frozenset(room.free_devices)
    if not room.parts:
        return [FREE if device.id in free else CLOSED for device in room.node.devices]
    states = {device.id: 0 if device.id in free else CLOSED for device in room.node.devices}
    devices = {device.id: device for device in room.node.devices}
    shut = {cordon.device for cordon in room.cordons}
    for held in room.parts:
        part = parse_part(held)
        if part.gpu in devices and part.gpu not in shut:
            before = max(FREE, states[part.gpu] % CLOSED)
            states[part.gpu] = state_with(before, part, devices[part.gpu])
    return list(states.values())


def state_with(state: int, part: Part, device: Device) -> int:
    """The state of a GPU once this part of it is held, too."""
    if part.profile:
        profile = profiles_of(device.model, device.memory_bytes).get(part.profile)
        return CLOSED if profile is None else state | mask_of(profile, part.start)
    return CLOSED if part.is_whole else max(SHARED, state) + part.percent


def state_without(state: int, part: Part, device: Device) -> int:
    """The state of a GPU once this part of it, which is held, is given back."""
    if part.profile:
        profile = profiles_of(device.model, device.memory_bytes).get(part.profile)
        return CLOSED if profile is None else state & ~mask_of(profile, part.start)
    if part.is_whole:
        return FREE
    left = state - part.percent
    return left if left > SHARED else FREE
