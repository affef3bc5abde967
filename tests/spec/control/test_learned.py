"""Run times of ended jobs: read again at a start, kept with submissions, absent in old logs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from quarterdeck.adapters.stores.sql.codec import decode_job, decode_record, encode
from quarterdeck.adapters.stores.sql.store import open_store
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.learned import JOBS_MAX, Learned, load_learned
from quarterdeck.core.jobs.events import Submitted
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.core.jobs.job import Attempt, Job
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import AttemptState, JobState
from quarterdeck.core.scheduling.queue import waiting_of
from quarterdeck.ports.store import JobRecord, Transaction
from quarterdeck.testing.builders import SITE, START_NS, a_job_id, a_job_spec

TRAIN = a_job_spec(name="train")


def ended(number: int, ran_s: float, reason: Reason = Reason.COMPLETED) -> Job:
    """A job that ran so long, an hour after the one before it."""
    start_ns = START_NS + number * 3600 * NS_PER_S
    end_ns = start_ns + round(ran_s * NS_PER_S)
    attempt = Attempt(1, SITE, start_ns, (), AttemptState.ENDED, start_ns, end_ns, reason=reason)
    return Job(
        a_job_id(number),
        TRAIN,
        "ada",
        start_ns,
        state=JobState.SUCCEEDED,
        reason=reason,
        ended_at_ns=end_ns,
        attempts=(attempt,),
    )


def test_jobs_of_before_are_learned_from_in_the_order_of_their_ends() -> None:
    jobs = [ended(n, 100.0) for n in range(20)] + [ended(n, 900.0) for n in range(20, 30)]
    learned = Learned()
    learned.load(reversed(jobs))
    assert learned.expected_s(TRAIN, "ada") == pytest.approx(900)


@pytest.mark.parametrize(
    ("reason", "is_longer"),
    [
        (Reason.COMPLETED, False),
        (Reason.USER_ERROR, False),
        (Reason.CANCELLED_BY_USER, False),
        (Reason.TIMED_OUT, True),
        (Reason.NODE_FAILURE, True),
        (Reason.NODE_DRAINED, True),
    ],
)
def test_what_was_cut_short_should_have_taken_longer(reason: Reason, is_longer: bool) -> None:
    learned = Learned()
    learned.load([ended(1, 100.0, reason)])
    expected_s = learned.expected_s(TRAIN, "ada")
    assert expected_s is not None
    assert (expected_s > 150) is is_longer


def test_an_attempt_that_never_started_tells_nothing() -> None:
    job = ended(1, 100.0, Reason.SETUP_FAILED)
    learned = Learned()
    learned.load([replace(job, attempts=(replace(job.attempts[0], started_at_ns=None),))])
    assert learned.expected_s(TRAIN, "ada") is None


def test_the_answer_follows_the_next_end_of_the_same_kind() -> None:
    learned = Learned()
    learned.load([ended(1, 100.0)])
    assert learned.expected_s(TRAIN, "ada") == pytest.approx(100)
    for number in range(2, 8):
        learned.load([ended(number, 5000.0)])
    assert learned.expected_s(TRAIN, "ada") == pytest.approx(5000)


def test_a_submission_of_an_older_version_is_read_and_expects_nothing() -> None:
    event = Submitted(START_NS, "ada", TRAIN)
    document = json.loads(encode(event))
    assert document.pop("expected_s") is None
    record = decode_record(1, "Submitted", a_job_id(1), 1, json.dumps(document))
    assert isinstance(record, JobRecord)
    assert record.event == event
    job = evolve(None, a_job_id(1), event)
    old = json.loads(encode(job))
    del old["expected_s"]
    assert decode_job(json.dumps(old)) == job
    assert waiting_of(job).expected_s is None


@pytest.mark.parametrize(
    ("limit_s", "learned_s", "expected_s"),
    [(None, None, None), (60.0, None, 60.0), (None, 50.0, 50.0), (60.0, 50.0, 50.0),
     (60.0, 600.0, 60.0)],
)  # fmt: skip
def test_the_queue_expects_the_smaller_of_limit_and_learned(
    limit_s: float | None, learned_s: float | None, expected_s: float | None
) -> None:
    spec = replace(TRAIN, time_limit_s=limit_s)
    job = evolve(None, a_job_id(1), Submitted(START_NS, "ada", spec, expected_s=learned_s))
    assert waiting_of(job).expected_s == expected_s


def test_however_many_jobs_have_ended_a_start_reads_the_newest_thousand(tmp_path: Path) -> None:
    """So it is delayed by 50 ms, and not by more the older a server is."""
    store = open_store(tmp_path / "q.db")

    def add(tx: Transaction) -> None:
        for n in range(JOBS_MAX + 500):
            job = ended(n, 100.0 if n < 500 else 300.0)
            tx.append(None, [Submitted(job.submitted_at_ns, "ada", TRAIN)], job)

    store.transact(add)
    learned = Learned()
    load_learned(learned, store)
    store.close()
    assert learned.expected_s(TRAIN, "ada") == pytest.approx(300)
    assert learned._runs == JOBS_MAX <= 1000
