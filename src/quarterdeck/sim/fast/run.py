"""Jobs come and end on virtual time, and after each the scheduler's own function plans."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.ledger.usage import UsageBook, gpus_of, used_between
from quarterdeck.core.scheduling.budgets import MonthUse
from quarterdeck.core.scheduling.fragments import Recent
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.moves import LATELY
from quarterdeck.core.scheduling.snapshot import Kept, Order, Running, Snapshot, Waiting
from quarterdeck.sim.fast.agendas import agenda_of
from quarterdeck.sim.fast.attempts import JobRun
from quarterdeck.sim.fast.booked import Booked
from quarterdeck.sim.fast.learning import Learning
from quarterdeck.sim.fast.limits import Limits
from quarterdeck.sim.fast.site import SITE, FastSite
from quarterdeck.sim.fast.story import Begun, Cut, Outage, OutageKind, Ran, Story
from quarterdeck.sim.fast.watch import Moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from quarterdeck.core.calendar.booking import Booking
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.core.ledger.usage import Used
    from quarterdeck.core.scheduling.plan import Eviction
    from quarterdeck.core.scheduling.promised import Promised
    from quarterdeck.core.scheduling.snapshot import Policy
    from quarterdeck.sim.fast.agendas import BookedFrom
    from quarterdeck.sim.fast.limits import Ruling
    from quarterdeck.sim.fast.watch import Watcher
    from quarterdeck.sim.fast.workload import SimJob

NEVER_S: Final = float("inf")
SOON_S: Final = 0.001
"""Plans that only time calls for are so far apart at least: after a year a float of seconds is no
finer than that by much, and a run must get on."""


def run(  # noqa: PLR0913 - all that a run may be given
    nodes: Sequence[Node],
    jobs: Sequence[SimJob],
    policy: Policy,
    tell: Callable[[int], None] = lambda _: None,
    *,
    outages: Sequence[Outage] = (),
    begun: Sequence[Begun] = (),
    restart_s: float = 0.0,
    limits: Sequence[Ruling] = (),
    bookings: Sequence[Booking] | Sequence[BookedFrom] = (),
    used: Sequence[Used] = (),
    learned: bool = False,
    watch: Watcher | None = None,
) -> Story:
    """Run all jobs to their end. `tell` hears how many have ended or never will start. With
    `learned` a job without an estimate gets one from those that have ended before it came.

    An attempt after the first spends `restart_s` before it goes on from the last checkpoint. A job
    that would not even fit if all nodes were there and empty never starts and holds up nobody; one
    that lacks room only because of an outage that never ends is told at the end. `bookings` are the
    calendar's; with them seconds count from the epoch, unless they are what was recorded.
    `used` is what people had before, on days that count from second 0.
    """
    given = (outages, limits, bookings)
    made = _Run(nodes, jobs, policy, tell, given, restart_s)
    made.used.add(used)
    made.learning = Learning() if learned else None
    made.watch = watch
    return made.run(begun)


class _Run:
    """One run's present."""

    def __init__(
        self,
        nodes: Sequence[Node],
        jobs: Sequence[SimJob],
        policy: Policy,
        tell: Callable[[int], None],
        given: tuple[Sequence[Outage], Sequence[Ruling], Sequence[Booking] | Sequence[BookedFrom]],
        restart_s: float,
    ) -> None:
        outages, limits, bookings = given
        self._booked = Booked(agenda_of(bookings), policy.release_after_s)
        self._site = FastSite(nodes)
        self._jobs = {
            JobId(format_id("j", n)): JobRun.of(job) for n, job in enumerate(jobs, start=1)
        }
        self._policy = policy
        self._needs_running = (
            policy.may_evict
            or policy.moves_max > 0
            or policy.order in (Order.FAIR_SHARE, Order.FINISH_TIME)
            or any(job.limit_s is not None for job in jobs)
        )
        self._tell = tell
        self._outages = tuple(sorted(outages, key=lambda one: (one.at_s, one.node, one.kind)))
        self._restart_s = restart_s
        self._limits = Limits(limits)
        self._waiting: dict[JobId, Waiting] = {}
        self._running: dict[JobId, None] = {}
        self._recent = Recent()
        self._ends: list[tuple[float, JobId, int]] = []
        self._turns: list[tuple[float, int, Outage]] = []
        self._ran: list[Ran] = []
        self._never: list[tuple[SimJob, str]] = []
        self._plans = 0
        self._promised: tuple[Promised, ...] = ()
        self._again_s = NEVER_S
        self._now_s = -NEVER_S
        self._moved_lately: deque[int] = deque(maxlen=LATELY)
        self.used = UsageBook()
        self.learning: Learning | None = None
        self.watch: Watcher | None = None

    def run(self, begun: Sequence[Begun]) -> Story:
        """From the first submission to the last end."""
        coming = [(one.job.submit_s, job_id) for job_id, one in self._jobs.items()]
        coming.sort(reverse=True)
        for number, outage in enumerate(self._outages):
            heapq.heappush(self._turns, (outage.at_s, number, outage))
        self._begin(begun, min((at_s for at_s, _ in coming), default=0.0))
        while coming or self._running or self._waiting:
            now_s = min(
                coming[-1][0] if coming else NEVER_S,
                self._next_end_s(),
                self._turns[0][0] if self._turns else NEVER_S,
                self._again_s,
                self._limits.next_s(self._now_s),
                self._booked.drains_next_s(self._now_s) if self._running else NEVER_S,
                self._booked.changes_next_s(self._now_s),
            )
            self._now_s = now_s
            is_idle = not (coming or self._running)
            if now_s == NEVER_S or self._booked.is_in_vain(now_s, is_idle=is_idle):
                self._give_up()
                break
            self._end_until(now_s)
            self._turn_nodes(now_s)
            for node in self._booked.drained(now_s):
                for job_id in self._site.holders_of(node):
                    self._cut(job_id, now_s, Cut.DRAINED)
                    self._wait(job_id)
            while coming and coming[-1][0] <= now_s:
                self._submit(coming.pop()[1])
            self._again_s = NEVER_S
            if self._waiting:
                self._plan(now_s)
        nodes = self._site.nodes
        return Story(nodes, tuple(self._ran), tuple(self._never), self._plans, self._outages)

    def _begin(self, begun: Iterable[Begun], now_s: float) -> None:
        for number, one in enumerate(begun, start=len(self._jobs) + 1):
            job_id = JobId(format_id("j", number))
            self._jobs[job_id] = JobRun.of(one.job)
            self._start(job_id, one.grants, min(now_s, one.job.submit_s))

    def _submit(self, job_id: JobId) -> None:
        job = self._jobs[job_id].job
        never = self._site.why_never(job.demand)
        if never is not None:
            self._never.append((job, never))
            return
        self._recent.add(job.demand.resources)
        self._wait(job_id)

    def _wait(self, job_id: JobId) -> None:
        one = self._jobs[job_id]
        job = one.job
        self._waiting[job_id] = Waiting(
            job_id,
            job.demand,
            job.priority.rank,
            round((job.submit_s if job.since_s is None else job.since_s) * NS_PER_S),
            team=job.team,
            owner=job.user,
            expected_s=self._expected_s(job_id, job),
            served_gpu_s=one.served_gpu_s(0.0),
            is_preemptible=job.is_preemptible,
            limit_s=job.limit_s,
        )

    def _expected_s(self, job_id: JobId, job: SimJob) -> float | None:
        if self.learning is None:
            return job.estimate_s
        return self.learning.expected_s(job_id, job)

    def _next_end_s(self) -> float:
        while self._ends and not self._is_current(self._ends[0]):
            heapq.heappop(self._ends)
        return self._ends[0][0] if self._ends else NEVER_S

    def _is_current(self, end: tuple[float, JobId, int]) -> bool:
        """Whether the attempt that was to end then is the one that runs."""
        _, job_id, attempt = end
        return job_id in self._running and len(self._jobs[job_id].spans) == attempt

    def _end_until(self, now_s: float) -> None:
        while self._next_end_s() <= now_s:
            at_s, job_id, _ = heapq.heappop(self._ends)
            one = self._jobs[job_id]
            self._cut(job_id, at_s, Cut.DONE)
            self._ran.append(one.ran())
            for hears in (self.learning, self.watch):
                if hears is not None:
                    hears.ended(job_id, one)
            self._tell(len(self._ran) + len(self._never))

    def _turn_nodes(self, now_s: float) -> None:
        """What breaks now, and what is whole again."""
        while self._turns and self._turns[0][0] <= now_s:
            at_s, number, outage = heapq.heappop(self._turns)
            is_over = at_s > outage.at_s or outage.for_s == 0
            if is_over:
                self._site.open(outage)
                continue
            self._site.close(outage)
            heapq.heappush(self._turns, (at_s + outage.for_s, number, outage))
            if outage.kind is not OutageKind.CORDON:
                cut = Cut.NODE_LOST if outage.kind is OutageKind.LOSS else Cut.DRAINED
                for job_id in self._site.holders_of(outage.node):
                    self._cut(job_id, now_s, cut)
                    self._wait(job_id)

    def _snapshot(self, now_s: float, *, is_running_of_use: bool) -> Snapshot:
        now_ns, used = round(now_s * NS_PER_S), self.used.view()
        month = MonthUse(used, lambda: self._list_running(now_s), now_ns)
        return Snapshot(
            now_ns,
            self._plans,
            self._site.capacity(),
            tuple(self._waiting.values()),
            allowances=self._limits.allowances(now_s, self._waiting.values(), month),
            asked=self._recent.asked(),
            running=self._list_running(now_s) if is_running_of_use else (),
            bookings=self._booked.bind(now_s, SITE, (self._jobs[one] for one in self._running)),
            used=used,
            promised=self._promised,
            started_lately=len(self._moved_lately),
            moved_lately=sum(self._moved_lately),
        )

    def _plan(self, now_s: float) -> None:
        self._plans += 1
        snapshot = self._snapshot(now_s, is_running_of_use=self._needs_running)
        plan = make_plan(snapshot, self._policy, explains=False)
        self._promised = plan.promised
        for placement in plan.placements:
            waited = self._waiting.pop(placement.job_id)
            self._start(placement.job_id, placement.grants, now_s, is_owed=placement.is_owed)
            if waited.goes_to is None or not waited.goes_to.is_moved:
                self._moved_lately.append(0)
        for job_id, given in plan.clearances.items():
            one = self._waiting[job_id]
            told = replace(one, goes_to=given) if given.grants else replace(one, clearance=given)
            self._waiting[job_id] = told
        for eviction in plan.evictions:
            self._make_room(eviction, now_s)
        if plan.evictions:
            self._again_s = now_s
        elif plan.next_ready_ns is not None:
            self._again_s = max(plan.next_ready_ns / NS_PER_S, now_s + SOON_S)
        if self.watch is not None:
            self.watch.planned(self._moment(now_s, snapshot))

    def _make_room(self, eviction: Eviction, now_s: float) -> None:
        """Somebody goes for another one, or goes on with what it keeps."""
        job_id, keeps = eviction.job_id, eviction.keeps
        had = self._jobs[job_id].grants
        self._cut(job_id, now_s, Cut.PREEMPTED)
        self._wait(job_id)
        if keeps:
            left = tuple(grant for grant in had if grant.node in keeps)
            kept = Kept(SITE, left, len({grant.node for grant in had}))
            self._waiting[job_id] = replace(self._waiting[job_id], kept=kept)
        if eviction.goes_to:
            nodes = tuple(dict.fromkeys(grant.node for grant in eviction.goes_to))
            told = Clearance(SITE, nodes, grants=eviction.goes_to, is_moved=True)
            self._waiting[job_id] = replace(self._waiting[job_id], goes_to=told)
            self._moved_lately[-1] += 1

    def _moment(self, now_s: float, snapshot: Snapshot) -> Moment:
        started = tuple(one.job_id for one in snapshot.waiting if one.job_id in self._running)
        return Moment(
            now_s,
            snapshot,
            self._policy,
            started,
            self._waiting,
            self._running.keys(),
            self._jobs,
            self._site.capacity(),
        )

    def _list_running(self, now_s: float) -> tuple[Running, ...]:
        return tuple(
            Running(
                job_id,
                SITE,
                one.job.demand,
                one.grants,
                one.job.priority.rank,
                round(one.job.submit_s * NS_PER_S),
                round(one.began_s * NS_PER_S),
                one.served_gpu_s(now_s),
                is_preemptible=one.job.is_preemptible,
                team=one.job.team,
                keeps_checkpoints=one.job.checkpoint_s is not None,
                is_owed=one.is_owed,
                owner=one.job.user,
                ends_at_ns=None
                if one.job.limit_s is None
                else round((one.began_s + one.job.limit_s) * NS_PER_S),
                expected_s=self._expected_s(job_id, one.job),
            )
            for job_id in self._running
            for one in (self._jobs[job_id],)
        )

    def _start(
        self, job_id: JobId, grants: tuple[Grant, ...], now_s: float, *, is_owed: bool = False
    ) -> None:
        one = self._jobs[job_id]
        one.is_owed = is_owed
        one.start(now_s, grants, self._restart_s)
        self._booked.note_started(SITE, one)
        self._running[job_id] = None
        self._limits.count(one.job, 1)
        self._site.hold(job_id, grants)
        heapq.heappush(self._ends, (one.end_s, job_id, len(one.spans)))

    def _cut(self, job_id: JobId, now_s: float, cut: Cut) -> None:
        one = self._jobs[job_id]
        grants = one.stop(now_s, cut)
        del self._running[job_id]
        self._limits.count(one.job, -1)
        span_ns = (round(one.began_s * NS_PER_S), round(now_s * NS_PER_S))
        self.used.add(used_between((one.job.team, one.job.user), gpus_of(grants), *span_ns))
        self._site.release(job_id, grants)

    def _give_up(self) -> None:
        """Nothing will ever happen again, and these wait still."""
        for job_id in self._waiting:
            self._never.append(
                (self._jobs[job_id].job, "nothing happens any more that would let it start")
            )
        self._waiting.clear()
