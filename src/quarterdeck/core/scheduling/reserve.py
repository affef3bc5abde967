"""Nodes for the cells that are bound to nothing: whether there are enough, and which these are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from quarterdeck.core.scheduling.holdings import ANY
from quarterdeck.core.scheduling.shapes import EPS

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from numpy.typing import NDArray

    from quarterdeck.core.scheduling.fleet import Fleet
    from quarterdeck.core.scheduling.shapes import Shape

    Sizes = NDArray[np.float64]


class Lot(NamedTuple):
    """Cells that are bound to nothing: all of one shape that may lie anywhere, or those of one
    group that must lie together, and in which domain. The `key` says which."""

    key: Hashable
    shape: Shape
    left: int
    domain: int


@dataclass(slots=True, eq=False)
class Reserve:
    """A node for each cell: how many found none (`short`), how much of each node they `take`, what
    is left beside them, and how many of each lot each node would have."""

    short: int
    taken: Sizes
    beside: Sizes
    places: dict[Hashable, dict[int, int]]

    def gives(self, key: Hashable, shape: Shape, row: int) -> bool:
        """Whether a cell of a lot may certainly be bound to a node so that the others still find
        theirs: it is what one of this lot would have, or there is room beside them (of cells that
        must lie together the others would have to follow). It is bound then."""
        here = self.places.get(key, {})
        if here.get(row):
            here[row] -= 1
            return True
        if shape.within is not None or self.beside[row] + EPS < shape.listed[row]:
            return False
        self.beside[row] -= shape.listed[row]
        return True


def reserve(room: Sizes, lots: Iterable[Lot], fleet: Fleet) -> Reserve:
    """A node for each cell where there is room, what is hardest to place first."""
    taken = np.zeros(len(room))
    places: dict[Hashable, dict[int, int]] = {}
    short = 0
    for lot in sorted(lots, key=lambda lot: lot.shape.hardest):
        shape = lot.shape
        per_node = np.floor((room - taken + EPS) / shape.sizes)
        if shape.within is not None:
            per_node = _in_one_domain(fleet, lot, per_node)
        fitting = np.flatnonzero(per_node > 0)
        # Those that are in part bound or taken already first, so that whole ones stay whole.
        order = fitting[np.argsort((room - taken)[fitting], kind="stable")]
        counts = per_node[order]
        before = np.cumsum(counts) - counts
        counts = np.clip(lot.left - before, 0, counts)
        chosen = counts > 0
        rows, counts = order[chosen], counts[chosen]
        taken[rows] += counts * shape.sizes[rows]
        short += max(0, lot.left - int(counts.sum()))
        places[lot.key] = dict(zip(rows.tolist(), counts.tolist(), strict=True))
    return Reserve(short, taken, room - taken, places)


def _in_one_domain(fleet: Fleet, lot: Lot, per_node: Sizes) -> Sizes:
    """Only of the domain where they lie, or of the tightest that has room for all of them."""
    assert lot.shape.within is not None
    domains = fleet.domains[lot.shape.within]
    if lot.domain != ANY:
        return np.where(domains == lot.domain, np.minimum(per_node, 1), 0)
    has = domains >= 0
    counts = np.bincount(domains[has], np.minimum(per_node[has], 1))
    fitting = np.flatnonzero(counts >= lot.left)
    if not len(fitting):
        return np.zeros(len(per_node))
    best = fitting[np.argmin(counts[fitting])]
    return np.where(domains == best, np.minimum(per_node, 1), 0)
