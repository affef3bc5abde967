"""How much of each node a guaranteed cell is, and what a replica takes of one, in GPUs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.scheduling.survey import able_rows
from quarterdeck.core.scheduling.wants import want_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Level, Resources
    from quarterdeck.core.scheduling.fleet import Fleet
    from quarterdeck.core.scheduling.pools import Cells

    Sizes = NDArray[np.float64]

EPS: Final = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """What a cell of one shape takes of each node, in GPUs, `inf` where none can lie: as an array
    and as a list. `within` is the level whose domains all cells of a group must lie in together;
    `domains` are these. What is `hardest` to place has the smallest key."""

    sizes: Sizes
    listed: list[float]
    within: Level | None
    domains: list[int]
    hardest: tuple[bool, float, int]

    def domain(self, row: int) -> int:
        """The domain that a cell would lie in; the same one everywhere if it may lie anywhere."""
        return self.domains[row] if self.domains else -1


def totals_of(fleet: Fleet) -> Sizes:
    """What each node is in GPUs; one without any counts as one."""
    return np.maximum(1, fleet.gpus).astype(float)


def shapes_of(guaranteed: Iterable[Cells], fleet: Fleet, total: Sizes) -> dict[Cells, Shape]:
    """The shape of each kind of cells that is guaranteed; `total` are the GPUs of each node."""
    known: dict[tuple[Resources, Level | None], Shape] = {}
    found = {}
    for cells in guaranteed:
        if cells.kind not in known:
            known[cells.kind] = _shape_of(cells, fleet, total)
        found[cells] = known[cells.kind]
    return found


def are_alike(shapes: Iterable[Shape]) -> bool:
    """Whether all cells may lie anywhere and are the same on every node. Then as many of them find
    a node once one of them was bound as before: of the room of its node for them it takes one."""
    listed = list(shapes)
    return all(
        shape.within is None and np.array_equal(shape.sizes, listed[0].sizes) for shape in listed
    )


# Of few fleets, as each is kept with what it is asked about.
@lru_cache(maxsize=64)
def replica_sizes(wanted: Resources, fleet: Fleet) -> Sizes:
    """What a replica would take of each node, in GPUs; to be looked at only. The same few shapes
    are asked about in every plan."""
    total = totals_of(fleet)
    cpus = wanted.cpus / np.maximum(1, fleet.cpus) * total
    memory = wanted.memory_bytes / np.maximum(1, fleet.memory_bytes) * total
    found: Sizes = np.maximum(np.maximum(cpus, memory), _gpus_touched(wanted, fleet))
    return found


def _shape_of(cells: Cells, fleet: Fleet, total: Sizes) -> Shape:
    sizes = np.full(len(total), np.inf)
    able = able_rows(fleet, cells.resources, np.arange(len(total)))
    whole = total if not cells.resources.gpus else _gpus_touched(cells.resources, fleet)
    sizes[able] = whole[able]
    largest = float(sizes[able].max(initial=0.0))
    domains = [] if cells.within is None else fleet.domains[cells.within].tolist()
    hardest = (cells.within is None, -largest, len(able))
    return Shape(sizes, sizes.tolist(), cells.within, domains, hardest)


def _gpus_touched(wanted: Resources, fleet: Fleet) -> Sizes:
    """How many GPUs of each node it takes at least; slices and shares in whole GPUs."""
    if wanted.gpu_unit is GpuUnit.WHOLE or not wanted.gpus:
        return np.full(len(fleet.nodes), float(wanted.gpus))
    part = want_of(wanted, fleet.kinds).part
    return np.full(len(fleet.nodes), float(np.ceil(wanted.gpus * part - EPS)))
