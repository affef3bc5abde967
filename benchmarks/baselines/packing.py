"""How others choose the node and the GPU of a pod: random, best fit, and FGD.

All see the same constraints. Scores are cached for each shape of pod and only reckoned again for
nodes that have changed, which alters nothing but the time it takes.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from benchmarks.openb import MILLI

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from benchmarks.openb import Host, Pod

WIDTH: Final = 8
TYPICAL_SHARE: Final = 0.95
"""The most frequent shapes up to this share of all pods are the typical ones."""


class Hosts:
    """What is free on each node; a GPU that is not there has nothing free."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        self.models = sorted({host.model for host in hosts})
        self.model = np.array([self.models.index(host.model) for host in hosts])
        self.cpu = np.array([host.cpu_milli for host in hosts])
        self.memory = np.array([host.memory_mib for host in hosts])
        self.gpu = np.zeros((len(hosts), WIDTH), np.int64)
        for row, host in enumerate(hosts):
            self.gpu[row, : host.gpus] = MILLI
        self.cpu_most = int(self.cpu.max())

    def may_use(self, pod: Pod) -> NDArray[np.bool_]:
        """For each model whether the pod may run on it."""
        return np.array([not pod.models or model in pod.models for model in self.models])

    def fits(self, pod: Pod, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether there is room on each of the nodes."""
        fits = (self.cpu[rows] >= pod.cpu_milli) & (self.memory[rows] >= pod.memory_mib)
        if pod.gpus:
            fits &= (self.gpu[rows] >= pod.gpu_milli).sum(axis=1) >= pod.gpus
            fits &= self.may_use(pod)[self.model[rows]]
        found: NDArray[np.bool_] = fits
        return found

    def take(self, row: int, pod: Pod, device: int) -> None:
        """The pod goes there; `device` is for a part of a GPU."""
        self.cpu[row] -= pod.cpu_milli
        self.memory[row] -= pod.memory_mib
        self.gpu[row] = _taken(self.gpu[row : row + 1], pod, device)[0]


class Rule(Protocol):
    """Scores nodes for a pod that fits there: less is better, ties go to the first node."""

    def score(
        self, hosts: Hosts, pod: Pod, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Of each row the score, and the GPU that a part of one should be taken from."""
        ...


class RandomFit:
    """Any node with room, any GPU with room."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def score(
        self, hosts: Hosts, pod: Pod, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """See `Rule`."""
        lots = np.where(hosts.gpu[rows] >= pod.gpu_milli, self._rng.random((len(rows), WIDTH)), -1)
        return self._rng.random(len(rows)), lots.argmax(axis=1)


class BestFit:
    """The least left over: half of it CPUs, half GPUs, each as a share of what a node can have."""

    def score(
        self, hosts: Hosts, pod: Pod, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """See `Rule`."""
        cpu = (hosts.cpu[rows] - pod.cpu_milli) / hosts.cpu_most
        gpu = (hosts.gpu[rows].sum(axis=1) - pod.total_milli) / (WIDTH * MILLI)
        return 0.5 * cpu + 0.5 * gpu, _fullest(hosts.gpu[rows], pod)


class Fgd:
    """Where the fragmentation of the node grows least (Weng et al. 2023).

    The score is `int(100 * sigmoid((before - after) / 1000))`, the largest wins, and ties go to the
    first node and the first GPU: so published scores are rounded, too.
    """

    def __init__(self, pods: Iterable[Pod]) -> None:
        shapes = Counter((p.cpu_milli, p.gpus, p.gpu_milli, p.models) for p in pods)
        total, seen = sum(shapes.values()), 0
        typical: list[tuple[int, int, int, tuple[str, ...]]] = []
        shares: list[float] = []
        for shape, count in shapes.most_common():
            typical.append(shape)
            shares.append(count / total)
            seen += count
            if seen >= TYPICAL_SHARE * total:
                break
        self._cpu, self._gpus = (np.array([one[n] for one in typical]) for n in (0, 1))
        self._models = [one[3] for one in typical]
        self._share = np.array(shares)
        # Few sizes of GPU parts are asked for: each is looked at once for all shapes that ask.
        self._sizes, self._size = np.unique([one[2] for one in typical], return_inverse=True)

    def score(
        self, hosts: Hosts, pod: Pod, rows: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """See `Rule`."""
        gpu, cpu, model = hosts.gpu[rows], hosts.cpu[rows], hosts.model[rows]
        before = self.fragments(hosts, gpu, cpu, model)
        scores, devices = np.full(len(rows), -1), np.zeros(len(rows), np.int64)
        is_part = pod.gpus == 1 and pod.gpu_milli < MILLI
        for device in range(WIDTH) if is_part else (0,):
            able = gpu[:, device] >= pod.gpu_milli if is_part else np.ones(len(rows), bool)
            if not able.any():
                continue
            after = self.fragments(
                hosts, _taken(gpu[able], pod, device), cpu[able] - pod.cpu_milli, model[able]
            )
            grown = np.full(len(rows), -1)
            grown[able] = (100 / (1 + np.exp(-(before[able] - after) / MILLI))).astype(int)
            better = grown > scores
            scores[better], devices[better] = grown[better], device
        return -scores.astype(float), devices

    def fragments(
        self,
        hosts: Hosts,
        gpu: NDArray[np.int64],
        cpu: NDArray[np.int64],
        model: NDArray[np.int64],
    ) -> NDArray[np.float64]:
        """Thousandths of GPUs that a typical pod could not use, on average."""
        idle = gpu.sum(axis=1)
        large = gpu[:, None, :] >= self._sizes[:, None]
        small = (gpu[:, None, :] * ~large).sum(axis=2)[:, self._size]
        may = np.array([[not m or name in m for m in self._models] for name in hosts.models])
        able = may[model] & (cpu[:, None] >= self._cpu) & (self._gpus > 0)
        able &= large.sum(axis=2)[:, self._size] >= self._gpus
        found: NDArray[np.float64] = np.where(able, small, idle[:, None]) @ self._share
        return found


class Packer:
    """Puts pods on nodes by a rule."""

    def __init__(self, hosts: Sequence[Host], rule: Rule) -> None:
        self.hosts = Hosts(hosts)
        self._rule = rule
        self._all = np.arange(len(hosts))
        self._changed: list[int] = []
        self._known: dict[Pod, tuple[NDArray[np.float64], NDArray[np.int64], int]] = {}

    def place(self, pod: Pod) -> int:
        """Thousandths of GPUs that the pod got: 0 also if there was no room."""
        scores, devices = self._scores(pod)
        row = int(scores.argmin())
        if scores[row] == np.inf:
            return 0
        self.hosts.take(row, pod, int(devices[row]))
        self._changed.append(row)
        return pod.total_milli

    def _scores(self, pod: Pod) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        known = None if isinstance(self._rule, RandomFit) else self._known.get(pod)
        if known is None:
            scores = np.full(len(self._all), np.inf)
            devices, rows = np.zeros(len(self._all), np.int64), self._all
        else:
            scores, devices, seen = known
            rows = np.array(sorted({*self._changed[seen:]}), np.int64)
        if len(rows):
            fits = self.hosts.fits(pod, rows)
            scores[rows] = np.inf
            scores[rows[fits]], devices[rows[fits]] = self._rule.score(self.hosts, pod, rows[fits])
        self._known[pod] = (scores, devices, len(self._changed))
        return scores, devices


def _taken(gpu: NDArray[np.int64], pod: Pod, device: int) -> NDArray[np.int64]:
    """What is free of the GPUs after the pod: whole ones from the left."""
    left = gpu.copy()
    if pod.gpus == 1 and pod.gpu_milli < MILLI:
        left[:, device] -= pod.gpu_milli
    elif pod.gpus:
        free = left >= MILLI
        left[free & (free.cumsum(axis=1) <= pod.gpus)] = 0
    return left


def _fullest(gpu: NDArray[np.int64], pod: Pod) -> NDArray[np.int64]:
    """Of each node the GPU with the least room that is enough."""
    found: NDArray[np.int64] = np.where(gpu >= pod.gpu_milli, gpu, 10**9).argmin(axis=1)
    return found
