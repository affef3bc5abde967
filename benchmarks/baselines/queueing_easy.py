"""EASY backfill: first come, and others may start early where that does not delay the first.

Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995; with run times that are known exactly. The
first in the queue is promised the earliest moment at which there is room for it as things run now.
Another one may start before if it ends by then, or if there still is room for the first at that
moment, on the nodes as they are: GPUs that are free in number are no use to who needs a whole
node.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.baselines.queueing import NEVER, WIDTH, Course, Gang, Running

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Promise:
    """When the first in the queue will start at the latest, and what is free on each node then."""

    def __init__(self, running: Running, first: Gang) -> None:
        self._gpus = first.gpus
        self._free = list(running.nodes.free)
        self._whole = self._free.count(WIDTH)
        self.at_s = NEVER
        for end_s, number, held in sorted(running.ends):
            # What ends together with the last that is needed is free as well.
            if end_s > self.at_s:
                break
            self._add(held, min(running.gangs[number].gpus, WIDTH))
            if self._is_kept():
                self.at_s = end_s

    def allows(self, held: Sequence[int], gpus: int) -> bool:
        """Whether it is kept if a gang still holds these then; if so, they count as held."""
        self._add(held, -min(gpus, WIDTH))
        if self._is_kept():
            return True
        self._add(held, min(gpus, WIDTH))
        return False

    def _is_kept(self) -> bool:
        if self._gpus >= WIDTH:
            return self._whole * WIDTH >= self._gpus
        return max(self._free) >= self._gpus

    def _add(self, held: Sequence[int], gpus: int) -> None:
        for node in held:
            self._whole -= self._free[node] == WIDTH
            self._free[node] += gpus
            self._whole += self._free[node] == WIDTH


def run_easy(gangs: Sequence[Gang], nodes: int) -> Course:
    """First come, with backfill."""
    running = Running(gangs, nodes)
    queue: list[int] = []
    while moment := running.next_moment():
        now_s, came = moment
        queue += came
        started = 0
        while started < len(queue) and running.try_start(queue[started], now_s):
            started += 1
        del queue[:started]
        if len(queue) > 1:
            _backfill(running, queue, now_s)
    return running.course()


def _backfill(running: Running, queue: list[int], now_s: float) -> None:
    """One pass over the queue, in its order; who starts leaves it.

    What is said of a number of GPUs holds until the next one starts.
    """
    gangs, nodes = running.gangs, running.nodes
    promise = _Promise(running, gangs[queue[0]])
    no_room: set[int] = set()
    in_the_way: set[int] = set()
    started: set[int] = set()
    for number in queue[1:]:
        gpus, duration_s = gangs[number].gpus, gangs[number].duration_s
        if gpus in no_room:
            continue
        is_over = now_s + duration_s <= promise.at_s
        if not is_over and gpus in in_the_way:
            continue
        held = nodes.find_room(gpus)
        if held is None:
            no_room.add(gpus)
        elif is_over or promise.allows(held, gpus):
            running.try_start(number, now_s)
            started.add(number)
            in_the_way.clear()
        else:
            in_the_way.add(gpus)
    if started:
        queue[:] = [number for number in queue if number not in started]
