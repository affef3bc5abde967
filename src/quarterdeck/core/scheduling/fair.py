"""Teams take turns, and in each team its people, by what they hold now and held lately.

Who holds the fewest GPUs for their weight comes next, and what comes before somebody in this order
counts as held already (progressive filling towards weighted max-min fairness: Bertsekas and
Gallager, "Data Networks", 1992, 6.5.2). Where past use counts, what somebody held on average lately
counts as if it were held still, and it fades by halves (as usage does in Slurm's multifactor
priority, `PriorityDecayHalfLife`): so who had much waits until the others have caught up, and no
longer. Among a team's jobs a higher priority goes first, then the person of the team who comes next
by the same rule, then first come. A job without GPUs counts as a hundredth of one.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.ledger.usage import average_held, gpus_of
from quarterdeck.core.scheduling.snapshot import came_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.scheduling.pools import Pool
    from quarterdeck.core.scheduling.snapshot import Running, Snapshot, Waiting


@dataclass(slots=True)
class Held:
    """GPUs that teams, and the people of each, are taken to hold."""

    teams: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    members: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))

    def add(self, team: str, owner: str, gpus: float) -> None:
        """So many more."""
        self.teams[team] += gpus
        self.members[team, owner] += gpus


def held_of(snapshot: Snapshot, half_life_s: float | None) -> Held:
    """What everybody holds now, and with a half-life what they held on average lately."""
    held, now_ns = Held(), snapshot.now_ns
    for one in snapshot.running:
        gpus = _cost(gpus_held(one))
        if half_life_s is not None:
            gpus += average_held(gpus, one.started_at_ns, now_ns, half_life_s)
        held.add(one.team, one.owner, gpus)
    if half_life_s is not None:
        for team, used in snapshot.used.teams.items():
            held.teams[team] += used.average(now_ns, half_life_s)
        for member, used in snapshot.used.members.items():
            held.members[member] += used.average(now_ns, half_life_s)
    return held


def gpus_held(one: Running) -> float:
    """How many GPUs it holds."""
    if one.demand.resources.gpu_unit is GpuUnit.WHOLE and not one.demand.beside:
        return sum(len(grant.devices) for grant in one.grants)
    return gpus_of(one.grants)


def fair_ranks(
    snapshot: Snapshot, pools: Iterable[Pool], half_life_s: float | None = None
) -> Mapping[JobId, int]:
    """The place of each job that waits, from 0."""
    pools = tuple(pools)
    weights = {pool.team: pool.weight for pool in pools}
    people = {(pool.team, one.user): one.weight for pool in pools for one in pool.people}
    found = held_of(snapshot, half_life_s)
    held = found.teams
    queues: dict[str, _Team] = {}
    for waiting in snapshot.waiting:
        if waiting.team not in queues:
            queues[waiting.team] = _Team(waiting.team, found.members, people)
        queues[waiting.team].add(waiting)
    order = [
        (held[team] / weights.get(team, 1.0), queue.since, team) for team, queue in queues.items()
    ]
    heapq.heapify(order)
    ranks: dict[JobId, int] = {}
    while order:
        _, since, team = heapq.heappop(order)
        waiting = queues[team].pop()
        ranks[waiting.job_id] = len(ranks)
        held[team] += _cost(waiting.gpus_at_once)
        if queues[team]:
            heapq.heappush(order, (held[team] / weights.get(team, 1.0), since, team))
    return ranks


class _Team:
    """The jobs of one team that wait: of each priority and person, first come."""

    def __init__(
        self,
        team: str,
        held: dict[tuple[str, str], float],
        weights: Mapping[tuple[str, str], float],
    ) -> None:
        self._team = team
        self._held = held
        self._weights = weights
        self._by_priority: dict[int, dict[str, list[tuple[int, JobId, Waiting]]]] = defaultdict(
            lambda: defaultdict(list)
        )
        self._count = 0
        self.since: tuple[int, str] = (2**63, "")
        """When the first of them came, and which: of teams that hold the same it decides."""

    def __len__(self) -> int:
        return self._count

    def add(self, waiting: Waiting) -> None:
        """One more."""
        queue = self._by_priority[waiting.priority][waiting.owner]
        came = came_of(waiting)
        self.since = min(self.since, came)
        heapq.heappush(queue, (*came, waiting))
        self._count += 1

    def pop(self) -> Waiting:
        """The next of them, which is taken to be held from now on."""
        priority = max(self._by_priority)
        people = self._by_priority[priority]
        owner = min(people, key=lambda name: (self._part(name), people[name][0][:2]))
        waiting = heapq.heappop(people[owner])[2]
        if not people[owner]:
            del people[owner]
        if not people:
            del self._by_priority[priority]
        self._held[self._team, owner] += _cost(waiting.gpus_at_once)
        self._count -= 1
        return waiting

    def _part(self, owner: str) -> float:
        """What a person is taken to hold, for their weight."""
        member = (self._team, owner)
        return self._held[member] / self._weights.get(member, 1.0)


def _cost(gpus: float) -> float:
    return max(0.01, gpus)
