"""When waiting jobs are promised to start, what changes that, and what is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quarterdeck.adapters.promises.memory import MemoryPromiseLog
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.cancel import cancel
from quarterdeck.control.explain import explain
from quarterdeck.control.hold import hold
from quarterdeck.control.plan import plan
from quarterdeck.control.promises import Promises
from quarterdeck.control.requeue import requeue
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.job import Job
from quarterdeck.core.jobs.spec import JobSpec, Priority
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.core.scheduling.promises import Because, Promise, Stretch
from quarterdeck.testing.builders import a_demand, a_dgx, a_job_spec
from tests.spec.control.desk import Desk, exited

HOUR = 3600.0


def big(name: str = "train", **changes: Any) -> JobSpec:
    return a_job_spec(name=name, demand=a_demand(1, 8), **changes)


class Office(Desk):
    """A desk that keeps promises, on a log that outlives it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.log = MemoryPromiseLog()
        self.restart()

    def restart(self) -> None:
        """As a server that was killed comes back."""
        self.promises = Promises(self.log)
        self.plane = replace(self.plane, promises=self.promises)
        self.scheduler = type(self.scheduler)(self.plane)

    def turn(self) -> None:
        self.scheduler.turn()
        self.promises.turn(self.plane)

    def begin(self, job: Job) -> Job:
        """Its command starts now."""
        at_ns = self.clock.now_ns()
        return self.see(job, Sighting(0, ReplicaState.STARTED, started_at_ns=at_ns))

    def told(self, job: Job) -> list[Promise]:
        return [one.promise for one in self.log.list_promises(job.id, 99)]

    def live(self, spec: JobSpec, ran_s: float) -> None:
        """A job of that kind comes, runs for so long and ends."""
        job = self.submit(spec)
        self.turn()
        self.begin(job)
        self.clock.pass_s(ran_s)
        self.see(job, exited(0))
        self.turn()


@pytest.fixture
def office() -> Office:
    """One node, and a history of jobs that each took an hour."""
    made = Office()
    made.report(a_dgx())
    for _ in range(8):
        made.live(big(), HOUR)
    return made


def parked(office: Office, **changes: Any) -> Job:
    """A job that has the node, and has started."""
    job = office.submit(big(**changes))
    office.turn()
    return office.begin(job)


def test_who_starts_at_once_is_promised_nothing(office: Office) -> None:
    job = parked(office)
    assert office.told(job) == []
    assert office.log.list_days(9) == []


def test_who_waits_is_promised_the_end_of_what_those_like_it_took(office: Office) -> None:
    parked(office)
    office.clock.pass_s(HOUR / 2)
    waiting = office.submit(big())
    office.turn()
    (promise,) = office.told(waiting)
    assert promise.guess_s == pytest.approx(HOUR / 2, abs=5)
    assert promise.because is Because.FIRST
    assert promise.most.from_ns <= promise.half.from_ns <= promise.expected_at_ns
    assert promise.expected_at_ns <= promise.half.to_ns <= promise.most.to_ns


def test_a_promise_is_made_once_and_stays_while_little_changes(office: Office) -> None:
    parked(office)
    waiting = office.submit(big())
    for _ in range(5):
        office.turn()
        office.clock.pass_s(60)
    assert len(office.told(waiting)) == 1


def test_a_start_keeps_or_misses_what_was_promised(office: Office) -> None:
    runs = parked(office)
    waiting = office.submit(big())
    office.turn()
    office.clock.pass_s(HOUR - 5)
    office.see(runs, exited(0))
    office.turn()
    (kept,) = office.log.list_promises(waiting.id, 9)
    assert kept.started_at_ns == office.clock.now_ns()
    (day,) = office.log.list_days(9)
    assert (day.starts, day.half_kept, day.most_kept) == (1, 1, 1)


def test_a_start_long_after_what_was_promised_counts_as_missed(office: Office) -> None:
    runs = parked(office)
    office.submit(big())
    office.turn()
    office.clock.pass_s(50 * 24 * HOUR)
    office.see(runs, exited(0))
    office.turn()
    (day,) = office.log.list_days(9)
    assert (day.starts, day.half_kept, day.most_kept) == (1, 0, 0)


