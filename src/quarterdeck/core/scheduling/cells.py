"""Which cells of whose guarantee lie where, and what they leave to others.

A cell is *bound* to a node while a job that it covers runs there. A team's jobs are covered in the
order in which they started, those first that were started within the guarantee; what its cells do
not cover is *borrowed*. Cells that are not bound yet could be bound to any node on which nothing
lies but what can be made to go, and for all of them together there must be such nodes: `shortfall`
counts those for which there are none. So it is with cells that are bound where somebody stays, or
where the node is not open any more: once the jobs that they cover have gone they need other nodes.

What a replica takes of a cell is counted in GPUs of the node: the GPUs that it touches, or the same
share of the node as it takes of the CPUs or the memory, whichever is most. A node without GPUs
counts as one.

A *team* is here whoever holds cells: also a person with cells of their own (`CellOwners`).
"""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.core.cluster.parts import gpu_of
from quarterdeck.core.scheduling.holdings import ANY, Footprint, Holding, Step, rows_apart
from quarterdeck.core.scheduling.others import taken_of
from quarterdeck.core.scheduling.pools import CellOwners
from quarterdeck.core.scheduling.reserve import Lot, reserve
from quarterdeck.core.scheduling.shapes import EPS, are_alike, replica_sizes, shapes_of, totals_of

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Demand, Grant
    from quarterdeck.core.jobs.clearance import Clearance
    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.core.scheduling.holdings import Group
    from quarterdeck.core.scheduling.pools import Pool
    from quarterdeck.core.scheduling.reserve import Reserve
    from quarterdeck.core.scheduling.snapshot import Running, Waiting

    Rows = NDArray[np.bool_]
    Sizes = NDArray[np.float64]

GRAINS: Final = 2.0**30
"""What a job takes is counted in so small parts of a GPU: sums of these are exact in any order, so
what was added and taken away again leaves no trace."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What covering one job has changed, so that it can be undone."""

    team: str
    spot: Footprint
    steps: tuple[Step, ...]


