"""Shortest remaining time, or GPU time, first, where whoever is later in the order makes room.

At every arrival and end the cluster is emptied and all gangs are placed again in the order; one
that has no room is skipped. Where that costs something, as in Muri's simulator (Zhao et al.,
SIGCOMM 2022), a running gang makes no progress for `overhead_s` after every such moment; an end
that is next comes without that delay, as it does there.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from benchmarks.baselines.queueing import NEVER, WIDTH, Course, Gang, check, coming

if TYPE_CHECKING:
    from collections.abc import Sequence


def run_remaining(gangs: Sequence[Gang], nodes: int, *, is_by_gpu_time: bool) -> Course:
    """SRTF, or by GPU time SRSF. The start of a course is a gang's first."""
    check(gangs, nodes)
    to_come = coming(gangs)
    weights = [gang.gpus if is_by_gpu_time else 1 for gang in gangs]
    left_s = [gang.duration_s for gang in gangs]
    start_s, end_s = [NEVER] * len(gangs), [NEVER] * len(gangs)
    waiting: dict[int, list[tuple[float, float, int]]] = {gang.gpus: [] for gang in gangs}
    running: list[int] = []
    last_s = 0.0
    while to_come or running:
        now_s = min([last_s + left_s[number] for number in running], default=NEVER)
        if to_come:
            now_s = min(now_s, gangs[to_come[-1]].submit_s)
        joining = []
        for number in running:
            if last_s + left_s[number] <= now_s:
                end_s[number] = now_s
            else:
                left_s[number] -= max(0.0, now_s - last_s - gangs[number].overhead_s)
                joining.append(number)
        while to_come and gangs[to_come[-1]].submit_s <= now_s:
            joining.append(to_come.pop())
        for number in joining:
            gang = gangs[number]
            place = (left_s[number] * weights[number], gang.submit_s, number)
            heapq.heappush(waiting[gang.gpus], place)
        running = _place(waiting, nodes)
        for number in running:
            start_s[number] = min(start_s[number], now_s)
        last_s = now_s
    return Course(start_s, end_s)


def _place(waiting: dict[int, list[tuple[float, float, int]]], nodes: int) -> list[int]:
    """Who runs on the empty cluster, in the order; they leave the queues. As nothing lies anywhere,
    how many nodes have how many GPUs free is all that matters."""
    with_free = [0] * WIDTH + [nodes]
    placed = []
    open_sizes = [size for size, queue in waiting.items() if queue]
    while open_sizes:
        size = min(open_sizes, key=lambda size: waiting[size][0])
        if size >= WIDTH:
            needed = -(-size // WIDTH)
            has_room = with_free[WIDTH] >= needed
            if has_room:
                with_free[WIDTH] -= needed
        else:
            fullest = next((free for free in range(size, WIDTH + 1) if with_free[free]), None)
            has_room = fullest is not None
            if fullest is not None:
                with_free[fullest] -= 1
                with_free[fullest - size] += 1
        if has_room:
            placed.append(heapq.heappop(waiting[size])[-1])
        if not (has_room and waiting[size]):
            open_sizes.remove(size)
    return placed
