"""How others choose hosts for a gang: at random, in order, leaf by leaf, and as Slurm does.

All share one queue: first come, first served, and what does not fit is passed by, but no more than
50 of them at a time. A job of one host goes to the host that it fills best, of those to the leaf
with the fewest empty hosts, except where a rule knows nothing of leaves.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from benchmarks.lingjun import GPUS_PER_HOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from benchmarks.lingjun import Host, Job

SKIPPED_MAX: Final = 50


@dataclass(frozen=True, slots=True)
class Ran:
    """A job, when it started, and on which hosts, by number."""

    job: Job
    start_s: float
    hosts: tuple[int, ...]

    @property
    def wait_s(self) -> float:
        """From its submission to its start."""
        return self.start_s - self.job.submit_s


class Floor:
    """What is free: GPUs of each host, and empty hosts of each leaf."""

    def __init__(self, hosts: Sequence[Host]) -> None:
        leaves = list(dict.fromkeys((host.pod, host.leaf) for host in hosts))
        pods = list(dict.fromkeys(pod for pod, _ in leaves))
        self.pod_of_leaf = np.array([pods.index(pod) for pod, _ in leaves])
        self.leaf_of = np.array([leaves.index((host.pod, host.leaf)) for host in hosts])
        self.free = np.full(len(hosts), GPUS_PER_HOST)
        self.empty = np.bincount(self.leaf_of)

    def empty_hosts(self) -> NDArray[np.int64]:
        """The hosts on which nothing runs, in order."""
        return np.flatnonzero(self.free == GPUS_PER_HOST)

    def change(self, hosts: Sequence[int], gpus: int) -> None:
        """So many GPUs of each of the hosts come free, or are taken if less than 0."""
        for host in hosts:
            was_empty = self.free[host] == GPUS_PER_HOST
            self.free[host] += gpus
            assert 0 <= self.free[host] <= GPUS_PER_HOST
            is_empty = self.free[host] == GPUS_PER_HOST
            self.empty[self.leaf_of[host]] += int(is_empty) - int(was_empty)

    def from_leaves(self, leaves: Sequence[int], count: int) -> list[int]:
        """So many empty hosts, from one leaf after the other."""
        found: list[int] = []
        for leaf in leaves:
            here = np.flatnonzero((self.leaf_of == leaf) & (self.free == GPUS_PER_HOST))
            found += here[: count - len(found)].tolist()
        assert len(found) == count
        return found


class Rule(Protocol):
    """Where a job goes, which has room."""

    def host(self, floor: Floor, fitting: NDArray[np.int64]) -> int:
        """Which of the hosts that have enough GPUs free."""
        ...

    def gang(self, floor: Floor, count: int) -> list[int]:
        """So many empty hosts."""
        ...


class RandomHosts:
    """Any hosts that are free."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def host(self, floor: Floor, fitting: NDArray[np.int64]) -> int:
        """See `Rule`."""
        del floor
        return int(self._rng.choice(fitting))

    def gang(self, floor: Floor, count: int) -> list[int]:
        """See `Rule`."""
        found: list[int] = self._rng.choice(floor.empty_hosts(), count, replace=False).tolist()
        return found


class FirstFit:
    """The first hosts in their order."""

    def host(self, floor: Floor, fitting: NDArray[np.int64]) -> int:
        """See `Rule`."""
        del floor
        return int(fitting[0])

    def gang(self, floor: Floor, count: int) -> list[int]:
        """See `Rule`."""
        found: list[int] = floor.empty_hosts()[:count].tolist()
        return found


class SmallestLeaves:
    """The leaves with the fewest empty hosts first, so that full ones are filled up."""

    def host(self, floor: Floor, fitting: NDArray[np.int64]) -> int:
        """See `Rule`."""
        order = np.lexsort((floor.empty[floor.leaf_of[fitting]], floor.free[fitting]))
        return int(fitting[order[0]])

    def gang(self, floor: Floor, count: int) -> list[int]:
        """See `Rule`."""
        return floor.from_leaves(np.argsort(floor.empty, kind="stable").tolist(), count)


class SlurmTree(SmallestLeaves):
    """The lowest switch that has room, the fullest of these; below it the leaf that fits what is
    left best, else the one with most room and then on (Slurm's `topology/tree`)."""

    def gang(self, floor: Floor, count: int) -> list[int]:
        """See `Rule`."""
        left = lowest_switch(floor, count)
        leaves: list[int] = []
        missing = count
        while missing > 0:
            leaves.append(_best_leaf(left, missing))
            missing -= int(left[leaves[-1]])
            left[leaves[-1]] = 0
        return floor.from_leaves(leaves, count)


class LargestLeaves(SmallestLeaves):
    """As Slurm, but below the switch the leaves with most room first, to the last one."""

    def gang(self, floor: Floor, count: int) -> list[int]:
        """See `Rule`."""
        left = lowest_switch(floor, count)
        return floor.from_leaves(np.argsort(-left, kind="stable").tolist(), count)


def lowest_switch(floor: Floor, count: int) -> NDArray[np.int64]:
    """The empty hosts of each leaf under the lowest switch that has room for so many, the fullest
    of these; 0 for other leaves."""
    leaves = np.arange(len(floor.empty))
    for switch_of in (leaves, floor.pod_of_leaf):
        has = np.bincount(switch_of, weights=floor.empty)
        enough = np.flatnonzero(has >= count)
        if len(enough):
            best = enough[has[enough].argmin()]
            return np.where(switch_of == best, floor.empty, 0)
    return floor.empty.copy()


def _best_leaf(left: NDArray[np.int64], missing: int) -> int:
    enough = np.flatnonzero(left >= missing)
    return int(enough[left[enough].argmin()]) if len(enough) else int(left.argmax())


def replay(hosts: Sequence[Host], jobs: Sequence[Job], rule: Rule) -> list[Ran]:
    """All jobs to their start, in the order in which they started."""
    floor = Floor(hosts)
    queue: list[Job] = []
    ran: list[Ran] = []
    ends: list[tuple[float, int, tuple[int, ...], int]] = []
    coming = list(reversed(jobs))
    while coming or queue:
        arrival_s = coming[-1].submit_s if coming else np.inf
        now_s = min(arrival_s, ends[0][0] if ends else np.inf)
        while ends and ends[0][0] <= now_s:
            _, _, ended, gpus = heapq.heappop(ends)
            floor.change(ended, gpus)
        while coming and coming[-1].submit_s <= now_s:
            queue.append(coming.pop())
        waiting: list[Job] = []
        for place, job in enumerate(queue):
            if len(waiting) > SKIPPED_MAX:
                waiting += queue[place:]
                break
            chosen = _choose(floor, job, rule)
            if chosen is None:
                waiting.append(job)
                continue
            gpus = min(job.gpus, GPUS_PER_HOST)
            floor.change(chosen, -gpus)
            heapq.heappush(ends, (now_s + job.duration_s, job.number, chosen, gpus))
            ran.append(Ran(job, now_s, chosen))
        queue = waiting
    return ran


def _choose(floor: Floor, job: Job, rule: Rule) -> tuple[int, ...] | None:
    if job.hosts > 1:
        has_room = int(floor.empty.sum()) >= job.hosts
        return tuple(rule.gang(floor, job.hosts)) if has_room else None
    fitting = np.flatnonzero(floor.free >= job.gpus)
    return (rule.host(floor, fitting),) if len(fitting) else None
