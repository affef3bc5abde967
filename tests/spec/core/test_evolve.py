"""A job and an event make the next job, and the log alone tells the same."""

from __future__ import annotations

import pytest

from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.evolve import evolve, replay
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import AttemptState, IllegalStep, JobState, ReplicaState
from quarterdeck.core.limits import LIMITS
from quarterdeck.testing.builders import (
    START_NS,
    a_job,
    a_job_id,
    a_job_spec,
    a_placed,
    a_run,
    a_seen,
    a_submitted,
)

AT = START_NS + 9
ENDED = ev.Ended(AT, 1, JobState.FAILED, Reason.USER_ERROR, "code 3", 3)
STOP = ev.StopRequested(AT, 1, Reason.CANCELLED_BY_USER, 5.0, "cancelled by ada", "ada")


def test_a_submitted_job_is_queued_and_keeps_what_was_asked() -> None:
    spec = a_job_spec(name="train")
    job = a_job(7, spec=spec)
    assert (job.id, job.spec, job.actor, job.state) == (a_job_id(7), spec, "ada", JobState.QUEUED)
    assert (job.submitted_at_ns, job.revision, job.attempts) == (START_NS, 1, ())


def test_each_event_counts_one_revision() -> None:
    assert a_job(1, *a_run()).revision == 1 + len(a_run())


def test_a_placed_job_is_starting_and_holds_its_grants() -> None:
    grants = (Grant("a", ("GPU-1",)), Grant("b", ("GPU-2",)))
    job = a_job(1, a_placed(1, *grants))
    assert job.state is JobState.STARTING
    assert tuple(job.grants()) == grants
    assert [replica.node_rank for replica in job.attempts[0].replicas] == [0, 1]


def test_a_started_job_is_running_and_still_holds_its_grants() -> None:
    job = a_job(1, *a_run()[:3])
    assert job.state is JobState.RUNNING
    (live,) = job.live_attempts
    assert live.started_at_ns == START_NS + 1


def test_an_ended_attempt_holds_nothing_and_the_job_says_how_it_ended() -> None:
    job = a_job(1, *a_run(code=3))
    assert (job.state, job.reason, job.exit_code) == (JobState.FAILED, Reason.USER_ERROR, 3)
    assert job.live_attempts == ()
    assert list(job.grants()) == []
    assert job.ended_at_ns == START_NS + 1


def test_a_stopped_attempt_keeps_its_devices_until_it_has_ended() -> None:
    job = a_job(1, a_placed(), STOP)
    assert (job.state, job.attempts[0].state) == (JobState.STOPPING, AttemptState.ENDING)
    assert list(job.grants()) == [Grant("node-1")]


def test_a_second_stop_replaces_the_first() -> None:
    later = ev.StopRequested(AT, 1, Reason.NODE_FAILURE, 1.0)
    job = a_job(1, a_placed(), later, STOP)
    assert job.attempts[0].stop is not None
    assert job.attempts[0].stop.reason is Reason.CANCELLED_BY_USER


def test_a_retry_is_queued_and_counted_and_has_not_ended() -> None:
    again = ev.Ended(AT, 1, JobState.QUEUED, Reason.NODE_FAILURE, "lost", None, is_retry=True)
    job = a_job(1, a_placed(), again)
    assert (job.state, job.retries, job.ended_at_ns) == (JobState.QUEUED, 1, None)


def test_a_requeued_job_forgets_its_end_and_its_retries_but_not_its_attempts() -> None:
    again = ev.Ended(AT, 1, JobState.QUEUED, Reason.NODE_FAILURE, "lost", None, is_retry=True)
    job = a_job(1, a_placed(), again, *a_run(2, code=1), ev.Requeued(AT, "bob"))
    assert (job.state, job.retries, job.exit_code, job.ended_at_ns) == (
        JobState.QUEUED,
        0,
        None,
        None,
    )
    assert [attempt.number for attempt in job.attempts] == [1, 2]


