"""Random lives of jobs, failures of receivers and crashes of the server: nobody misses anything,
and of each job everybody hears in order."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from quarterdeck.adapters.stores.memory_hooks import MemoryHooks
from quarterdeck.basics.chance import Chance
from quarterdeck.basics.errors import Conflict
from quarterdeck.basics.ids import JobId
from quarterdeck.control.cancel import cancel
from quarterdeck.control.requeue import requeue
from quarterdeck.control.webhooks import Webhooks
from quarterdeck.core.jobs.states import JobState
from tests.spec.control.couriers import BROKEN, TAKEN, CountedKeys, PlayedReceiver
from tests.spec.control.desk import Desk, a_desk

ALL_URL, SOME_URL = "http://example.org/all", "http://example.org/some"
SOME = (JobState.FAILED, JobState.QUEUED)
PICK = st.integers(0, 99)


class Town(RuleBasedStateMachine):
    """One control plane, one receiver of everything and one of some states."""

    @initialize()
    def begin(self) -> None:
        self.desk: Desk = a_desk()
        self.hooks = MemoryHooks()
        self.receiver = PlayedReceiver()
        self.open()
        self.webhooks.add(ALL_URL, (), None, "ada")
        self.webhooks.add(SOME_URL, SOME, None, "ada")
        self.ids: list[JobId] = []
        self.states: dict[JobId, JobState] = {}
        self.expected: list[tuple[str, str]] = []

    def open(self) -> None:
        plane, keys = self.desk.plane, CountedKeys()
        self.webhooks = Webhooks(plane, self.hooks, self.receiver, keys, Chance(3))

    def note(self) -> None:
        """What has changed since the last look, seen by looking at the jobs themselves. Each rule
        changes a job's state once at most."""
        for job_id in self.ids:
            state = self.desk.job(job_id).state
            if self.states.get(job_id) is not state:
                self.states[job_id] = state
                self.expected.append((job_id, state.value))

    @rule()
    def submit(self) -> None:
        self.ids.append(self.desk.submit().id)
        self.note()

    @rule()
    def place(self) -> None:
        self.desk.scheduler.turn()
        self.note()

    @precondition(lambda self: self.ids)
    @rule(pick=PICK, code=st.integers(0, 1))
    def go_on(self, pick: int, code: int) -> None:
        job = self.desk.job(self.ids[pick % len(self.ids)])
        if job.state is JobState.STARTING:
            self.desk.start(job)
        elif job.live_attempts:
            self.desk.end(job, code)
        self.note()

    @precondition(lambda self: self.ids)
    @rule(pick=PICK, is_cancel=st.booleans())
    def ask(self, pick: int, is_cancel: bool) -> None:
        job_id = self.ids[pick % len(self.ids)]
        with suppress(Conflict):
            (cancel if is_cancel else requeue)(self.desk.plane, job_id, "ada")
        self.note()

    @rule(pick=PICK, turns=st.integers(1, 8), outcomes=st.lists(st.sampled_from([BROKEN, TAKEN])))
    def deliver(self, pick: int, turns: int, outcomes: list[object]) -> None:
        self.receiver.outcomes = list(outcomes)  # type: ignore[arg-type]
        couriers = self.webhooks.couriers()
        for _ in range(turns):
            couriers[pick % len(couriers)].turn()

    @rule()
    def save(self) -> None:
        self.webhooks.save()

    @rule(is_saved=st.booleans())
    def crash(self, is_saved: bool) -> None:
        if is_saved:
            self.webhooks.save()
        self.open()

    def teardown(self) -> None:
        if not hasattr(self, "webhooks"):
            return
        self.receiver.outcomes = []
        for courier in self.webhooks.couriers():
            while courier.turn() is not None:
                pass
        everything = self.receiver.heard(ALL_URL)
        some = self.receiver.heard(SOME_URL)
        wanted = {state.value for state in SOME}
        for job_id in self.ids:
            of_job = [state for one, state in self.expected if one == job_id]
            assert [state for one, state in everything if one == job_id] == of_job
            of_some = [state for one, state in some if one == job_id]
            assert of_some == [state for state in of_job if state in wanted]
        assert len(everything) == len(self.expected)


TestTown = Town.TestCase
TestTown.settings = settings(max_examples=400, stateful_step_count=30, deadline=None)