def test_it_is_told_that_what_runs_takes_longer(office: Office) -> None:
    parked(office)
    waiting = office.submit(big())
    office.turn()
    office.clock.pass_s(20 * HOUR)
    office.promises.turn(office.plane)
    first, second = office.told(waiting)
    assert second.expected_at_ns > first.half.to_ns
    assert second.because is Because.LONGER


def test_it_is_told_that_nodes_were_lost(office: Office) -> None:
    office.report(a_dgx("a"), a_dgx("b"), a_dgx())
    for _ in range(3):
        parked(office)
    gang = a_job_spec(name="gang", demand=a_demand(2, 8))
    office.submit(gang)
    waiting = office.submit(gang)
    office.turn()
    before = office.told(waiting)
    office.clock.pass_s(60)
    office.report(a_dgx("a", state=NodeState.DOWN), a_dgx("b"), a_dgx())
    office.clock.pass_s(30 * HOUR)
    office.turn()
    assert len(before) == 1
    assert office.told(waiting)[-1].because is Because.NODES_LOST


def test_it_is_told_that_others_went_before_it(office: Office) -> None:
    parked(office)
    waiting = office.submit(big(priority=Priority.LOW))
    office.turn()
    for _ in range(30):
        office.submit(big(priority=Priority.HIGH))
    office.clock.pass_s(40)
    office.turn()
    assert office.told(waiting)[-1].because is Because.OVERTAKEN


def test_it_is_told_that_what_was_before_it_is_gone(office: Office) -> None:
    parked(office)
    before = [office.submit(big()) for _ in range(40)]
    waiting = office.submit(big())
    office.turn()
    for one in before:
        cancel(office.plane, one.id, "ada")
    office.clock.pass_s(40)
    office.turn()
    assert office.told(waiting)[-1].because is Because.SOONER


def test_no_word_of_it_names_another_job(office: Office) -> None:
    test_it_is_told_that_others_went_before_it(office)
    ids = set(office.store.jobs)
    whys = [one.promise.why for job_id in ids for one in office.log.list_promises(job_id, 99)]
    assert any(whys)
    assert not any(job_id in why for job_id in ids for why in whys)


@pytest.mark.parametrize("leave", [cancel, hold], ids=["cancelled", "held"])
def test_who_leaves_the_queue_is_owed_nothing(office: Office, leave: Any) -> None:
    parked(office)
    waiting = office.submit(big())
    office.turn()
    leave(office.plane, waiting.id, "ada")
    office.turn()
    (kept,) = office.log.list_promises(waiting.id, 9)
    assert kept.is_void
    assert office.log.list_days(9) == []


def test_who_waits_for_something_else_than_room_is_promised_nothing(office: Office) -> None:
    runs = parked(office)
    needy = office.submit(big(needs=(runs.id,)))
    too_big = office.submit(big())
    office.turn()
    assert office.told(needy) == []
    assert len(office.told(too_big)) == 1


def test_a_plan_and_an_explanation_tell_it_at_once(office: Office) -> None:
    parked(office)
    waiting = office.submit(big())
    outlook = explain(office.plane, waiting.id).outlook
    assert outlook is not None
    assert outlook.promise == office.told(waiting)[0]
    planned = plan(office.plane, big(), "ada").promise
    assert planned is not None
    assert planned.guess_s > outlook.promise.guess_s + HOUR / 2, "it would be behind the other one"
    assert len(office.log.list_open()) == 1, "a plan keeps nothing"


def test_a_server_that_was_killed_keeps_what_was_promised(office: Office) -> None:
    runs = parked(office)
    waiting = office.submit(big())
    office.turn()
    office.restart()
    office.clock.pass_s(HOUR - 5)
    office.see(runs, exited(0))
    office.turn()
    (kept,) = office.log.list_promises(waiting.id, 9)
    assert kept.started_at_ns == office.clock.now_ns()
    assert office.log.list_days(9)[0].most_kept == 1


