"""Small jobs first, late ones sooner, and in time whoever would finish last of all.

A job's *projected slowdown* is how many times its own run time it takes from its submission to its
end if it starts now: its response ratio (Brinch Hansen, "An analysis of response ratio scheduling",
IFIP 1971). Finish-time fairness is the same over the contention, which all have in common (Mahajan
et al., "Themis", NSDI 2020). Who needs the least GPU time for its slowdown goes first: a job that
takes twice as long as it runs counts as half as large.

That alone leaves the longest to the end, when nothing is left to run beside them. So a job that
would finish last goes before all others, the longest first: one that should run for longer than all
work that is there takes on all GPUs together, and than anything that runs has left. It has no
laxity (as in "earliest deadline until zero laxity"; Lee, TENCON 1994). By the second rule that is
about one job at a time, by the first none while much waits. A gang over several nodes does not go
first for this: what it would keep idle while its nodes come free costs more than it wins.

Nobody is stopped for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.capacity import capacity_of

if TYPE_CHECKING:
    from quarterdeck.core.jobs.place import QueuePlace
    from quarterdeck.core.scheduling.snapshot import Running, Snapshot, Waiting

LEAST_S: Final = 10.0
"""No job counts as shorter, as in the bounded slowdown (Feitelson and Rudolph, JSSPP 1998)."""


class FinishTimes:
    """What a snapshot says of when jobs would finish. A job of which nothing is known is taken to
    run for `unknown_s`."""

    def __init__(self, snapshot: Snapshot, unknown_s: float) -> None:
        self._now_ns = snapshot.now_ns
        self._unknown_s = unknown_s
        capacity = capacity_of(snapshot.rooms)
        gpus = max(1, int(capacity.fleet.gpus[capacity.is_open].sum()))
        waits_gpu_s = sum(
            self._expected_s(one) * one.demand.gpus * len(one.tasks) for one in snapshot.waiting
        )
        left = [(self._left_s(one), one.demand.gpus) for one in snapshot.running]
        runs_gpu_s = sum(left_s * held for left_s, held in left)
        longest_s = max((left_s for left_s, held in left if held), default=0.0)
        self._others_s = max((waits_gpu_s + runs_gpu_s) / gpus, longest_s)

    def rank(self, place: QueuePlace) -> tuple[float, float]:
        """Smaller for who goes first."""
        expected_s, gpus = self._expected_s(place), place.gpus
        # A job without GPUs keeps none busy, whenever it ends.
        if expected_s >= self._others_s and gpus and place.nodes == 1:
            return (0, -expected_s)
        waited_s = max(0, self._now_ns - place.submitted_at_ns) / NS_PER_S
        slowdown = (waited_s + expected_s) / expected_s
        return (1, expected_s * max(0.01, gpus) / slowdown)

    def _expected_s(self, one: QueuePlace | Waiting | Running) -> float:
        return max(LEAST_S, self._unknown_s if one.expected_s is None else one.expected_s)

    def _left_s(self, running: Running) -> float:
        ran_s = max(0, self._now_ns - running.started_at_ns) / NS_PER_S
        return max(0.0, self._expected_s(running) - ran_s)
