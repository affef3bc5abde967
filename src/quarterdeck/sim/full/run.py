"""A workload through the real control plane, agent and store, where nothing goes wrong but outages.

What `sim/fast/run` leaves out is here: submitting, the event log, commits, reports and orders that
take their turns. It answers with the same kind of story, so that the two can be compared. What the
control plane does not do yet does not happen here either: it knows no estimates, and stops no job
to make room for another.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.agent.agent import SiteAgent
from quarterdeck.basics.chance import Chance
from quarterdeck.basics.errors import Refused
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.nodes import Place, cordon, drain, resume
from quarterdeck.control.submit import submit
from quarterdeck.core.jobs.events import Ended
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec, Retry, Stopping
from quarterdeck.core.limits import LIMITS
from quarterdeck.ports.blobs import Blobs
from quarterdeck.ports.engine import AttemptRef
from quarterdeck.ports.store import SiteRecord, Store
from quarterdeck.sim.checks import Checks
from quarterdeck.sim.engine import VirtualEngine
from quarterdeck.sim.fast.story import Cut, OutageKind, Story
from quarterdeck.sim.faults import Faults
from quarterdeck.sim.full.attempts import JobAttempts
from quarterdeck.sim.link import FaultyLink
from quarterdeck.sim.server import SimServer
from quarterdeck.sim.site import AT_ONCE, VirtualSite
from quarterdeck.sim.timeline import SimClock, SimIds, Timeline, Turns
from quarterdeck.sim.workload import Script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.core.scheduling.snapshot import Policy
    from quarterdeck.ports.engine import LaunchOrder
    from quarterdeck.ports.store import Record
    from quarterdeck.sim.fast.story import Outage
    from quarterdeck.sim.fast.workload import SimJob

SITE: Final = "simulated"
ACTOR: Final = "simulator"
AGENT_EVERY_S: Final = 60.0
SCHEDULER_EVERY_S: Final = 5.0
"""Both are woken when there is something to do; the scheduler also looks for what time alone makes
ready."""
WARM_UP_S: Final = 10.0
"""The site has reported its nodes before the first job comes."""
PAGE: Final = 2000


class Backing(NamedTuple):
    """What keeps jobs and files: made by the caller, who knows adapters."""

    make_store: Callable[[], Store]
    make_blobs: Callable[[], Blobs]


def run_full(
    nodes: Sequence[Node],
    jobs: Sequence[SimJob],
    policy: Policy,
    backing: Backing,
    tell: Callable[[int], None] = lambda _: None,
    *,
    outages: Sequence[Outage] = (),
) -> Story:
    """Run all jobs to their end. `tell` hears how many have ended or never will start.

    Every outage ends: whoever waits for a node has it again, so there is an end.
    """
    return _World(nodes, jobs, policy, backing, tell, outages).run()


class _World:
    """One run: a site, its agent, a control plane, and people who submit."""

    def __init__(
        self,
        nodes: Sequence[Node],
        jobs: Sequence[SimJob],
        policy: Policy,
        backing: Backing,
        tell: Callable[[int], None],
        outages: Sequence[Outage],
    ) -> None:
        chance, checks = Chance(1), Checks()
        faults = Faults(chance.split())
        faults.cease()
        self._nodes = tuple(nodes)
        self._jobs = jobs
        self._outages = tuple(sorted(outages, key=lambda one: (one.at_s, one.node, one.kind)))
        self._tell = tell
        begin_s = min((job.submit_s for job in jobs), default=0.0)
        self._zero_ns = round((WARM_UP_S - min(0.0, begin_s)) * NS_PER_S)
        self._cursor = 0
        self._attempts: dict[JobId, JobAttempts] = {}
        self._ended: list[JobId] = []
        self._never: list[tuple[SimJob, str]] = []
        self._timeline = Timeline()
        clock = SimClock(self._timeline)
        self._site = VirtualSite(
            self._script_of,
            chance.split(),
            self._timeline,
            clock,
            checks,
            nodes,
            lags=AT_ONCE,
        )
        self._store = backing.make_store()
        self._server = SimServer(
            self._store,
            backing.make_blobs(),
            clock,
            SimIds(chance.split()),
            timeline=self._timeline,
            faults=faults,
            checks=checks,
            chance=chance.split(),
            policy=policy,
            judges_plans=False,
        )
        link = FaultyLink(self._server.ask, faults, checks, self._timeline, chance.split())
        engine = VirtualEngine(self._site, faults)
        agent = SiteAgent(SITE, engine, link, backing.make_blobs())
        self._agent_turns = Turns(self._timeline, agent.turn, AGENT_EVERY_S)
        self._scheduler_turns = Turns(self._timeline, self._server.turn, SCHEDULER_EVERY_S)
        self._server.changed = self._wake_all
        self._site.news = self._agent_turns.wake

    def run(self) -> Story:
        """From the first submission to the last end."""
        for number, job in enumerate(self._jobs, start=1):
            self._at(job.submit_s, partial(self._submit, number, job))
        for outage in self._outages:
            self._at(outage.at_s, partial(self._begin_outage, outage))
            self._at(outage.at_s + outage.for_s, partial(self._end_outage, outage))
        while len(self._ended) + len(self._never) < len(self._jobs):
            self._timeline.step()
            self._read_log()
        ran = tuple(self._attempts[job_id].ran() for job_id in self._ended)
        return Story(self._nodes, ran, tuple(self._never), 0, self._outages)

    def _at(self, at_s: float, thing: Callable[[], None]) -> None:
        self._timeline.after(at_s + self._zero_ns / NS_PER_S, thing)

    def _now_s(self) -> float:
        return (self._timeline.now_ns - self._zero_ns) / NS_PER_S

    def _wake_all(self) -> None:
        self._agent_turns.wake()
        self._scheduler_turns.wake()

    def _submit(self, number: int, job: SimJob) -> None:
        try:
            spec = _spec_of(number, job)
            made = self._server.ask(lambda plane: submit(plane, spec, ACTOR))
        except Refused as error:
            self._leave_out(job, error.message)
            return
        self._attempts[made.job.id] = JobAttempts(job, self._zero_ns)

    def _leave_out(self, job: SimJob, why: str) -> None:
        self._never.append((job, why))
        self._tell(len(self._ended) + len(self._never))

    def _script_of(self, order: LaunchOrder) -> Script:
        """The command runs for what is left of the job, and ends as soon as it is told to."""
        return Script(
            stand_after_s=(0.0,) * len(order.grants),
            lasts_s=self._catch_up(order.ref).left_s(),
            bad_replica=None,
            bad_code=None,
            bad_after=1.0,
            yields_after_s=0.0,
            yields_with_zero=False,
        )

    def _catch_up(self, ref: AttemptRef) -> JobAttempts:
        """The job with all attempts before this one."""
        known = self._attempts[ref.job_id]
        for number in range(len(known.attempts) + 1, ref.attempt):
            attempt = self._site.find_attempt(ref._replace(attempt=number))
            if attempt is not None:
                known.attempts.append(attempt)
        return known

    def _begin_outage(self, outage: Outage) -> None:
        if outage.kind is OutageKind.CORDON:
            place = Place(SITE, outage.node)
            self._server.ask(lambda plane: cordon(plane, place, "an outage", ACTOR))
            return
        cut = Cut.NODE_LOST if outage.kind is OutageKind.LOSS else Cut.DRAINED
        for replica in self._site.list_live_replicas():
            ref = replica.attempt.ref
            if replica.grant.node == outage.node:
                self._attempts[ref.job_id].cuts[ref.attempt] = (self._now_s(), cut)
        if outage.kind is OutageKind.LOSS:
            self._site.lose_node(outage.node)
        else:
            place = Place(SITE, outage.node)
            self._server.ask(lambda plane: drain(plane, place, "an outage", ACTOR))

    def _end_outage(self, outage: Outage) -> None:
        if outage.kind is OutageKind.LOSS:
            self._site.return_node(outage.node)
        else:
            place = Place(SITE, outage.node)
            self._server.ask(lambda plane: resume(plane, place, ACTOR))

    def _read_log(self) -> None:
        """Which jobs have ended well since."""
        while records := self._store.list_records(self._cursor, limit=PAGE):
            self._cursor = records[-1].seq
            for record in records:
                self._take(record)

    def _take(self, record: Record) -> None:
        if isinstance(record, SiteRecord) or not isinstance(record.event, Ended):
            return
        event = record.event
        if event.reason is Reason.COMPLETED:
            self._catch_up(AttemptRef(record.job_id, event.attempt + 1))
            self._ended.append(record.job_id)
            self._tell(len(self._ended) + len(self._never))
        elif event.next_state.is_final:
            why = f"it was not tried again after attempt {event.attempt}: {event.reason.value}"
            self._leave_out(self._attempts[record.job_id].job, why)


def _spec_of(number: int, job: SimJob) -> JobSpec:
    """What would be submitted. Teams have no limits here, so theirs need not be a name that the
    house takes."""
    return JobSpec(
        command=("simulated",),
        name=f"job-{number}",
        demand=job.demand,
        priority=job.priority,
        retry=Retry(LIMITS.retries_max, (Reason.NODE_FAILURE,)),
        stopping=Stopping(grace_s=0.0),
    )