class CellBook:
    """See the module. Nothing in it looks at jobs: `cover` does."""

    def __init__(self, capacity: Capacity, pools: Iterable[Pool]) -> None:
        self.fleet = capacity.fleet
        self.total = totals_of(self.fleet)
        self.totals: list[float] = self.total.tolist()
        self._there = _there(capacity, self.total)
        self._bound = np.zeros(len(self.total))
        self._stuck = np.zeros(len(self.total))
        self._staying = np.zeros(len(self.total))
        self.owners = CellOwners(pools)
        guarantees = self.owners.guarantees
        shapes = shapes_of(chain(*guarantees.values()), self.fleet, self.total)
        self.are_alike = are_alike(shapes.values())
        """What a team holds is one group then, and binding one never leaves too little for
        others."""
        if self.are_alike and shapes:
            shapes = dict.fromkeys(shapes, next(iter(shapes.values())))
        self._held = {
            team: Holding.of((shapes[cells], cells.count) for cells in guarantee)
            for team, guarantee in guarantees.items()
        }
        self._own: set[str] = set()

    def look(self, capacity: Capacity) -> None:
        """From now on it is about what is open in this capacity, of the same nodes."""
        self._there = _there(capacity, self.total)

    def forked(self) -> CellBook:
        """The same, to be changed by itself."""
        made = copy(self)
        made.detach()
        self._own.clear()  # From now on both hold the same.
        return made

    def detach(self) -> None:
        """It changes nothing any more of what it was copied from."""
        self._bound, self._stuck = self._bound.copy(), self._stuck.copy()
        self._staying = self._staying.copy()
        self._held, self._own = self._held.copy(), set()

    @property
    def teams(self) -> tuple[str, ...]:
        """Those that are guaranteed anything."""
        return tuple(self._held)

    def pool_of(self, one: Waiting | Running) -> str:
        """The pool whose cells are for it."""
        return self.owners.pool_of(one.team, one.owner)

    def has(self, team: str) -> bool:
        """Whether it is guaranteed anything."""
        return team in self._held

    def count_left(self, team: str) -> int:
        """How many of its cells are bound to nothing."""
        return self._held[team].left

    def holding(self, team: str) -> Holding:
        """What a team holds, to be looked at."""
        return self._held[team]

    def put(self, team: str, holding: Holding) -> None:
        """What a team holds from now on; the book keeps it."""
        before, self._held[team] = self._held[team].bound, holding
        self._own.discard(team)
        for row in rows_apart(before, holding.bound):
            self._bound[row] += holding.bound.get(row, 0.0) - before.get(row, 0.0)

    def size_of(self, row: int, grant: Grant) -> float:
        """What a grant takes of its node, in GPUs."""
        fleet, total = self.fleet, self.totals[row]
        gpus = len({gpu_of(device) for device in grant.devices})
        cpus = grant.cpus / max(1, int(fleet.cpus[row])) * total
        memory = grant.memory_bytes / max(1, int(fleet.memory_bytes[row])) * total
        return round(max(float(gpus), cpus, memory) * GRAINS) / GRAINS

    def spot_of(self, site: str, grants: Sequence[Grant]) -> Footprint:
        """Where a job lies that holds these, as far as the nodes are still known."""
        known = [
            (row, self.size_of(row, grant))
            for grant in grants
            if (row := self.fleet.rows.get((site, grant.node))) is not None
        ]
        rows, sizes = tuple(row for row, _ in known), tuple(size for _, size in known)
        return Footprint(rows, sizes, len(rows) == len(grants))

    def cleared_of(self, given: Clearance, demand: Demand) -> Footprint:
        """Where a job will lie that others make room for, as far as the nodes are still known, each
        with as much as its largest replica takes."""
        found = (self.fleet.rows.get((given.site, node)) for node in dict.fromkeys(given.nodes))
        rows = tuple(row for row in found if row is not None)
        size = self.largest_replica(demand)
        return Footprint(rows, tuple(float(size[row]) for row in rows))

    def note_stuck(self, spot: Footprint, sign: int = 1) -> None:
        """This is held by who has no cell for it and cannot be made to go, or is not any more."""
        for row, size in zip(spot.rows, spot.sizes, strict=True):
            self._stuck[row] += sign * size

    def note_staying(self, spot: Footprint, sign: int = 1) -> None:
        """This is held by who could not be made to go if it had no cell, or is not any more."""
        for row, size in zip(spot.rows, spot.sizes, strict=True):
            self._staying[row] += sign * size

    def room_on(self, row: int) -> float:
        """What of a node no cell is bound to."""
        return self.totals[row] - float(self._bound[row])

    def release(self, team: str) -> None:
        """All cells of a team are bound to nothing."""
        self.put(team, self._held[team].unbound())
        self._own.add(team)

    def bind(self, team: str, spot: Footprint) -> Binding | None:
        """Cover a job that lies there, or nothing is changed: no cell of its team is left for it
        there."""
        held = self._held[team]
        if not held.left and held.has_none_for(spot):
            return None
        held = self._changing(team)
        before = held.bound.copy()

        def room(row: int) -> float:
            return self.room_on(row) + before.get(row, 0.0)

        steps = held.bind(spot, room)
        if steps is None:
            return None
        for step in steps:
            self._bound[step.row] += held.groups[step.place].shape.listed[step.row]
        return Binding(team, spot, steps)

    def undo(self, binding: Binding) -> None:
        """As it was before: of several the last one first."""
        held = self._changing(binding.team)
        held.undo(binding.spot, binding.steps)
        for step in binding.steps:
            self._bound[step.row] -= held.groups[step.place].shape.listed[step.row]

    def _changing(self, team: str) -> Holding:
        if team not in self._own:
            self._held[team] = self._held[team].copy()
            self._own.add(team)
        return self._held[team]

    def has_cells_for(self, team: str, demand: Demand) -> bool:
        """Whether all its cells, bound or not, would be enough for a job."""
        size = self.largest_replica(demand)
        large = (
            group.count
            for group in self._held[team].groups
            if bool((np.isfinite(group.shape.sizes) & (group.shape.sizes >= size - EPS)).any())
        )
        return sum(large) >= demand.nodes

    def masks(self, team: str, demand: Demand) -> Iterator[Rows]:
        """Where a job might lie to be covered, the nearest to what its team holds first: on cells
        that are bound already; there and wherever a free cell could be bound; the same without the
        nodes that cells of others need; then within each domain of cells that must lie together."""
        held = self._held[team]
        size = self.largest_replica(demand)
        own: Rows = np.zeros(len(self.total), bool)
        for row, bound in held.bound.items():
            own[row] = size[row] > 0 and held.used.get(row, 0.0) + size[row] <= bound + EPS
        if not demand.beside and demand.nodes > int(own.sum()) + held.left:
            return  # Each of its nodes takes a cell or has room on one.
        if np.count_nonzero(own):
            yield own
        room = self._there - self._bound - self._stuck + EPS
        anywhere = own.copy()
        for group in held.groups:
            if group.left and group.shape.within is None:
                sizes = group.shape.sizes
                anywhere |= (sizes >= size - EPS) & (sizes <= room)
        new = (anywhere & ~own).nonzero()[0]
        if len(new):
            yield anywhere
            taken = self.reserve(but=team).taken
            beside = anywhere & (own | (room - taken >= size))
            if (beside != anywhere).any() and (beside & ~own).any():
                yield beside
            loose = sum(group.left for group in held.groups if group.shape.within is None)
            if loose < min(demand.nodes, len(new)):
                few = own.copy()
                few[new[:loose]] = True
                yield few
        yield from self._masks_within(held, size, room, anywhere)

    def _masks_within(
        self, held: Holding, size: Sizes, room: Sizes, anywhere: Rows
    ) -> Iterator[Rows]:
        """The same within each domain of cells that must lie together."""
        for group in held.groups:
            level = group.shape.within
            if not group.left or level is None:
                continue
            fits = (group.shape.sizes >= size - EPS) & (group.shape.sizes <= room)
            domains = self.fleet.domains[level]
            numbers = [group.domain] if group.domain != ANY else np.unique(domains[fits]).tolist()
            for number in numbers:
                here = fits & (domains == number)
                if number >= 0 and int(here.sum()) >= group.left:
                    yield anywhere | here

    def largest_replica(self, demand: Demand) -> Sizes:
        """What the largest replica of a job takes of each node, in GPUs."""
        parts = [replica_sizes(part.resources, self.fleet) for part in demand.parts]
        found: Sizes = parts[0] if len(parts) == 1 else np.maximum.reduce(parts)
        return found

    def shortfall(self) -> int:
        """How many cells have no node left, or will not once the jobs that they cover have gone."""
        return self.reserve().short

    def spare(self) -> Sizes:
        """How much of each node nobody's cells need, in GPUs."""
        spare: Sizes = np.maximum(0.0, self.reserve().beside)
        return spare

    def reserve(self, but: str = "") -> Reserve:
        """A node for each cell, but those of one team, that is not bound, or will need another one
        than where it is."""
        crowded = self._crowded()
        anywhere: dict[int, Lot] = {}
        lots = []
        for team, held in self._held.items():
            if team == but:
                continue
            for place, group in enumerate(held.groups):
                shape, key = group.shape, lot_key(team, place, group)
                left = group.left + held.count_crowded(group, crowded)
                if left and shape.within is not None:
                    lots.append(Lot(key, shape, left, group.domain))
                elif left:
                    known = anywhere.get(id(shape))
                    before = 0 if known is None else known.left
                    anywhere[id(shape)] = Lot(key, shape, before + left, ANY)
        room = self._there - self._bound - np.maximum(self._stuck, self._staying)
        return reserve(room, [*lots, *anywhere.values()], self.fleet)

    def _crowded(self) -> dict[int, float]:
        """The nodes that will not have room again for all that is bound there, and how much of it
        they will not."""
        lacks = self._bound + self._staying - self._there
        rows = np.flatnonzero((self._bound > EPS) & (lacks > EPS))
        return dict(zip(rows.tolist(), lacks[rows].tolist(), strict=True))


def lot_key(team: str, place: int, group: Group) -> Hashable:
    """The lot to which the cells of a group belong that are not bound."""
    return id(group.shape) if group.shape.within is None else (team, place)


def _there(capacity: Capacity, total: Sizes) -> Sizes:
    """What of each node is up and open to new work, and not held by others of the site."""
    there = np.where(capacity.is_open, total, 0.0)
    if np.count_nonzero(capacity.is_cordoned):
        for row in np.flatnonzero(capacity.is_cordoned & capacity.is_open).tolist():
            there[row] -= len({one.device for one in capacity.rooms[row].cordons if one.device})
    for row in capacity.shared:
        if capacity.is_open[row]:
            taken = taken_of(capacity.rooms[row], float(total[row]))
            there[row] = max(0.0, there[row] - math.ceil(taken * GRAINS) / GRAINS)
    return there