def test_a_start_that_nobody_saw_is_settled_later(office: Office) -> None:
    """The server was killed between the start of a job and its next look."""
    runs = parked(office)
    waiting = office.submit(big())
    office.turn()
    office.clock.pass_s(HOUR)
    office.see(runs, exited(0))
    office.scheduler.turn()
    started_ns = office.clock.now_ns()
    office.clock.pass_s(500)
    office.begin(waiting)
    office.see(waiting, exited(0))
    office.restart()
    office.turn()
    assert office.log.list_promises(waiting.id, 9)[0].started_at_ns == started_ns


def test_an_earlier_attempt_settles_nothing_of_a_later_wait(office: Office) -> None:
    again = office.run(big())
    office.turn()
    office.clock.pass_s(60)
    parked(office)
    requeue(office.plane, again.id, "ada")
    office.turn()
    office.clock.pass_s(60)
    office.turn()
    assert [one.job_id for one in office.log.list_open()] == [again.id]
    assert len(office.told(again)) == 1


def test_bounds_grow_where_starts_are_missed(office: Office) -> None:
    def width_s() -> float:
        runs = parked(office)
        waiting = office.submit(big())
        office.turn()
        promise = office.told(waiting)[0]
        office.clock.pass_s(12 * HOUR)
        office.see(runs, exited(0))
        office.turn()
        office.begin(waiting)
        office.see(waiting, exited(0))
        office.turn()
        return (promise.most.to_ns - promise.made_at_ns) / NS_PER_S / promise.guess_s

    assert [width_s() for _ in range(6)][-1] > 1


def test_a_server_that_starts_again_knows_what_came_of_its_promises(office: Office) -> None:
    """Several waited at a time, and at first started long after they should."""

    def told() -> list[float]:
        """When the next one would start, in parts of what is guessed: that is never the same."""
        promise = plan(office.plane, big(), "ada").promise
        assert promise is not None
        most, half = promise.most, promise.half
        ends = (most.from_ns, half.from_ns, promise.expected_at_ns, half.to_ns, most.to_ns)
        return [(one - promise.made_at_ns) / NS_PER_S / promise.guess_s for one in ends]

    queue = [parked(office), *(office.submit(big()) for _ in range(4))]
    for _ in range(20):
        office.turn()
        office.clock.pass_s(3 * HOUR)
        office.see(queue.pop(0), exited(0))
        office.turn()
        office.begin(queue[0])
        queue.append(office.submit(big()))
    office.turn()
    learned = told()
    office.restart()
    assert told() == pytest.approx(learned, rel=0.01)
    office.log = MemoryPromiseLog()
    office.restart()
    assert told() != pytest.approx(learned, rel=0.2)


def stretch_of(office: Office) -> Stretch:
    """What the next promise would be stretched by."""
    promise = plan(office.plane, big(), "ada").promise
    assert promise is not None
    return promise.stretch


def test_a_server_that_starts_again_stretches_bounds_as_before(office: Office) -> None:
    """Also by what was missed before all of which it is told what came of it."""
    parked(office)
    early, late = office.submit(big()), office.submit(big())
    office.turn()
    office.clock.pass_s(90 * 24 * HOUR)
    office.turn()
    assert stretch_of(office).most > 0, "they should have started, and have not"
    cancel(office.plane, early.id, "ada")
    cancel(office.plane, late.id, "ada")
    office.turn()
    office.submit(big())
    office.turn()
    before = stretch_of(office)
    assert before.most > 0, "what was missed stays missed"
    office.restart()
    assert stretch_of(office) == before


def test_run_times_are_recorded_at_submit_and_capped_by_the_limit(office: Office) -> None:
    job = office.submit(big())
    assert job.expected_s == pytest.approx(HOUR, rel=0.01)
    limited = office.submit(big(time_limit_s=600.0))
    assert (limited.expected_s, limited.should_run_s) == (600, 600)
    unlike = office.submit(a_job_spec(name="other"))
    assert unlike.expected_s is not None, "all that ended tells something"
