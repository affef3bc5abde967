"""A job that moves, step by step: what is told to it, and what becomes of that."""

from __future__ import annotations

from quarterdeck.adapters.stores.sql.codec import decode_record, encode
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs import decide
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.jobs.job import Job, RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import Stopping
from quarterdeck.core.jobs.states import JobState, ReplicaState
from quarterdeck.core.scheduling.queue import running_of, waiting_of
from quarterdeck.testing.builders import START_NS, a_job, a_job_id, a_job_spec, a_placed
from tests.spec.core.test_decide import kinds, take

AT = START_NS + 100
FROM, TO = Grant("n0", ("GPU-0",)), Grant("n1", ("GPU-5",))
TOLD = Clearance("local", ("n1",), grants=(TO,), is_moved=True)
SPEC = a_job_spec(min_runtime_s=600.0, stopping=Stopping(grace_s=77.0))


def a_runner() -> Job:
    return a_job(1, a_placed(1, FROM), spec=SPEC)


def moves(job: Job) -> list[ev.JobEvent]:
    return decide.move(job, 1, (TO,), "it moves to n1", AT)


def stopped(job: Job) -> Job:
    gone = ev.Sighting(0, ReplicaState.EXITED, exits=(RankExit(0, signal=15, stopped=True),))
    return take(job, decide.observe(job, 1, [gone], AT))


def test_it_stops_with_its_whole_grace_and_goes_on_with_just_that() -> None:
    events = moves(a_runner())
    assert kinds(events) == [ev.RoomCleared, ev.StopRequested]
    job = take(a_runner(), events)
    assert (job.state, job.reason, job.message) == (
        JobState.STOPPING, Reason.PREEMPTED, "it moves to n1",
    )  # fmt: skip
    live = job.live_attempts[0]
    assert live.stop is not None
    assert live.stop.grace_s == 77.0
    running = running_of(job, live)
    assert (running.goes_to, running.leaves, running.keeps) == ((TO,), (FROM,), ())
    job = stopped(job)
    assert (job.state, job.retries) == (JobState.QUEUED, 0)
    waiting = waiting_of(job)
    assert (waiting.goes_to, waiting.clearance, waiting.kept) == (TOLD, None, None)
    there = take(job, [decide.place(job, "local", (TO,), AT)])
    assert there.clearance is None
    # It is not moved again before it has run for its least time.
    assert running_of(there, there.live_attempts[0]).min_runtime_s == 600.0


def test_what_is_stopping_already_or_has_ended_does_not_move() -> None:
    drained = take(a_runner(), decide.evict(a_runner(), "n0", "root", "", AT))
    assert moves(drained) == []
    assert moves(stopped(take(a_runner(), moves(a_runner())))) == []


def test_who_is_held_or_cancelled_is_told_nothing_any_more() -> None:
    job = stopped(take(a_runner(), moves(a_runner())))
    held = take(job, decide.hold(job, "ada", AT))
    assert waiting_of(take(held, decide.release(held, "ada", AT))).goes_to is None
    stopping = take(a_runner(), moves(a_runner()))
    cancelled = take(stopping, decide.cancel(stopping, "ada", AT))
    assert running_of(cancelled, cancelled.live_attempts[0]).goes_to == ()
    assert stopped(cancelled).clearance is None


def test_it_is_written_down_and_read_again() -> None:
    told = ev.RoomCleared(AT, TOLD)
    assert decode_record(7, "RoomCleared", a_job_id(1), 2, encode(told)).event == told
