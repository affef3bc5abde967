"""Jobs come and end on virtual time, and after each the scheduler's own function plans."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.fragments import Recent
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.core.scheduling.snapshot import Snapshot, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.core.scheduling.plan import Placement
    from quarterdeck.core.scheduling.snapshot import Policy
    from quarterdeck.sim.fast.workload import SimJob

SITE: Final = "simulated"


@dataclass(frozen=True, slots=True)
class Ran:
    """A job with its place in time and on the cluster."""

    job: SimJob
    start_s: float
    grants: tuple[Grant, ...]

    @property
    def end_s(self) -> float:
        """When it ended."""
        return self.start_s + self.job.duration_s

    @property
    def wait_s(self) -> float:
        """From its submission to its start."""
        return self.start_s - self.job.submit_s


@dataclass(frozen=True, slots=True)
class Story:
    """What became of a workload: every job ran, or could never fit."""

    nodes: tuple[Node, ...]
    ran: tuple[Ran, ...]
    never: tuple[tuple[SimJob, str], ...]
    plans: int


def run(
    nodes: Sequence[Node],
    jobs: Sequence[SimJob],
    policy: Policy,
    tell: Callable[[int], None] = lambda _: None,
) -> Story:
    """Run all jobs to their end. `tell` hears how many have started or never will."""
    return _Run(nodes, jobs, policy, tell).run()


class _Run:
    """One run's present."""

    def __init__(
        self,
        nodes: Sequence[Node],
        jobs: Sequence[SimJob],
        policy: Policy,
        tell: Callable[[int], None],
    ) -> None:
        self._nodes = tuple(nodes)
        self._capacity = capacity_of([room_of(SITE, node, ()) for node in nodes])
        self._jobs = {JobId(format_id("j", n)): job for n, job in enumerate(jobs, start=1)}
        self._policy = policy
        self._tell = tell
        self._held: dict[str, dict[JobId, Grant]] = {node.name: {} for node in nodes}
        self._waiting: dict[JobId, Waiting] = {}
        self._recent = Recent()
        self._ends: list[tuple[float, JobId, tuple[Grant, ...]]] = []
        self._ran: list[Ran] = []
        self._never: list[tuple[SimJob, str]] = []
        self._plans = 0
        self._again_s = float("inf")

    def run(self) -> Story:
        """From the first submission to the last end."""
        coming = [(job.submit_s, job_id) for job_id, job in self._jobs.items()]
        coming.sort(reverse=True)
        while coming or self._ends or self._waiting:
            now_s = min(
                coming[-1][0] if coming else float("inf"),
                self._ends[0][0] if self._ends else float("inf"),
                self._again_s,
            )
            assert now_s < float("inf"), sorted(self._waiting)
            self._again_s = float("inf")
            self._end_until(now_s)
            while coming and coming[-1][0] <= now_s:
                self._submit(coming.pop()[1])
            if self._waiting:
                self._plan(now_s)
        return Story(self._nodes, tuple(self._ran), tuple(self._never), self._plans)

    def _submit(self, job_id: JobId) -> None:
        job = self._jobs[job_id]
        self._recent.add(job.demand.resources)
        self._waiting[job_id] = Waiting(
            job_id,
            job.demand,
            job.priority.rank,
            round(job.submit_s * NS_PER_S),
            team=job.team,
            owner=job.user,
        )

    def _end_until(self, now_s: float) -> None:
        freed: set[str] = set()
        while self._ends and self._ends[0][0] <= now_s:
            _, job_id, grants = heapq.heappop(self._ends)
            for grant in grants:
                del self._held[grant.node][job_id]
                freed.add(grant.node)
        self._renew(freed)

    def _plan(self, now_s: float) -> None:
        """Plan; what takes no time at all ends before the next plan."""
        self._plans += 1
        snapshot = Snapshot(
            round(now_s * NS_PER_S),
            self._plans,
            self._capacity,
            tuple(self._waiting.values()),
            asked=tuple(self._recent.counts().items()),
        )
        plan = make_plan(snapshot, self._policy)
        ready_ns = plan.next_ready_ns
        self._again_s = float("inf") if ready_ns is None else ready_ns / NS_PER_S
        for placement in plan.placements:
            self._start(placement, now_s)
        self._renew({grant.node for one in plan.placements for grant in one.grants})
        for job_id, verdict in plan.verdicts.items():
            if verdict.blocked_by is Blocker.UNSATISFIABLE:
                del self._waiting[job_id]
                self._never.append((self._jobs[job_id], verdict.message))
        self._tell(len(self._ran) + len(self._never))

    def _start(self, placement: Placement, now_s: float) -> None:
        job_id = placement.job_id
        del self._waiting[job_id]
        ran = Ran(self._jobs[job_id], now_s, placement.grants)
        self._ran.append(ran)
        for grant in placement.grants:
            self._held[grant.node][job_id] = grant
        heapq.heappush(self._ends, (ran.end_s, job_id, placement.grants))

    def _renew(self, names: set[str]) -> None:
        rows = self._capacity.fleet.rows
        rooms = [
            room_of(SITE, self._capacity[rows[SITE, name]].node, self._held[name].values())
            for name in sorted(names)
        ]
        if rooms:
            self._capacity = self._capacity.replaced(rooms)
