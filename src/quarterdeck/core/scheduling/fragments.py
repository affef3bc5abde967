"""How much of what is free nobody could use.

After "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient
Descent" (Weng et al., USENIX ATC 2023): the fragmentation of a node is the number of its free GPUs
that a job drawn from the typical demand could not use there, and a job goes where it adds least.
Whole GPUs only; jobs without GPUs are no part of the typical demand: no GPU is of use to them.

A GPU beside which no CPU or memory is left is lost to everybody. Such GPUs are foreseen: they are
those for which a node has less of these than all jobs together ask for each GPU.
"""

from __future__ import annotations

from collections import Counter, deque
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
"""So many whole GPUs, CPUs, and bytes of memory on one node: a plain tuple, as each plan counts
those of all recent jobs."""

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


class Recent:
    """What the last jobs asked of a node, and how often."""

    def __init__(self, size: int = RECENT_MAX) -> None:
        self._last: deque[Resources] = deque(maxlen=size)
        self._counts: Counter[Resources] = Counter()

    def add(self, resources: Resources) -> None:
        """Another job came; the oldest is forgotten."""
        if len(self._last) == self._last.maxlen:
            oldest = self._last[0]
            self._counts[oldest] -= 1
            if not self._counts[oldest]:
                del self._counts[oldest]
        self._last.append(resources)
        self._counts[resources] += 1

    def counts(self) -> dict[Resources, int]:
        """How often each was asked for."""
        return dict(self._counts)


def typical_of(asked: Iterable[tuple[Resources, int]]) -> Typical:
    """The typical demand, from what was asked how often, and at first from what is usual."""
    counts = {shape: share * USUAL_JOBS for shape, share in USUAL.items()}
    shares: dict[int, int] = {}
    gpus, cpus, memory_bytes = 0.0, 0, 0
    for wanted, count in asked:
        each, its_cpus, its_memory = wanted.gpus, wanted.cpus, wanted.memory_bytes
        if not each:
            continue
        shape = (each, its_cpus, its_memory)
        counts[shape] = counts.get(shape, 0) + count
        unit = wanted.gpu_unit
        if unit is not SLICE:  # how large one is depends on the GPU
            gpus += count * each * wanted.gpu_percent / 100
            cpus += count * its_cpus
            memory_bytes += count * its_memory
        if unit is SHARE:
            percent = wanted.gpu_percent
            shares[percent] = shares.get(percent, 0) + count * each
    shapes = sorted(counts, key=lambda shape: (-counts[shape], shape[:2]))[:TYPICAL_MAX]
    total = sum([counts[shape] for shape in shapes])
    columns = np.array(shapes, np.int64).T.copy()
    return Typical(
        columns[0],
        columns[1],
        columns[2],
        np.array([counts[shape] for shape in shapes], np.float64) / total,
        cpus / gpus if gpus else 0.0,
        memory_bytes / gpus if gpus else 0.0,
        shares_of(shares),
    )
