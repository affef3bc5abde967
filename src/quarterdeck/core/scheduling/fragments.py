"""How much of what is free nobody could use.

After "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient
Descent" (Weng et al., USENIX ATC 2023): the fragmentation of a node is the number of its free GPUs
that a job drawn from the typical demand could not use there, and a job goes where it adds least.
Whole GPUs only; jobs without GPUs are no part of the typical demand: no GPU is of use to them.

A GPU beside which no CPU or memory is left is lost to everybody. Such GPUs are foreseen: they are
those for which a node has less of these than all jobs together ask for each GPU.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.scheduling.shares import shares_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Resources
    from quarterdeck.core.scheduling.shares import Shares

TYPICAL_MAX: Final = 12
"""Shapes beyond the most frequent ones change little and cost time."""

RECENT_MAX: Final = 2000
"""Jobs that a site is judged by: a day's or a week's worth."""


Shape = tuple[int, int, int]
"""So many whole GPUs, CPUs, and bytes of memory on one node."""

USUAL: Final[dict[Shape, float]] = {
    (1, 0, 0): 0.5,
    (2, 0, 0): 0.15,
    (4, 0, 0): 0.15,
    (8, 0, 0): 0.2,
}
"""What is taken for typical until a site has shown its own: most jobs of the public traces ask for
one GPU or for all eight of a node (Philly, Helios; Hu et al., SC 2021)."""
SLICE: Final = GpuUnit.SLICE
SHARE: Final = GpuUnit.SHARE
USUAL_JOBS: Final = 20
"""It counts as much as so many jobs: the first few of a site do not yet say what is typical."""


@dataclass(frozen=True, slots=True, eq=False)
class Typical:
    """What jobs usually ask of a node, with the share of each shape; one column per shape.

    `cpus_per_gpu` and `memory_bytes_per_gpu` are over all jobs with GPUs; 0 while none is known.
    `shares` are those of single GPUs.
    """

    gpus: NDArray[np.int64]
    cpus: NDArray[np.int64]
    memory_bytes: NDArray[np.int64]
    share: NDArray[np.float64]
    cpus_per_gpu: float = 0.0
    memory_bytes_per_gpu: float = 0.0
    shares: Shares = ()

    def fragments(
        self,
        gpus: NDArray[np.int64],
        cpus: NDArray[np.int64],
        memory_bytes: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """The free GPUs of each node that a typical job cannot use there, on average: of nodes
        alike the same to the last bit, whichever others are asked about with them."""
        is_of_use = gpus >= self.gpus[:, None]
        is_of_use &= cpus >= self.cpus[:, None]
        is_of_use &= memory_bytes >= self.memory_bytes[:, None]
        shares = self.share[:, None] * is_of_use
        # NumPy adds one shape after the other, but those of a single node in pairs.
        usable: NDArray[np.float64] = (
            shares.sum(axis=0) if len(gpus) > 1 else shares.cumsum(axis=0)[-1]
        )
        return gpus * (1.0 - usable)

    def stranded(
        self,
        idle: NDArray[np.float64],
        cpus: NDArray[np.int64],
        memory_bytes: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """The idle GPUs of each node, in parts too, for which it has no CPUs or memory left."""
        served = idle
        if self.cpus_per_gpu:
            served = np.minimum(served, cpus / self.cpus_per_gpu)
        if self.memory_bytes_per_gpu:
            served = np.minimum(served, memory_bytes / self.memory_bytes_per_gpu)
        return idle - served


class Asked(tuple[tuple["Resources", int], ...]):  # noqa: SLOT001 a tuple has no slots
    """What was asked for how often, and the `typical` demand that it makes."""

    typical: Typical


class Recent:
    """What the last jobs asked of a node, and how often."""

    def __init__(self, size: int = RECENT_MAX) -> None:
        self._last: deque[Resources] = deque(maxlen=size)
        self._tally = _Tally()
        self._asked: Asked | None = None

    def add(self, resources: Resources) -> None:
        """Another job came; the oldest is forgotten."""
        if len(self._last) == self._last.maxlen:
            self._tally.add(self._last[0], -1)
        self._last.append(resources)
        self._tally.add(resources, 1)
        self._asked = None

    def asked(self) -> Asked:
        """How often each was asked for."""
        if self._asked is None:
            self._asked = Asked(self._tally.counts.items())
            self._asked.typical = self._tally.typical()
        return self._asked


def typical_of(asked: Iterable[tuple[Resources, int]]) -> Typical:
    """The typical demand, from what was asked how often, and at first from what is usual."""
    if isinstance(asked, Asked):
        return asked.typical
    tally = _Tally()
    for wanted, count in asked:
        tally.add(wanted, count)
    return tally.typical()


class _Tally:
    """What was asked for how often, by needs and by shapes, the most frequent shapes first. Whole
    numbers are added up, so it does not matter what was added and taken away before."""

    def __init__(self) -> None:
        self.counts: dict[Resources, int] = {}
        self._by_shape = {shape: share * USUAL_JOBS for shape, share in USUAL.items()}
        self._places: dict[Shape, dict[Resources | None, int]] = {
            shape: {None: place} for place, shape in enumerate(USUAL)
        }
        """When the needs of each shape came, the first of them first: that settles ties."""
        self._next_place = len(USUAL)
        self._ranked = sorted(map(self._rank, USUAL))
        self._gpu_percents = self._cpus = self._memory_bytes = 0
        self._shares: dict[int, int] = {}
        self._shapes: list[Shape] = []
        self._columns = np.zeros((3, 0), np.int64)

    def add(self, wanted: Resources, count: int) -> None:
        """So many more, or fewer."""
        after = self.counts.get(wanted, 0) + count
        is_new = wanted not in self.counts
        if after:
            self.counts[wanted] = after
        else:
            self.counts.pop(wanted, None)
        if not wanted.gpus or not count:
            return
        self._add_shape(wanted, count, is_new=is_new, is_gone=not after)
        gpus, unit = count * wanted.gpus, wanted.gpu_unit
        if unit is not SLICE:  # how large one is depends on the GPU
            self._gpu_percents += gpus * wanted.gpu_percent
            self._cpus += count * wanted.cpus
            self._memory_bytes += count * wanted.memory_bytes
        if unit is SHARE:
            percent = wanted.gpu_percent
            self._shares[percent] = self._shares.get(percent, 0) + gpus
            if not self._shares[percent]:
                del self._shares[percent]

    def typical(self) -> Typical:
        """What that makes the typical demand."""
        first = self._ranked[:TYPICAL_MAX]
        shapes = [rank[-1] for rank in first]
        if shapes != self._shapes:
            self._shapes, self._columns = shapes, np.array(shapes, np.int64).T.copy()
        counts = [-rank[0] for rank in first]
        gpus, columns = self._gpu_percents / 100, self._columns
        return Typical(
            columns[0],
            columns[1],
            columns[2],
            np.array(counts, np.float64) / sum(counts),
            self._cpus / gpus if gpus else 0.0,
            self._memory_bytes / gpus if gpus else 0.0,
            shares_of(self._shares),
        )

    def _add_shape(self, wanted: Resources, count: int, *, is_new: bool, is_gone: bool) -> None:
        shape = (wanted.gpus, wanted.cpus, wanted.memory_bytes)
        places = self._places.setdefault(shape, {})
        if places:
            del self._ranked[bisect_left(self._ranked, self._rank(shape))]
        if is_new:
            places[wanted] = self._next_place
            self._next_place += 1
        if is_gone:
            del places[wanted]
        self._by_shape[shape] = self._by_shape.get(shape, 0) + count
        if places:
            insort(self._ranked, self._rank(shape))
        else:
            del self._places[shape], self._by_shape[shape]

    def _rank(self, shape: Shape) -> tuple[float, int, int, int, Shape]:
        gpus, cpus, _ = shape
        return -self._by_shape[shape], gpus, cpus, next(iter(self._places[shape].values())), shape
