"""Random histories over the verbs, a scheduler, an agent and an engine: what must always hold."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from quarterdeck.basics.errors import Conflict, Invalid, Stale, Unavailable, Unsatisfiable
from quarterdeck.basics.ids import JobId
from quarterdeck.control.board import Board
from quarterdeck.control.cancel import cancel
from quarterdeck.control.explain import explain
from quarterdeck.control.hold import hold, release
from quarterdeck.control.link import PlaneLink
from quarterdeck.control.note import note
from quarterdeck.control.reorder import reorder
from quarterdeck.control.requeue import requeue
from quarterdeck.control.restore import read_log
from quarterdeck.control.submit import submit
from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.cluster.events import evolve_site
from quarterdeck.core.cluster.hardware import Node, Site
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.events import Ended, Placed, Requeued
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.jobs.job import Job, RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec, Priority, Retry
from quarterdeck.core.jobs.states import JobState, ReplicaState
from quarterdeck.core.scheduling.queue import has_waiting, waiting_of
from quarterdeck.ports.store import JobRecord
from quarterdeck.testing.builders import SITE, START_NS, a_job_spec, a_node
from tests.spec.agent.script import ScriptedEngine
from tests.spec.agent.script import Site as AgentSite
from tests.spec.control.desk import Desk
from tests.spec.control.test_board import view_of

NODES = tuple(a_node(f"n{number}", gpus=2, cpus=4) for number in range(3))
SPECS = st.builds(
    lambda nodes, gpus, priority, limit, backoff_s, array: a_job_spec(
        demand=Demand(nodes, Resources(gpus, cpus=2)),
        priority=priority,
        retry=Retry(limit, (Reason.NODE_FAILURE, Reason.USER_ERROR, Reason.TIMED_OUT), backoff_s),
        time_limit_s=60.0,
        array=None if array is None else parse_array(array),
    ),
    st.integers(1, 2),
    st.integers(0, 2),
    st.sampled_from(Priority),
    st.integers(0, 2),
    st.sampled_from((0.0, 30.0)),
    st.sampled_from((None, None, "0-3%2", "1-3")),
)
URGENT = a_job_spec(demand=Demand(2, Resources(2)), priority=Priority.HIGH)
PICK = st.integers(0, 99)
ENDED_BADLY = (JobState.FAILED, JobState.CANCELLED)


class House(RuleBasedStateMachine):
    """One control plane and one site. Everything happens in any order, and may fail half-way."""

    @initialize(specs=st.lists(SPECS, min_size=2, max_size=5))
    def begin(self, specs: list[JobSpec]) -> None:
        self.desk = Desk()
        self.engine = ScriptedEngine()
        self.engine.nodes = NODES
        self.ids: list[JobId] = []
        self.connect()
        self.turn_of_agent()
        for spec in specs:
            self.submit(spec)

    def connect(self) -> None:
        """A new agent, as after a crash; it speaks to the server there is now."""
        site = AgentSite(engine=self.engine, blobs=self.desk.blobs)
        self.agent = type(site.agent)(SITE, self.engine, PlaneLink(self.desk.plane), site.blobs)

    def a_job(self, pick: int) -> Job:
        return self.desk.job(self.ids[pick % len(self.ids)])

    @rule(spec=SPECS)
    def submit(self, spec: JobSpec) -> None:
        with suppress(Unsatisfiable):
            self.ids.append(self.desk.submit(spec).id)

    @rule(spec=SPECS, picks=st.sets(PICK, min_size=1, max_size=3), is_held=st.booleans())
    @precondition(lambda self: self.ids)
    def submit_after_others(self, spec: JobSpec, picks: set[int], is_held: bool) -> None:
        """Who needs a job that has ended badly is refused."""
        needs = tuple(sorted({self.a_job(pick).id for pick in picks}))
        bad = any(self.desk.job(need).state in ENDED_BADLY for need in needs)
        try:
            asked = replace(spec, needs=needs)
            job = submit(self.desk.plane, asked, "ada", is_held=is_held).job
        except Unsatisfiable:
            return
        except Invalid:
            job = None
        assert (job is None) == bad
        if job is not None:
            self.ids.append(job.id)

    @rule(pick=PICK, code=st.sampled_from((0, 1, None)))
    def a_round(self, pick: int, code: int | None) -> None:
        """What happens most of the time, so that a history gets somewhere."""
        self.turn_of_scheduler(first=None)
        self.turn_of_agent()
        if self.engine.attempts:
            self.a_replica_ends(pick, code)

    @rule(pick=PICK)
    @precondition(lambda self: self.ids)
    def cancel(self, pick: int) -> None:
        with suppress(Conflict):
            cancel(self.desk.plane, self.a_job(pick).id, "bob")

    @rule(pick=PICK)
    @precondition(lambda self: self.ids)
    def requeue(self, pick: int) -> None:
        with suppress(Conflict):
            requeue(self.desk.plane, self.a_job(pick).id, "bob")

    @rule(pick=PICK, verb=st.sampled_from((hold, hold, release)))
    @precondition(lambda self: self.ids)
    def hold_or_release(self, pick: int, verb: Callable[..., Job]) -> None:
        with suppress(Conflict):
            verb(self.desk.plane, self.a_job(pick).id, "bob")

    @rule(picks=st.lists(PICK, min_size=2, max_size=4), is_reset=st.booleans())
    @precondition(lambda self: self.ids)
    def reorder(self, picks: list[int], is_reset: bool) -> None:
        """All of them, or none."""
        head = self.desk.store.head()
        try:
            ids = [self.a_job(pick).id for pick in picks]
            reorder(self.desk.plane, ids, "ada", is_reset=is_reset)
        except (Conflict, Invalid):
            assert self.desk.store.head() == head

    @invariant()
    def nobody_has_the_place_of_another(self) -> None:
        places = [waiting_of(job).place.job_id for job in self.desk.store.jobs.values()]
        assert len(set(places)) == len(places)

    @rule(pick=PICK, text=st.sampled_from(("a", "b")))
    @precondition(lambda self: self.ids)
    def note(self, pick: int, text: str) -> None:
        note(self.desk.plane, self.a_job(pick).id, "bob", text)

    @rule(first=st.sampled_from((None, "agent", "scheduler", "hold")))
    def turn_of_scheduler(self, first: str | None) -> None:
        """Somebody may come between its look and its commit: the site, or another server."""
        if first == "agent":
            self.desk.store.first = self.turn_of_agent
        elif first == "scheduler":
            self.desk.store.first = self.turn_of_another_server
        elif first == "hold":
            self.desk.store.first = self.hold_what_waits
        with suppress(Stale):
            self.desk.scheduler.turn()
        self.desk.store.first = None

    def hold_what_waits(self) -> None:
        for job_id in self.ids:
            with suppress(Conflict):
                hold(self.desk.plane, job_id, "bob")

    def turn_of_another_server(self) -> None:
        """It places a job that this one has not seen, perhaps where this one wants to."""
        other = Desk(self.desk.store, self.desk.clock, self.desk.ids, self.desk.blobs)
        with suppress(Unsatisfiable):
            self.ids.append(other.submit(URGENT).id)
        other.scheduler.turn()

    @rule()
    def turn_of_agent(self) -> None:
        with suppress(Unavailable):
            self.agent.turn()

    @rule(pick=PICK, code=st.sampled_from((0, 0, 1, None)))
    @precondition(lambda self: self.engine.attempts)
    def a_replica_ends(self, pick: int, code: int | None) -> None:
        """With a code, or lost."""
        ref = sorted(self.engine.attempts)[pick % len(self.engine.attempts)]
        sightings = [*self.engine.attempts[ref]]
        rank = pick % len(sightings)
        if not sightings[rank].state.is_gone:
            state = ReplicaState.LOST if code is None else ReplicaState.EXITED
            exits = () if code is None else (RankExit(rank, code),)
            sightings[rank] = replace(
                sightings[rank], state=state, ended_at_ns=START_NS, exits=exits
            )
            self.engine.attempts[ref] = tuple(sightings)

    @rule(pick=PICK)
    @precondition(lambda self: self.engine.attempts)
    def its_time_is_up(self, pick: int) -> None:
        """A runner says so; the command has not ended yet."""
        ref = sorted(self.engine.attempts)[pick % len(self.engine.attempts)]
        sightings = [*self.engine.attempts[ref]]
        rank = pick % len(sightings)
        if not sightings[rank].state.is_gone:
            sightings[rank] = replace(sightings[rank], reason=Reason.TIMED_OUT)
            self.engine.attempts[ref] = tuple(sightings)

    @rule(nodes=st.sets(st.sampled_from(NODES), min_size=1))
    def nodes_change(self, nodes: set[Node]) -> None:
        self.engine.nodes = tuple(sorted(nodes, key=lambda node: node.name))

    @rule(call=st.sampled_from(("launch", "stop", "forget", "observe", None)))
    def the_engine_goes_away_or_comes_back(self, call: str | None) -> None:
        self.engine.away = {call} if call else set()

    @rule(span_s=st.sampled_from((1.0, 400.0, -3600.0)))
    def time_passes(self, span_s: float) -> None:
        self.desk.clock.pass_s(span_s)

    @rule()
    def the_agent_restarts(self) -> None:
        self.connect()

    @rule()
    def the_server_restarts(self) -> None:
        old = self.desk
        self.desk = Desk(old.store, old.clock, old.ids, old.blobs)
        self.connect()

    @invariant()
    def no_device_is_held_twice_and_no_node_gives_more_than_it_has(self) -> None:
        held: set[str] = set()
        cpus: dict[str, int] = {}
        for job in self.desk.store.jobs.values():
            for grant in job.grants():
                assert held.isdisjoint(grant.devices)
                held.update(grant.devices)
                cpus[grant.node] = cpus.get(grant.node, 0) + grant.cpus
        assert all(taken <= 4 for taken in cpus.values())

    @invariant()
    def only_who_holds_devices_uses_them(self) -> None:
        """What the engine runs holds its grants: the job's own attempt has not ended."""
        for ref, sightings in self.engine.attempts.items():
            if all(sight.state.is_gone for sight in sightings):
                continue
            assert self.desk.job(ref.job_id).find_live(ref.attempt) is not None

    @invariant()
    def no_attempt_is_started_twice(self) -> None:
        assert len(set(self.engine.starts)) == len(self.engine.starts)

    @invariant()
    def the_log_replays_to_what_is_stored(self) -> None:
        jobs: dict[JobId, Job] = {}
        sites: dict[str, Site] = {}
        for record in read_log(self.desk.store):
            if isinstance(record, JobRecord):
                jobs[record.job_id] = evolve(jobs.get(record.job_id), record.job_id, record.event)
            else:
                name = record.event.site
                sites[name] = evolve_site(sites.get(name), record.event)
        assert (jobs, sites) == (self.desk.store.jobs, self.desk.store.sites)

    @invariant()
    def the_board_is_what_a_fresh_one_would_be(self) -> None:
        assert view_of(self.desk.plane.board) == view_of(Board(self.desk.store))

    @invariant()
    def every_waiting_job_has_a_verdict_or_a_place(self) -> None:
        for job in self.desk.store.active.values():
            if has_waiting(job):
                outlook = explain(self.desk.plane, job.id).outlook
                assert outlook is not None
                assert outlook.placement is not None or outlook.verdict is not None
                if job.tasks is None:
                    assert outlook.placement is None or outlook.verdict is None

    @invariant()
    def an_array_keeps_its_limit_and_no_task_runs_twice(self) -> None:
        for job in self.desk.store.active.values():
            tasks = [one.task for one in job.live_attempts]
            assert len(set(tasks)) == len(tasks)
            if job.spec.array is not None:
                assert len(tasks) <= (job.spec.array.parallel or len(job.spec.array.indices))

    @invariant()
    def whatever_holds_devices_was_let_to(self) -> None:
        """It is not held, and what it needs has succeeded at some time."""
        for job in self.desk.store.active.values():
            assert not (job.live_attempts and job.unmet)
            assert not (job.live_attempts and job.state is JobState.HELD)

    @invariant()
    def no_retry_comes_before_its_time(self) -> None:
        ends: dict[tuple[JobId, int | None], Ended] = {}
        for record in read_log(self.desk.store):
            if not isinstance(record, JobRecord):
                continue
            event = record.event
            if isinstance(event, Ended):
                ends[record.job_id, event.task] = event
            elif isinstance(event, Requeued):
                ends = {key: end for key, end in ends.items() if key[0] != record.job_id}
            elif isinstance(event, Placed):
                end = ends.get((record.job_id, event.task))
                if end is not None and end.is_retry:
                    assert event.at_ns >= end.at_ns + end.backoff_s * 1e9 or event.at_ns < end.at_ns

    @invariant()
    def no_accepted_job_is_lost(self) -> None:
        assert list(self.desk.store.jobs) == self.ids

    def teardown(self) -> None:
        """Left alone, with everything back, the house comes to rest with every job at its end."""
        if not hasattr(self, "agent"):
            return
        self.engine.away = set()
        self.engine.nodes = NODES
        for job_id in self.ids:
            with suppress(Conflict):
                release(self.desk.plane, job_id, "bob")
        for _ in range(120):
            self.desk.clock.pass_s(60)
            self.agent.turn()
            self.desk.scheduler.turn()
            for ref in self.engine.attempts:
                live = self.desk.job(ref.job_id).find_live(ref.attempt)
                if live is None or live.stop is None:
                    self.engine.end(ref)
            if not self.desk.store.active and not self.engine.attempts:
                break
        assert self.desk.store.active == {}
        assert self.engine.attempts == {}


TestHouse = House.TestCase
TestHouse.settings = settings(max_examples=60, stateful_step_count=40)
