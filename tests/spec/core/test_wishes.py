"""What a person may ask of a job in each of its states, and what becomes of it."""

from __future__ import annotations

import pytest

from quarterdeck.basics.errors import Conflict
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs import decide
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.jobs.job import Job, RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import Retry, Stopping
from quarterdeck.core.jobs.states import JobState, ReplicaState
from quarterdeck.testing.builders import START_NS, a_job, a_job_spec, a_placed, a_run

AT = START_NS + 100
SPEC = a_job_spec(stopping=Stopping(grace_s=60.0), retry=Retry(5))
GANG = a_placed(1, Grant("a"), Grant("b"))


def stopping_for(reason: Reason) -> Job:
    return a_job(1, GANG, ev.StopRequested(AT, 1, reason, 1.0, "why"), spec=SPEC)


JOBS = {
    "queued": a_job(1, spec=SPEC),
    "starting": a_job(1, GANG, spec=SPEC),
    "running": a_job(1, *a_run()[:3], spec=SPEC),
    "stopping after a failure": stopping_for(Reason.NODE_FAILURE),
    "stopping for a cancel": stopping_for(Reason.CANCELLED_BY_USER),
    "stopping for a requeue": stopping_for(Reason.REQUEUED_BY_USER),
    "succeeded": a_job(1, *a_run(), spec=SPEC),
    "failed": a_job(1, *a_run(code=1), spec=SPEC),
    "cancelled": a_job(1, ev.Cancelled(AT, "ada"), spec=SPEC),
}
CANCEL: dict[str, type[ev.JobEvent] | type[Conflict] | None] = {
    "queued": ev.Cancelled,
    "starting": ev.StopRequested,
    "running": ev.StopRequested,
    "stopping after a failure": ev.StopRequested,
    "stopping for a cancel": None,
    "stopping for a requeue": ev.StopRequested,
    "succeeded": Conflict,
    "failed": Conflict,
    "cancelled": None,
}
REQUEUE: dict[str, type[ev.JobEvent] | type[Conflict] | None] = {
    "queued": Conflict,
    "starting": ev.StopRequested,
    "running": ev.StopRequested,
    "stopping after a failure": Conflict,
    "stopping for a cancel": Conflict,
    "stopping for a requeue": None,
    "succeeded": ev.Requeued,
    "failed": ev.Requeued,
    "cancelled": ev.Requeued,
}


def take(job: Job, events: list[ev.JobEvent]) -> Job:
    for event in events:
        job = evolve(job, job.id, event)
    return job


def gone(job: Job, code: int | None = None) -> Job:
    """Every replica is seen gone: it was stopped, or ended with a code."""
    attempt = job.attempts[-1]
    exits = [RankExit(replica.node_rank, code) for replica in attempt.replicas]
    if code is None:
        exits = [RankExit(one.rank, None, 15, stopped=True) for one in exits]
    sightings = [ev.Sighting(one.rank, ReplicaState.EXITED, AT, AT, exits=(one,)) for one in exits]
    return take(job, decide.observe(job, attempt.number, sightings, AT))


@pytest.mark.parametrize("name", JOBS)
@pytest.mark.parametrize("verb", ["cancel", "requeue"])
def test_each_state_answers_each_wish_in_its_way(verb: str, name: str) -> None:
    job = JOBS[name]
    expected = (CANCEL if verb == "cancel" else REQUEUE)[name]
    ask = decide.cancel if verb == "cancel" else decide.requeue
    if expected is Conflict:
        with pytest.raises(Conflict) as refusal:
            ask(job, "bob", AT)
        assert job.id in refusal.value.message
        assert refusal.value.hint
        return
    events = ask(job, "bob", AT)
    assert [type(event) for event in events] == ([] if expected is None else [expected])
    for event in events:
        assert getattr(event, "actor", None) == "bob"
    again = take(job, events)
    if verb == "cancel":
        assert ask(again, "bob", AT) == []


@pytest.mark.parametrize("name", [n for n, e in CANCEL.items() if e is ev.StopRequested])
@pytest.mark.parametrize("code", [None, 0, 3])
def test_what_was_cancelled_ends_cancelled_however_its_command_ended(
    name: str, code: int | None
) -> None:
    job = take(JOBS[name], decide.cancel(JOBS[name], "bob", AT))
    assert job.state is JobState.STOPPING
    assert job.attempts[-1].stop is not None
    assert job.attempts[-1].stop.grace_s == 60.0
    job = gone(job, code)
    assert (job.state, job.reason, job.retries) == (
        JobState.CANCELLED,
        Reason.CANCELLED_BY_USER,
        0,
    )
    assert "bob" in job.message


@pytest.mark.parametrize("name", ["starting", "running"])
def test_what_was_requeued_goes_back_to_the_queue_without_costing_a_retry(name: str) -> None:
    job = gone(take(JOBS[name], decide.requeue(JOBS[name], "bob", AT)))
    assert (job.state, job.reason, job.retries) == (JobState.QUEUED, Reason.REQUEUED_BY_USER, 0)


def test_a_node_lost_while_a_cancel_is_under_way_starts_no_retry() -> None:
    job = JOBS["stopping for a cancel"]
    sightings = [ev.Sighting(rank, ReplicaState.LOST) for rank in (0, 1)]
    assert take(job, decide.observe(job, 1, sightings, AT)).state is JobState.CANCELLED


def test_a_failure_during_a_stop_asks_for_no_second_stop() -> None:
    job = JOBS["stopping for a requeue"]
    events = decide.observe(job, 1, [ev.Sighting(0, ReplicaState.LOST)], AT)
    assert [type(event) for event in events] == [ev.Seen]


def test_a_start_seen_after_a_stop_does_not_make_the_job_run() -> None:
    job = JOBS["stopping for a cancel"]
    sightings = [ev.Sighting(rank, ReplicaState.STARTED, AT) for rank in (0, 1)]
    assert take(job, decide.observe(job, 1, sightings, AT)).state is JobState.STOPPING
