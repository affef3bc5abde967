"""Teams take turns, and in each team its people, by what they hold now.

Who holds the fewest GPUs for their weight comes next, and what comes before somebody in this order
counts as held already (progressive filling towards weighted max-min fairness: Bertsekas and
Gallager, "Data Networks", 1992, 6.5.2). Among a team's jobs a higher priority goes first, then the
person of the team who holds fewest, then first come. A job without GPUs counts as a hundredth of
one.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.scheduling.pools import Pool
    from quarterdeck.core.scheduling.snapshot import Snapshot, Waiting


def fair_ranks(snapshot: Snapshot, pools: Iterable[Pool]) -> Mapping[JobId, int]:
    """The place of each job that waits, from 0."""
    weights = {pool.team: pool.weight for pool in pools}
    held: dict[str, float] = defaultdict(float)
    held_by: dict[tuple[str, str], float] = defaultdict(float)
    for one in snapshot.running:
        gpus = _cost(one.demand.gpus)
        held[one.team] += gpus
        held_by[one.team, one.owner] += gpus
    queues: dict[str, _Team] = {}
    for waiting in snapshot.waiting:
        if waiting.team not in queues:
            queues[waiting.team] = _Team(waiting.team, held_by)
        queues[waiting.team].add(waiting)
    order = [(held[team] / weights.get(team, 1.0), team) for team in queues]
    heapq.heapify(order)
    ranks: dict[JobId, int] = {}
    while order:
        _, team = heapq.heappop(order)
        waiting = queues[team].pop()
        ranks[waiting.job_id] = len(ranks)
        held[team] += _cost(waiting.demand.gpus * max(1, waiting.room))
        if queues[team]:
            heapq.heappush(order, (held[team] / weights.get(team, 1.0), team))
    return ranks


class _Team:
    """The jobs of one team that wait: of each priority and person, first come."""

    def __init__(self, team: str, held: dict[tuple[str, str], float]) -> None:
        self._team = team
        self._held = held
        self._by_priority: dict[int, dict[str, list[tuple[int, JobId, Waiting]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, waiting: Waiting) -> None:
        """One more."""
        queue = self._by_priority[waiting.priority][waiting.owner]
        heapq.heappush(queue, (waiting.submitted_at_ns, waiting.job_id, waiting))
        self._count += 1

    def pop(self) -> Waiting:
        """The next of them, which is taken to be held from now on."""
        priority = max(self._by_priority)
        people = self._by_priority[priority]
        owner = min(people, key=lambda name: (self._held[self._team, name], people[name][0][:2]))
        waiting = heapq.heappop(people[owner])[2]
        if not people[owner]:
            del people[owner]
        if not people:
            del self._by_priority[priority]
        self._held[self._team, owner] += _cost(waiting.demand.gpus * max(1, waiting.room))
        self._count -= 1
        return waiting


def _cost(gpus: float) -> float:
    return max(0.01, gpus)
