"""A small cluster that teams share under guarantees, stepped by the scheduler's own plans."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.basics.chance import Chance
from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.hardware import Cordon, Foreign, Location
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Because, Eviction, Plan
from quarterdeck.core.scheduling.pools import Cells, Pool
from quarterdeck.core.scheduling.snapshot import Kept, Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_job_id, a_node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GPUS = 4
NODES = 6
TEAMS = ("a", "b", "c")
STEP_S = 100
SITE = "local"


@dataclass
class World:
    """What runs and waits, and what was evicted for whom."""

    chance: Chance
    owned: dict[str, int]
    policy: Policy
    now_ns: int = START_NS
    made: int = 0
    nodes: int = NODES
    teams: tuple[str, ...] = TEAMS

    def __post_init__(self) -> None:
        self.running: dict[tuple[JobId, int], Running] = {}
        self.waiting: dict[JobId, Waiting] = {}
        self.attempts: dict[JobId, int] = defaultdict(int)
        self.saves: set[JobId] = set()
        self.pairs: set[tuple[JobId, int, JobId]] = set()
        self.cordons: dict[str, tuple[Cordon, ...]] = {}
        self.others: dict[str, tuple[Foreign, ...]] = {}

    @classmethod
    def of(cls, seed: int) -> World:
        """Three teams share six nodes; what they are guaranteed is no more than there is."""
        chance = Chance(seed)
        a, b = chance.below(4), chance.below(4)
        owned = {"a": a, "b": b, "c": min(chance.below(3), NODES - a - b)}
        pools = tuple(
            Pool(team, (Cells(count, Resources(GPUS)),)) for team, count in owned.items() if count
        )
        return cls(
            chance,
            owned,
            Policy(patience_s=1e9, nearness_patience_s=0, pod_patience_s=0, pools=pools),
        )

    def come(self) -> None:
        """Another job."""
        chance, self.made = self.chance, self.made + 1
        gpus = chance.pick((1, 1, 2, 4, 4))
        nodes = chance.pick((1, 1, 1, 2, 3))
        more = chance.pick((0, 0, 1, 2, 4))
        job_id = a_job_id(self.made)
        if chance.happens(0.5):
            self.saves.add(job_id)
        self.waiting[job_id] = Waiting(
            job_id,
            Demand(nodes, Resources(gpus), nodes_max=nodes + more if more else None),
            chance.pick((0, 0, 0, 1, -1)),
            self.now_ns,
            team=chance.pick(self.teams),
            is_preemptible=chance.happens(0.85),
            min_runtime_s=chance.pick((0.0, 0.0, 0.0, 150.0)),
        )

    def end(self) -> None:
        """One of those that run has finished, or has been stopped long enough."""
        if self.running:
            del self.running[self.chance.pick(sorted(self.running))]

    def snapshot(self) -> Snapshot:
        """What the scheduler sees."""
        held: dict[str, list[Grant]] = defaultdict(list)
        for one in self.running.values():
            for grant in one.grants:
                held[grant.node].append(grant)
        rooms = tuple(
            room_of(
                SITE,
                replace(
                    a_node(f"n{n}", gpus=GPUS),
                    location=Location(f"r{n // 2}"),
                    others=self.others.get(f"n{n}", ()),
                ),
                held[f"n{n}"],
                self.cordons.get(f"n{n}", ()),
            )
            for n in range(self.nodes)
        )
        running = tuple(self.running.values())
        return Snapshot(self.now_ns, 1, rooms, tuple(self.waiting.values()), running=running)

    def plan(self) -> Plan:
        """What would be done now."""
        return make_plan(self.snapshot(), self.policy)

    def follow(self, plan: Plan) -> None:
        """Start what is placed; who must go is stopped from now on."""
        for placed in plan.placements:
            job = self.waiting.pop(placed.job_id)
            assert all(job_id != job.job_id for job_id, _ in self.running), "two attempts at once"
            self.attempts[job.job_id] += 1
            key = (job.job_id, self.attempts[job.job_id])
            self.running[key] = Running(
                job.job_id, SITE, job.demand, placed.grants, job.priority, job.submitted_at_ns,
                self.now_ns, 0.0, job.is_preemptible, team=job.team,
                min_runtime_s=0.0 if job.kept is not None else job.min_runtime_s,
                keeps_checkpoints=job.job_id in self.saves, is_owed=placed.is_owed,
            )  # fmt: skip
        for one in plan.evictions:
            key = self.key_of(one)
            self.running[key] = replace(self.running[key], is_leaving=True, keeps=one.keeps)
        for job_id, clearance in plan.clearances.items():
            self.waiting[job_id] = replace(self.waiting[job_id], clearance=clearance)

    def key_of(self, eviction: Eviction) -> tuple[JobId, int]:
        """The attempt that it stops."""
        return next(key for key in self.running if key[0] == eviction.job_id)

    def leave(self) -> dict[JobId, tuple[Grant, ...]]:
        """All that is being stopped has stopped, and waits again in its old place; says what those
        keep who go on."""
        kept = {one.job_id: one.rest.grants for one in self.running.values() if one.keeps}
        for key, one in list(self.running.items()):
            if one.is_leaving:
                del self.running[key]
                self.waiting[one.job_id] = Waiting(
                    one.job_id, one.demand, one.priority, one.submitted_at_ns, team=one.team,
                    is_preemptible=one.is_preemptible, min_runtime_s=one.min_runtime_s,
                    kept=Kept(SITE, one.rest.grants, len(one.grants))
                    if one.keeps else None,
                )  # fmt: skip
        return kept

    def holding(self, *, leaving: bool) -> Iterator[tuple[str, Grant]]:
        """What is held, of each its team: what is kept for those that go on as well, and what those
        leave that are being stopped if that is asked for."""
        for one in self.running.values():
            if leaving or not one.is_leaving:
                yield from ((one.team, grant) for grant in one.grants)
            elif one.keeps:
                yield from ((one.team, grant) for grant in one.rest.grants)
        for job in self.waiting.values():
            if job.kept is not None:
                yield from ((job.team, grant) for grant in job.kept.grants)

    def nodes_of(self, team: str) -> set[str]:
        """Where jobs of a team run."""
        return {grant.node for owner, grant in self.holding(leaving=False) if owner == team}

    def used_on(self, node: str, team: str | None = None) -> int:
        """GPUs of a node that jobs of a team hold, or of any."""
        return sum(
            len(grant.devices)
            for owner, grant in self.holding(leaving=True)
            if team in (None, owner) and grant.node == node
        )

    def is_alone_on(self, node: str, team: str) -> bool:
        """Whether nobody else has anything there."""
        return self.used_on(node) == self.used_on(node, team)

    def is_within_guarantee(self, team: str) -> bool:
        """Whether all that runs of a team lies on no more nodes than it is guaranteed, alone, with
        as many left as those of it need that wait."""
        nodes = self.nodes_of(team)
        wanted = sum(job.demand.nodes for job in self.waiting.values() if job.team == team)
        is_alone = all(self.is_alone_on(node, team) for node in nodes)
        return len(nodes) + wanted <= self.owned[team] and is_alone

    def is_owed(self, job: Waiting) -> bool:
        """Whether its team could start it now on a cluster of its own: of as many nodes as it is
        guaranteed, with what it runs where it runs. Counted without any of the scheduler's own
        reckoning, and on the safe side: a node that others use too has no room for it."""
        mine = self.nodes_of(job.team)
        gpus = job.demand.resources.gpus
        room = sum(
            self.is_alone_on(node, job.team) and self.used_on(node) + gpus <= GPUS for node in mine
        )
        return len(mine) + max(0, job.demand.nodes - room) <= self.owned[job.team]

    def why(self, plan: Plan) -> dict[JobId, Because]:
        """Who must go for what."""
        return {one.job_id: one.because for one in plan.evictions}


def run_part(run: Callable[[int], None], part: int, count: int) -> None:
    """So many histories of one part of all; a failure names the one that can be run again."""
    for seed in range(part * count, (part + 1) * count):
        try:
            run(seed)
        except AssertionError as error:
            raise AssertionError(f"history {seed}") from error
