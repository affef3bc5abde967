"""Gavel's max-min fairness in rounds: everybody is to have the same GPU time.

Narayanan et al., "Heterogeneity-Aware Cluster Scheduling Policies for Deep Learning Workloads",
OSDI 2020, on GPUs that are all alike. The cluster is shared out anew when jobs have come or ended,
but not more often than every 1,000 s: all get the same number of GPUs, and what is more than a job
can use goes to the others. In each round of 120 s those run who had least of their share since
then; who does not fit is skipped. A job that did not run in the round before loses 20 s of its
round. Details are those of the simulator by which Shockwave measured it (uw-mad-dash/shockwave).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from benchmarks.baselines.queueing import NEVER, Course, Gang, coming

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

ROUND_S: Final = 120.0
RESTART_S: Final = 20.0
SHARED_EVERY_S: Final = 1000.0
TO_BEGIN_S: Final = ROUND_S / 2
"""What each job is taken to have had when the cluster is shared out."""
UNKNOWN: Final = 0.0
"""The priority of a job that came after that: it waits for the next time."""


def share_out(gpus: Sequence[int], total: int) -> list[float]:
    """How much of the time each job should run, if it asks for so many GPUs."""
    shares = [0.0] * len(gpus)
    left, others = float(total), len(gpus)
    for place in sorted(range(len(gpus)), key=lambda place: gpus[place]):
        got = min(gpus[place], left / others)
        shares[place] = got / gpus[place]
        left, others = left - got, others - 1
    return shares


class _Shares:
    """What each job should have, and what it had since the cluster was shared out."""

    def __init__(self) -> None:
        self._share: dict[int, float] = {}
        self._had_s: dict[int, float] = {}
        self._had_gpu_s = 0.0
        self._is_stale = True
        self._shared_at_s = -NEVER

    def change(self) -> None:
        """Jobs have come or ended."""
        self._is_stale = True

    def come(self, number: int) -> None:
        """A job is here."""
        self.change()
        self._had_s[number] = TO_BEGIN_S
        self._had_gpu_s += TO_BEGIN_S

    def renew(self, known: Sequence[int], gangs: Sequence[Gang], total: int, now_s: float) -> None:
        """Share out anew, if there is reason and time for it."""
        if self._is_stale and now_s - self._shared_at_s >= SHARED_EVERY_S:
            shares = share_out([gangs[number].gpus for number in known], total)
            self._share = dict(zip(known, shares, strict=True))
            self._had_s = dict.fromkeys(known, TO_BEGIN_S)
            self._had_gpu_s = TO_BEGIN_S * len(known)
            self._is_stale, self._shared_at_s = False, now_s

    def run(self, numbers: Iterable[int], gangs: Sequence[Gang]) -> None:
        """They have a round."""
        for number in numbers:
            self._had_s[number] += ROUND_S
            self._had_gpu_s += ROUND_S * gangs[number].gpus

    def priority(self, number: int) -> float:
        """More for who had less of what it should have."""
        share = self._share.get(number, UNKNOWN)
        return share * self._had_gpu_s / self._had_s[number]


def run_max_min(gangs: Sequence[Gang], total: int) -> Course:
    """Run all on so many GPUs."""
    to_come, shares = coming(gangs), _Shares()
    left_s = [gang.duration_s for gang in gangs]
    start_s, end_s = [NEVER] * len(gangs), [NEVER] * len(gangs)
    known: list[int] = []
    before: set[int] = set()
    now_s = 0.0
    while to_come or known:
        if not known:
            now_s = max(now_s, gangs[to_come[-1]].submit_s)
        while to_come and gangs[to_come[-1]].submit_s <= now_s:
            known.append(to_come.pop())
            shares.come(known[-1])
        shares.renew(known, gangs, total, now_s)
        running = _choose(sorted(known, key=shares.priority, reverse=True), gangs, total)
        shares.run(running, gangs)
        round_s = 0.0
        for number in running:
            lost_s = 0.0 if number in before else RESTART_S
            ran_s = min(left_s[number], ROUND_S - lost_s)
            left_s[number] -= ran_s
            round_s = max(round_s, lost_s + ran_s)
            start_s[number] = min(start_s[number], now_s)
            if left_s[number] <= 0:
                end_s[number] = now_s + lost_s + ran_s
                known.remove(number)
                shares.change()
        before = set(running)
        now_s += round_s
    return Course(start_s, end_s)


def _choose(order: Iterable[int], gangs: Sequence[Gang], total: int) -> list[int]:
    chosen = []
    for number in order:
        if gangs[number].gpus <= total:
            total -= gangs[number].gpus
            chosen.append(number)
    return chosen
