"""Jobs that wait for something else than room: for others, for a retry's time, for a person."""

from __future__ import annotations

import pytest

from quarterdeck.basics.errors import Conflict, Invalid
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs import decide
from quarterdeck.core.jobs import events as ev
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.jobs.job import Job, RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import BACKOFF_S_MAX, Retry
from quarterdeck.core.jobs.states import IllegalStep, JobState, ReplicaState
from quarterdeck.core.jobs.tasks import Wait
from quarterdeck.core.limits import LIMITS
from quarterdeck.core.scheduling.queue import has_waiting, waiting_of
from quarterdeck.testing.builders import START_NS, a_job, a_job_id, a_job_spec, a_run

AT = START_NS + 100
NEEDS = (a_job_id(7), a_job_id(8))


def take(job: Job, events: list[ev.JobEvent]) -> Job:
    for event in events:
        job = evolve(job, job.id, event)
    return job


def fail(job: Job, *, at_ns: int = AT, code: int = 1, reason: Reason | None = None) -> Job:
    """Its next attempt is placed, and ends so."""
    job = take(job, [decide.place(job, "local", (Grant("n"),), at_ns)])
    sight = ev.Sighting(0, ReplicaState.EXITED, at_ns, at_ns, (RankExit(0, code),), reason=reason)
    return take(job, decide.observe(job, job.attempts[-1].number, [sight], at_ns))


def retrying(limit: int = 20, backoff_s: float = 3.0) -> Job:
    on = (Reason.USER_ERROR, Reason.TIMED_OUT)
    return a_job(1, spec=a_job_spec(retry=Retry(limit, on, backoff_s)))


# Needs


def test_a_job_waits_for_all_that_it_needs() -> None:
    job = a_job(1, spec=a_job_spec(needs=NEEDS))
    assert (job.state, job.unmet, waiting_of(job).ready(AT)) == (JobState.QUEUED, NEEDS, ())
    job = take(job, decide.meet_need(job, NEEDS[0], AT))
    assert (job.unmet, waiting_of(job).ready(AT)) == (NEEDS[1:], ())
    job = take(job, decide.meet_need(job, NEEDS[1], AT))
    assert (job.unmet, waiting_of(job).ready(AT)) == ((), (None,))


def test_a_need_is_met_once() -> None:
    job = a_job(1, spec=a_job_spec(needs=NEEDS))
    met = take(job, decide.meet_need(job, NEEDS[0], AT))
    assert decide.meet_need(met, NEEDS[0], AT) == []
    assert decide.meet_need(met, a_job_id(99), AT) == []


@pytest.mark.parametrize("is_held", [False, True])
def test_a_job_that_can_never_start_is_given_up_with_the_reason(is_held: bool) -> None:
    spec = a_job_spec(needs=NEEDS)
    job = evolve(None, a_job_id(1), ev.Submitted(START_NS, "ada", spec, is_held))
    job = take(job, decide.give_up(job, Reason.NEEDS_FAILED, "it needs x, which has failed", AT))
    assert (job.state, job.reason) == (JobState.CANCELLED, Reason.NEEDS_FAILED)
    assert (job.message, job.ended_at_ns) == ("it needs x, which has failed", AT)
    assert decide.give_up(job, Reason.NEEDS_FAILED, "again", AT) == []


def test_a_job_that_runs_is_not_given_up() -> None:
    job = take(a_job(), a_run()[:3])
    assert decide.give_up(job, Reason.NEEDS_FAILED, "too late", AT) == []


def test_a_job_that_was_given_up_and_requeued_still_needs_what_it_needed() -> None:
    job = a_job(1, spec=a_job_spec(needs=NEEDS))
    job = take(job, decide.give_up(job, Reason.NEEDS_FAILED, "no", AT))
    job = take(job, decide.requeue(job, "bob", AT))
    assert (job.state, job.unmet) == (JobState.QUEUED, NEEDS)


# Retry


def test_the_wait_before_a_retry_doubles_up_to_the_cap() -> None:
    job, waits = retrying(), []
    for _ in range(12):
        job = fail(job)
        assert job.wait is not None
        waits.append((job.wait.until_ns - job.wait.since_ns) / NS_PER_S)
    assert waits[:4] == [3.0, 6.0, 12.0, 24.0]
    assert waits[-1] == waits[-2] == BACKOFF_S_MAX
    assert all(one <= BACKOFF_S_MAX for one in waits)


def test_a_hundred_retries_do_not_make_a_number_too_large() -> None:
    job = retrying(LIMITS.retries_max, LIMITS.backoff_s_max)
    for _ in range(LIMITS.retries_max):
        job = fail(job)
    assert job.wait == Wait(AT, AT + int(BACKOFF_S_MAX) * NS_PER_S)
    assert fail(job).state is JobState.FAILED


