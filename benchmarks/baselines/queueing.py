"""How others queue: first come, shortest first, smallest first, each strictly or with skipping.

The physics is plain, so that what is compared is the order alone: a gang runs on all its GPUs or
not at all and is never moved, up to a node's GPUs lie on one node (the fullest with room), more
take whole nodes, and starting costs nothing. Gangs that come or end at one moment are seen
together.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH: Final = 8
"""GPUs of a node."""
NEVER: Final = float("inf")


class Gang(NamedTuple):
    """A job as the rules here see it. `overhead_s` is what being placed costs it, where the physics
    charges for that."""

    submit_s: float
    duration_s: float
    gpus: int
    overhead_s: float = 0.0


class Course(NamedTuple):
    """When each gang first started and when it ended, in the order in which they were given."""

    start_s: list[float]
    end_s: list[float]


def first_come(_: Gang) -> float:
    """All alike: who came first goes first, as with any tie."""
    return 0.0


def shortest(gang: Gang) -> float:
    """By its run time."""
    return gang.duration_s


def smallest(gang: Gang) -> float:
    """By its GPU time."""
    return gang.duration_s * gang.gpus


class Nodes:
    """What is free on each node. Of nodes that are alike the first is taken."""

    def __init__(self, count: int) -> None:
        self.free = [WIDTH] * count
        self._with: list[set[int]] = [set() for _ in range(WIDTH)] + [set(range(count))]

    def find_room(self, gpus: int) -> list[int] | None:
        """The nodes that a gang of so many GPUs would get."""
        if gpus >= WIDTH:
            whole, needed = self._with[WIDTH], -(-gpus // WIDTH)
            return heapq.nsmallest(needed, whole) if len(whole) >= needed else None
        fullest = next((nodes for nodes in self._with[gpus:] if nodes), None)
        return [min(fullest)] if fullest else None

    def take(self, nodes: Sequence[int], gpus: int) -> None:
        """They go to a gang of so many GPUs."""
        self._move(nodes, -min(gpus, WIDTH))

    def give_back(self, nodes: Sequence[int], gpus: int) -> None:
        """A gang of so many GPUs has ended."""
        self._move(nodes, min(gpus, WIDTH))

    def _move(self, nodes: Sequence[int], gpus: int) -> None:
        for node in nodes:
            self._with[self.free[node]].remove(node)
            self.free[node] += gpus
            self._with[self.free[node]].add(node)


class Running:
    """Gangs come in their order and hold nodes until they end."""

    def __init__(self, gangs: Sequence[Gang], nodes: int) -> None:
        check(gangs, nodes)
        self.gangs = gangs
        self.nodes = Nodes(nodes)
        self.start_s = [NEVER] * len(gangs)
        self.ends: list[tuple[float, int, list[int]]] = []
        self._coming = coming(gangs)

    def next_moment(self) -> tuple[float, list[int]] | None:
        """Time goes on: what ends then is gone, and who comes is told. None when all is over."""
        now_s = min(
            self.gangs[self._coming[-1]].submit_s if self._coming else NEVER,
            self.ends[0][0] if self.ends else NEVER,
        )
        if now_s == NEVER:
            return None
        while self.ends and self.ends[0][0] <= now_s:
            _, number, held = heapq.heappop(self.ends)
            self.nodes.give_back(held, self.gangs[number].gpus)
        came = []
        while self._coming and self.gangs[self._coming[-1]].submit_s <= now_s:
            came.append(self._coming.pop())
        return now_s, came

    def try_start(self, number: int, now_s: float) -> bool:
        """Whether there was room for the gang, which then runs."""
        gang = self.gangs[number]
        held = self.nodes.find_room(gang.gpus)
        if held is None:
            return False
        self.nodes.take(held, gang.gpus)
        self.start_s[number] = now_s
        heapq.heappush(self.ends, (now_s + gang.duration_s, number, held))
        return True

    def course(self) -> Course:
        """When all is over."""
        spans = zip(self.start_s, self.gangs, strict=True)
        return Course(self.start_s, [start_s + gang.duration_s for start_s, gang in spans])


def run_in_order(
    gangs: Sequence[Gang], nodes: int, key: Callable[[Gang], float], *, may_skip: bool
) -> Course:
    """Start gangs in the order of `key`; one that has no room is skipped, or all behind it wait.

    Once there is no room for a number of GPUs there is none until a gang ends, so that only the
    first of each number is looked at.
    """
    running = Running(gangs, nodes)
    waiting: dict[int, list[tuple[float, float, int]]] = {gang.gpus: [] for gang in gangs}
    while moment := running.next_moment():
        now_s, came = moment
        for number in came:
            gang = gangs[number]
            heapq.heappush(waiting[gang.gpus], (key(gang), gang.submit_s, number))
        open_queues = [queue for queue in waiting.values() if queue]
        while open_queues:
            queue = min(open_queues)
            if running.try_start(queue[0][-1], now_s):
                heapq.heappop(queue)
                if not queue:
                    open_queues.remove(queue)
            elif may_skip:
                open_queues.remove(queue)
            else:
                break
    return running.course()


def coming(gangs: Sequence[Gang]) -> list[int]:
    """Numbers of gangs, who comes first last."""
    order = sorted((gang.submit_s, number) for number, gang in enumerate(gangs))
    return [number for _, number in reversed(order)]


def check(gangs: Sequence[Gang], nodes: int) -> None:
    """Whether each could run at all; else a run would never end."""
    most = max((gang.gpus for gang in gangs), default=0)
    if most > nodes * WIDTH:
        raise ValueError(f"a gang of {most} GPUs cannot run on {nodes} nodes of {WIDTH}")
