"""Least attained service without durations, in queues: Tiresias' discretized 2D-LAS.

Gu et al., "Tiresias: A GPU Cluster Manager for Distributed Deep Learning", NSDI 2019. A gang comes
into the first queue and goes to the next one when its GPU time reaches that queue's limit. Queues
go before each other; within one, who runs goes on, then who came into it first. As in the
simulator that Tiresias published and Muri took over, GPUs are only counted, placed nowhere, and
Muri's cost of placing is charged as in `queueing_preempting`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from benchmarks.baselines.queueing import NEVER, WIDTH, Course, Gang, check, coming

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMITS_GPU_S: Final = (3250.0, 7200.0)
"""GPU time up to which a gang stays in the first and in the second queue (pkusys/Muri)."""
SLACK_GPU_S: Final = 1e-6
"""Sums of seconds are not exact; without it a gang could be forever about to reach its limit."""


class _Las:
    """One run's present."""

    def __init__(self, gangs: Sequence[Gang]) -> None:
        self.gangs = gangs
        self.left_s = [gang.duration_s for gang in gangs]
        self.had_s = [0.0] * len(gangs)
        self.queue_of = [0] * len(gangs)
        self.queues: list[list[int]] = [[] for _ in range(len(LIMITS_GPU_S) + 1)]
        self.known: list[int] = []
        """All that have come and not ended, in the order in which they came."""
        self.running: set[int] = set()

    def go_on(self, last_s: float, now_s: float) -> list[int]:
        """What ran until now has had its time; who has ended is told and gone."""
        ended = [n for n in self.known if n in self.running and last_s + self.left_s[n] <= now_s]
        for number in ended:
            self.known.remove(number)
            self.running.remove(number)
            self.queues[self.queue_of[number]].remove(number)
        for number in self.known:
            if number in self.running:
                span_s = now_s - last_s
                self.left_s[number] -= max(0.0, span_s - self.gangs[number].overhead_s)
                self.had_s[number] += span_s
        return ended

    def demote(self) -> None:
        """Who has had its queue's share goes to the end of the next one."""
        for number in self.known:
            queue = self.queue_of[number]
            had_gpu_s = self.had_s[number] * self.gangs[number].gpus
            if queue < len(LIMITS_GPU_S) and had_gpu_s >= LIMITS_GPU_S[queue] - SLACK_GPU_S:
                self.queues[queue].remove(number)
                self.queue_of[number] = queue + 1
                self.queues[queue + 1].append(number)

    def place(self, gpus: int) -> None:
        """Queue by queue, and whoever does not fit goes behind the others of its queue."""
        self.running.clear()
        for place, queue in enumerate(self.queues):
            on, off = [], []
            for number in queue:
                if self.gangs[number].gpus <= gpus:
                    gpus -= self.gangs[number].gpus
                    on.append(number)
                else:
                    off.append(number)
            self.queues[place] = on + off
            self.running.update(on)

    def next_demotion_s(self, now_s: float) -> float:
        """When the next one reaches its queue's limit, in whole seconds of its own run time."""
        return (
            min(
                (
                    math.ceil(LIMITS_GPU_S[self.queue_of[n]] / self.gangs[n].gpus) - self.had_s[n]
                    for n in self.running
                    if self.queue_of[n] < len(LIMITS_GPU_S)
                ),
                default=NEVER,
            )
            + now_s
        )


def run_las(gangs: Sequence[Gang], nodes: int) -> Course:
    """The start of a course is a gang's first."""
    check(gangs, nodes)
    to_come, las = coming(gangs), _Las(gangs)
    start_s, end_s = [NEVER] * len(gangs), [NEVER] * len(gangs)
    last_s = 0.0
    while to_come or las.known:
        now_s = min([last_s + las.left_s[number] for number in las.running], default=NEVER)
        now_s = min(now_s, las.next_demotion_s(last_s))
        if to_come:
            now_s = min(now_s, gangs[to_come[-1]].submit_s)
        for number in las.go_on(last_s, now_s):
            end_s[number] = now_s
        came = []
        while to_come and gangs[to_come[-1]].submit_s <= now_s:
            came.append(to_come.pop())
        las.queues[0] += came
        las.demote()
        las.known += came
        las.place(nodes * WIDTH)
        for number in las.running:
            start_s[number] = min(start_s[number], now_s)
        last_s = now_s
    return Course(start_s, end_s)
