"""Which cells of whose guarantee lie where, in one plan.

A cell is *bound* to a node while a job that it covers runs there. A team's jobs are covered in the
order in which they started, those first that were started within the guarantee; what its cells do
not cover is *borrowed*. Cells that are not bound yet could be bound to any node on which nothing
lies but what can be made to go, and for all of them together there must be such nodes: `shortfall`
counts those for which there are none.

What a replica takes of a cell is counted in GPUs of the node: the GPUs that it touches, or the same
share of the node as it takes of the CPUs or the memory, whichever is most. A node without GPUs
counts as one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.cluster.parts import gpu_of
from quarterdeck.core.scheduling.survey import able_rows
from quarterdeck.core.scheduling.wants import want_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Demand, Grant, Resources
    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.core.scheduling.fleet import Fleet
    from quarterdeck.core.scheduling.pools import Cells, Pool

    Rows = NDArray[np.bool_]
    Sizes = NDArray[np.float64]

EPS: Final = 1e-6
ANY: Final = -1
"""The domain of cells that are bound to none yet."""


@dataclass(slots=True)
class _Group:
    """Cells of one shape. `sizes` are GPUs of each node, `inf` where none can lie; `domain` is
    where those lie that are bound, of cells that must lie together."""

    cells: Cells
    sizes: Sizes
    left: int
    domain: int = ANY


class _Step(NamedTuple):
    """One cell that was bound, and what to undo."""

    group: _Group
    row: int
    domain_before: int


@dataclass(slots=True)
class _Holding:
    """What one team holds: its groups, and of every node how much is bound to it and used."""

    groups: list[_Group]
    bound: Sizes
    used: Sizes


@dataclass(frozen=True, slots=True)
class Binding:
    """What covering one job has changed, so that it can be undone."""

    team: str
    rows: tuple[int, ...]
    sizes: tuple[float, ...]
    steps: tuple[_Step, ...] = field(repr=False)


class CellBook:
    """See the module. Nothing in it looks at jobs: `guarantees` does."""

    def __init__(self, capacity: Capacity, pools: Iterable[Pool]) -> None:
        fleet = capacity.fleet
        self._fleet = fleet
        self.total = np.maximum(1, fleet.gpus).astype(float)
        self._there = _there(capacity, self.total)
        self._bound = np.zeros(len(self.total))
        self._stuck = np.zeros(len(self.total))
        self._held = {pool.team: self._holding_of(pool) for pool in pools if pool.guarantee}

    def _holding_of(self, pool: Pool) -> _Holding:
        groups = [
            _Group(cells, _sizes_of(cells, self._fleet, self.total), cells.count)
            for cells in pool.guarantee
        ]
        return _Holding(groups, np.zeros(len(self.total)), np.zeros(len(self.total)))

    @property
    def teams(self) -> tuple[str, ...]:
        """Those that are guaranteed anything."""
        return tuple(self._held)

    @property
    def are_whole_nodes(self) -> bool:
        """Whether all cells are whole nodes anywhere."""
        groups = (group for held in self._held.values() for group in held.groups)
        return all(
            group.cells.within is None and not group.cells.resources.gpus for group in groups
        )

    def has(self, team: str) -> bool:
        """Whether it is guaranteed anything."""
        return team in self._held

    def count_left(self, team: str) -> int:
        """How many of its cells are bound to nothing."""
        return sum(group.left for group in self._held[team].groups)

    def size_of(self, row: int, grant: Grant) -> float:
        """What a grant takes of its node, in GPUs."""
        fleet, total = self._fleet, float(self.total[row])
        gpus = len({gpu_of(device) for device in grant.devices})
        cpus = grant.cpus / max(1, int(fleet.cpus[row])) * total
        memory = grant.memory_bytes / max(1, int(fleet.memory_bytes[row])) * total
        return max(float(gpus), cpus, memory)

    def set_stuck(self, held: Iterable[tuple[str, Iterable[Grant]]]) -> None:
        """All that is held by who has no cell for it and cannot be made to go."""
        self._stuck[:] = 0.0
        for site, grants in held:
            for grant in grants:
                row = self._fleet.rows.get((site, grant.node))
                if row is not None:
                    self._stuck[row] += self.size_of(row, grant)

    def release(self, team: str) -> None:
        """All cells of a team are bound to nothing."""
        held = self._held[team]
        self._bound -= held.bound
        held.bound[:] = 0.0
        held.used[:] = 0.0
        for group in held.groups:
            group.left = group.cells.count
            group.domain = ANY

    def bind(self, team: str, site: str, grants: Sequence[Grant]) -> Binding | None:
        """Cover a job that holds these, or nothing is changed: no cell of its team is left for it
        there."""
        held = self._held[team]
        steps: list[_Step] = []
        rows: list[int] = []
        sizes: list[float] = []
        for grant in grants:
            row = self._fleet.rows.get((site, grant.node))
            if row is None:
                break
            size = self.size_of(row, grant)
            if held.used[row] + size > held.bound[row] + EPS:
                step = self._bind_cell(held, row, held.used[row] + size - held.bound[row])
                if step is None:
                    break
                steps.append(step)
            held.used[row] += size
            rows.append(row)
            sizes.append(size)
        made = Binding(team, tuple(rows), tuple(sizes), tuple(steps))
        if len(rows) < len(grants):
            self.undo(made)
            return None
        return made

    def undo(self, binding: Binding) -> None:
        """As it was before: of several the last one first."""
        held = self._held[binding.team]
        for row, size in zip(binding.rows, binding.sizes, strict=True):
            held.used[row] -= size
        for step in reversed(binding.steps):
            size = float(step.group.sizes[step.row])
            held.bound[step.row] -= size
            self._bound[step.row] -= size
            step.group.left += 1
            step.group.domain = step.domain_before

    def _bind_cell(self, held: _Holding, row: int, size: float) -> _Step | None:
        """The smallest cell that does, those that may lie anywhere first."""
        room = self.total[row] - self._bound[row] + EPS
        fits = [
            group
            for group in held.groups
            if group.left
            and size - EPS <= group.sizes[row] <= room
            and group.domain in (ANY, self._domain(group, row))
        ]
        if not fits:
            return None
        group = min(fits, key=lambda one: (one.cells.within is not None, float(one.sizes[row])))
        step = _Step(group, row, group.domain)
        group.left -= 1
        group.domain = self._domain(group, row)
        held.bound[row] += group.sizes[row]
        self._bound[row] += group.sizes[row]
        return step

    def _domain(self, group: _Group, row: int) -> int:
        level = group.cells.within
        return ANY if level is None else int(self._fleet.domains[level][row])

    def has_cells_for(self, team: str, demand: Demand) -> bool:
        """Whether all its cells, bound or not, would be enough for a job."""
        size = self.largest_replica(demand)
        large = (
            group.cells.count
            for group in self._held[team].groups
            if bool((np.isfinite(group.sizes) & (group.sizes >= size - EPS)).any())
        )
        return sum(large) >= demand.nodes

    def masks(self, team: str, demand: Demand) -> Iterator[Rows]:
        """Where a job might lie to be covered, the nearest to what its team holds first: on cells
        that are bound already; there and wherever a free cell could be bound; the same without the
        nodes that cells of others need; then within each domain of cells that must lie together."""
        held = self._held[team]
        size = self.largest_replica(demand)
        own: Rows = (held.used + size <= held.bound + EPS) & (size > 0)
        if own.any():
            yield own
        room = self._there - self._bound - self._stuck + EPS
        anywhere = own.copy()
        for group in held.groups:
            if group.left and group.cells.within is None:
                anywhere |= (group.sizes >= size - EPS) & (group.sizes <= room)
        new = np.flatnonzero(anywhere & ~own)
        if len(new):
            yield anywhere
            _, taken = self._reserve(but=team)
            beside = anywhere & (own | (room - taken >= size))
            if (beside != anywhere).any() and (beside & ~own).any():
                yield beside
            loose = sum(group.left for group in held.groups if group.cells.within is None)
            if loose < min(demand.nodes, len(new)):
                few = own.copy()
                few[new[:loose]] = True
                yield few
        for group in held.groups:
            level = group.cells.within
            if not group.left or level is None:
                continue
            fits = (group.sizes >= size - EPS) & (group.sizes <= room)
            domains = self._fleet.domains[level]
            numbers = [group.domain] if group.domain != ANY else np.unique(domains[fits]).tolist()
            for number in numbers:
                here = fits & (domains == number)
                if number >= 0 and int(here.sum()) >= group.left:
                    yield anywhere | here

    def largest_replica(self, demand: Demand) -> Sizes:
        """What the largest replica of a job takes of each node, in GPUs."""
        parts = [_replica_sizes(part.resources, self._fleet, self.total) for part in demand.parts]
        found: Sizes = np.maximum.reduce(parts)
        return found

    def shortfall(self) -> int:
        """How many cells that are not bound have no node left."""
        return self._reserve()[0]

    def spare(self) -> Sizes:
        """How much of each node nobody's cells need, in GPUs."""
        _, taken = self._reserve()
        spare: Sizes = np.maximum(0.0, self._there - self._bound - self._stuck - taken)
        return spare

    def _reserve(self, but: str = "") -> tuple[int, Sizes]:
        """A node for each cell that is not bound, but those of one team, what is hardest to place
        first; how many found none, and how much of each node that takes."""
        room = self._there - self._bound - self._stuck
        taken = np.zeros(len(room))
        groups = [
            group
            for team, held in self._held.items()
            for group in held.groups
            if group.left and team != but
        ]
        groups.sort(key=_hardest_first)
        short = 0
        for group in groups:
            per_node = np.floor((room - taken + EPS) / group.sizes)
            if group.cells.within is not None:
                per_node = self._in_one_domain(group, per_node)
            fitting = np.flatnonzero(per_node > 0)
            # Those that are in part bound or taken already first, so that whole ones stay whole.
            order = fitting[np.argsort((room - taken)[fitting], kind="stable")]
            counts = np.minimum(per_node[order], np.inf)
            before = np.cumsum(counts) - counts
            counts = np.clip(group.left - before, 0, counts)
            chosen = counts > 0
            taken[order[chosen]] += counts[chosen] * group.sizes[order[chosen]]
            short += max(0, group.left - int(counts.sum()))
        return short, taken

    def _in_one_domain(self, group: _Group, per_node: Sizes) -> Sizes:
        """Only of the domain where they lie, or of the tightest that has room for all of them."""
        assert group.cells.within is not None
        domains = self._fleet.domains[group.cells.within]
        if group.domain != ANY:
            return np.where(domains == group.domain, np.minimum(per_node, 1), 0)
        has = domains >= 0
        counts = np.bincount(domains[has], np.minimum(per_node[has], 1))
        fitting = np.flatnonzero(counts >= group.left)
        if not len(fitting):
            return np.zeros(len(per_node))
        best = fitting[np.argmin(counts[fitting])]
        return np.where(domains == best, np.minimum(per_node, 1), 0)