def test_a_job_cancelled_in_the_queue_says_by_whom() -> None:
    job = a_job(1, ev.Cancelled(AT, "bob"))
    assert (job.state, job.reason) == (JobState.CANCELLED, Reason.CANCELLED_BY_USER)
    assert "bob" in job.message


def test_a_sighting_touches_its_replica_only() -> None:
    job = a_job(
        1, a_placed(1, Grant("a"), Grant("b")), a_seen(1, ReplicaState.STARTED, node_rank=1)
    )
    assert [replica.state for replica in job.attempts[0].replicas] == [
        ReplicaState.PENDING,
        ReplicaState.STARTED,
    ]


def test_a_start_that_was_seen_is_not_forgotten_at_the_end() -> None:
    exited = ev.Seen(AT, 1, (ev.Sighting(0, ReplicaState.EXITED, ended_at_ns=AT),))
    job = a_job(1, a_placed(), a_seen(1, ReplicaState.STARTED), exited)
    replica = job.attempts[0].replicas[0]
    assert (replica.started_at_ns, replica.ended_at_ns) == (START_NS, AT)


ILLEGAL = {
    "a start while it is queued": (ev.Started(AT, 1, AT),),
    "a sighting before any attempt": (a_seen(1, ReplicaState.STANDING),),
    "a second place": (a_placed(1), a_placed(2)),
    "an attempt number left out": (a_placed(2),),
    "an attempt number used twice": (*a_run(1, code=1), ev.Requeued(AT, "ada"), a_placed(1)),
    "an event of a former attempt": (
        *a_run(1, code=1),
        ev.Requeued(AT, "ada"),
        a_placed(2),
        ev.Started(AT, 1, AT),
    ),
    "a second start": (*a_run()[:3], ev.Started(AT, 1, AT)),
    "a second end": (a_placed(), ENDED, ENDED),
    "a success that never started": (
        a_placed(),
        ev.Ended(AT, 1, JobState.SUCCEEDED, Reason.COMPLETED),
    ),
    "a sighting that goes back": (
        a_placed(),
        a_seen(1, ReplicaState.STARTED),
        a_seen(1, ReplicaState.STANDING),
    ),
    "a sighting after the end": (*a_run(), a_seen(1, ReplicaState.EXITED)),
    "a sighting of a replica there is not": (
        a_placed(),
        a_seen(1, ReplicaState.STARTED, node_rank=1),
    ),
    "a sighting that says pending": (a_placed(), a_seen(1, ReplicaState.PENDING)),
    "an end in a state that is none": (
        a_placed(),
        ev.Ended(AT, 1, JobState.RUNNING, Reason.COMPLETED),
    ),
    "a cancel of what is placed": (a_placed(), ev.Cancelled(AT, "ada")),
    "a requeue of what is queued": (ev.Requeued(AT, "ada"),),
    "a second submission": (a_submitted(),),
}


@pytest.mark.parametrize("history", ILLEGAL.values(), ids=ILLEGAL)
def test_what_no_table_holds_raises_with_the_story(history: tuple[ev.JobEvent, ...]) -> None:
    before = a_job(1, *history[:-1])
    with pytest.raises(IllegalStep) as bug:
        evolve(before, before.id, history[-1])
    assert bug.value.story == before.story
    assert "Submitted" in str(bug.value)


def test_only_a_submission_makes_a_job() -> None:
    with pytest.raises(IllegalStep, match="no job"):
        evolve(None, a_job_id(1), a_placed())


def test_nothing_happened_to_no_job() -> None:
    assert replay(a_job_id(1), []) is None


def test_the_same_events_make_the_same_job() -> None:
    assert a_job(1, *a_run(code=2)) == a_job(1, *a_run(code=2))


def test_the_story_keeps_the_latest_moves_only() -> None:
    events: list[ev.JobEvent] = []
    for number in range(1, LIMITS.story_moves_max):
        events += [*a_run(number, code=1), ev.Requeued(AT, "ada")]
    job = a_job(1, *events)
    assert len(job.story) == LIMITS.story_moves_max
    assert job.story[-1].endswith("Requeued -> queued")
    assert "attempt 49 -> failed" in job.story[-2]