def test_a_retry_waits_from_its_end_and_starts_then() -> None:
    job = fail(retrying())
    waiting = waiting_of(job)
    assert waiting.ready(AT) == waiting.ready(AT + 3 * NS_PER_S - 1) == ()
    assert waiting.next_ready_ns(AT) == AT + 3 * NS_PER_S
    assert waiting.ready(AT + 3 * NS_PER_S) == (None,)
    assert waiting.next_ready_ns(AT + 3 * NS_PER_S) is None


def test_a_clock_that_was_put_back_an_hour_does_not_keep_a_retry_waiting() -> None:
    assert waiting_of(fail(retrying())).ready(AT - 3600 * NS_PER_S) == (None,)


def test_nothing_waits_after_its_time_limit() -> None:
    job = fail(retrying(), reason=Reason.TIMED_OUT)
    assert (job.state, job.retries, job.wait) == (JobState.QUEUED, 1, None)


def test_without_a_backoff_nothing_waits() -> None:
    assert fail(retrying(backoff_s=0.0)).wait is None


@pytest.mark.parametrize("code", [0, 1])
def test_the_next_attempt_ends_the_wait(code: int) -> None:
    job = fail(retrying(1))
    assert fail(job, code=code).wait is None


def test_a_requeue_does_not_wait_and_the_doubling_begins_anew() -> None:
    job = fail(fail(retrying(1)))
    assert job.state is JobState.FAILED
    job = take(job, decide.requeue(job, "bob", AT))
    assert (job.wait, waiting_of(job).ready(AT)) == (None, (None,))
    job = fail(job)
    assert job.wait == Wait(AT, AT + 3 * NS_PER_S)


# Hold


def test_a_held_job_is_out_of_the_queue_until_it_is_released() -> None:
    job = take(a_job(), decide.hold(a_job(), "bob", AT))
    assert (job.state, job.reason, has_waiting(job)) == (
        JobState.HELD,
        Reason.HELD_BY_USER,
        False,
    )
    assert not job.wants(None)
    with pytest.raises(IllegalStep):
        take(job, [decide.place(job, "local", (Grant("n"),), AT)])
    job = take(job, decide.release(job, "cyd", AT))
    assert (job.state, job.reason, has_waiting(job)) == (
        JobState.QUEUED,
        Reason.RELEASED_BY_USER,
        True,
    )
    assert "cyd" in job.message
    assert waiting_of(job).submitted_at_ns == START_NS


def test_holding_and_releasing_twice_is_once() -> None:
    job = take(a_job(), decide.hold(a_job(), "bob", AT))
    assert decide.hold(job, "bob", AT) == []
    assert decide.release(a_job(), "bob", AT) == []


def test_a_hold_does_not_make_a_retry_forget_its_wait() -> None:
    job = fail(retrying())
    job = take(job, decide.hold(job, "bob", AT))
    job = take(job, decide.release(job, "bob", AT))
    assert waiting_of(job).ready(AT) == ()


def test_a_held_job_can_be_cancelled_but_not_requeued() -> None:
    held = take(a_job(), decide.hold(a_job(), "bob", AT))
    with pytest.raises(Conflict):
        decide.requeue(held, "bob", AT)
    assert take(held, decide.cancel(held, "bob", AT)).state is JobState.CANCELLED


@pytest.mark.parametrize("moves", [1, 3, 5])
def test_what_does_not_wait_cannot_be_held(moves: int) -> None:
    job = take(a_job(), a_run()[:moves])
    with pytest.raises(Conflict):
        decide.hold(job, "bob", AT)


def test_what_has_ended_cannot_be_released() -> None:
    with pytest.raises(Conflict):
        decide.release(take(a_job(), a_run()), "bob", AT)


# Notes


@pytest.mark.parametrize("moves", [0, 3, 5])
def test_a_note_changes_nothing_but_the_notes(moves: int) -> None:
    job = take(a_job(), a_run()[:moves])
    noted = take(job, decide.note(job, "bob", "lr too high", AT))
    assert [(one.at_ns, one.actor, one.text) for one in noted.notes] == [(AT, "bob", "lr too high")]
    assert (noted.state, noted.attempts, noted.ended_at_ns) == (
        job.state,
        job.attempts,
        job.ended_at_ns,
    )


def test_a_note_that_is_said_twice_is_written_once() -> None:
    job = take(a_job(), decide.note(a_job(), "bob", "a", AT))
    assert decide.note(job, "bob", "a", AT + 1) == []
    assert len(decide.note(job, "cyd", "a", AT + 1)) == 1
    assert len(decide.note(job, "bob", "b", AT + 1)) == 1


def test_the_latest_notes_are_kept() -> None:
    job = a_job()
    for number in range(LIMITS.notes_max + 5):
        job = take(job, decide.note(job, "bob", f"{number}", AT))
    assert len(job.notes) == LIMITS.notes_max
    assert job.notes[-1].text == f"{LIMITS.notes_max + 4}"


@pytest.mark.parametrize("text", ["", "  \n", "a\0b", "x" * (LIMITS.note_chars_max + 1)])
def test_a_note_that_says_nothing_or_too_much_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as refusal:
        decide.note(a_job(), "bob", text, AT)
    assert refusal.value.field == "text"