def _hardest_first(group: _Group) -> tuple[bool, float, int]:
    able = np.isfinite(group.sizes)
    largest = float(group.sizes[able].max(initial=0.0))
    return group.cells.within is None, -largest, int(able.sum())


def _there(capacity: Capacity, total: Sizes) -> Sizes:
    """What of each node is up and open to new work."""
    there = np.where(capacity.is_open, total, 0.0)
    for row in np.flatnonzero(capacity.is_cordoned & capacity.is_open).tolist():
        there[row] -= len({one.device for one in capacity.rooms[row].cordons if one.device})
    return there


def _sizes_of(cells: Cells, fleet: Fleet, total: Sizes) -> Sizes:
    """How much of each node one cell is."""
    sizes = np.full(len(total), np.inf)
    able = able_rows(fleet, cells.resources, np.arange(len(total)))
    if not cells.resources.gpus:
        sizes[able] = total[able]
        return sizes
    sizes[able] = _gpus_touched(cells.resources, fleet)[able]
    return sizes


def _gpus_touched(wanted: Resources, fleet: Fleet) -> Sizes:
    """How many GPUs of each node it takes at least; slices and shares in whole GPUs."""
    if wanted.gpu_unit is GpuUnit.WHOLE or not wanted.gpus:
        return np.full(len(fleet.nodes), float(wanted.gpus))
    part = want_of(wanted, fleet.kinds).part
    return np.full(len(fleet.nodes), float(np.ceil(wanted.gpus * part - EPS)))


def _replica_sizes(wanted: Resources, fleet: Fleet, total: Sizes) -> Sizes:
    """What a replica would take of each node, in GPUs."""
    cpus = wanted.cpus / np.maximum(1, fleet.cpus) * total
    memory = wanted.memory_bytes / np.maximum(1, fleet.memory_bytes) * total
    found: Sizes = np.maximum(np.maximum(cpus, memory), _gpus_touched(wanted, fleet))
    return found
