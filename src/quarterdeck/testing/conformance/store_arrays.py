"""What every `Store` promises of arrays, tags and batches: a part of `StoreConformance`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.events import (
    Cancelled,
    Ended,
    Held,
    NeedMet,
    Noted,
    Released,
    StopRequested,
)
from quarterdeck.core.jobs.evolve import replay
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import Retry
from quarterdeck.core.jobs.states import JobState, ReplicaState
from quarterdeck.ports.store import JobFilter, JobRecord, KeptReply
from quarterdeck.testing.builders import (
    START_NS,
    a_job,
    a_job_id,
    a_job_spec,
    a_placed,
    a_seen,
    a_submitted,
)
from quarterdeck.testing.conformance.store_steps import move, submit

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.ports.store import Store, Transaction


class StoreOfMany:
    """See the module."""

    def test_jobs_are_filtered_by_all_of_the_tags(self, store: Store) -> None:
        tagged: list[tuple[tuple[str, str], ...]] = [
            (("project", "ocr"), ("kind", "train")),
            (("project", "ocr"),),
            (("project", "asr"), ("kind", "train")),
            (),
            (("kind", "project"), ("ocr", "é %_'")),
        ]
        for number, tags in enumerate(tagged):
            submit(store, number, a_job_spec(tags=tags, name=f"n{number % 2}"))
        move(store, a_job(0, spec=a_job_spec(tags=tagged[0], name="n0")), a_placed())

        def numbers(*tags: tuple[str, str], **more: Any) -> list[int]:  # noqa: ANN401
            known = {a_job_id(number): number for number in range(len(tagged))}
            return [known[job.id] for job in store.list_jobs(JobFilter(tags=tags, **more))]

        assert numbers(("project", "ocr")) == [1, 0]
        assert numbers(("kind", "train")) == [2, 0]
        assert numbers(("project", "ocr"), ("kind", "train")) == [0]
        assert numbers(("ocr", "é %_'")) == [4]
        assert numbers(("project", "oc")) == numbers(("project", "")) == []
        assert numbers(("project", "ocr"), states=(JobState.QUEUED,)) == [1]
        assert numbers(("project", "ocr"), name="n0") == [0]
        assert numbers(("project", "ocr"), before=a_job_id(1)) == [0]
        assert numbers(("project", "ocr"), limit=1) == [1]

    def test_restored_jobs_are_found_by_their_tags(self, store: Store) -> None:
        spec = a_job_spec(tags=(("project", "ocr"),))
        job = submit(store, 1, spec)
        store.replace_jobs(iter([job]), iter(()))
        assert store.list_jobs(JobFilter(tags=(("project", "ocr"),))) == [job]

    # Arrays

    def test_an_array_is_read_back_as_it_was_all_along(self, store: Store) -> None:
        spec = a_job_spec(
            array=parse_array("0-8:4%2"),
            retry=Retry(2, (Reason.USER_ERROR,), 5.0),
            needs=(a_job_id(9),),
            tags=(("a", "b"),),
            time_limit_s=1.5,
        )
        job = submit(store, 1, spec)
        failed = Ended(START_NS, 1, JobState.QUEUED, Reason.USER_ERROR, "code 1", 1, task=4)
        for event in (
            NeedMet(START_NS, a_job_id(9)),
            replace(a_placed(1), task=4),
            replace(a_placed(2), task=0),
            a_seen(1, ReplicaState.EXITED, code=1),
            replace(failed, is_retry=True, backoff_s=5.0),
            Noted(START_NS, "ada", "look"),
            Held(START_NS, "ada"),
            Released(START_NS, "ada"),
            StopRequested(START_NS, 2, Reason.TIMED_OUT, 3.0, "late", task=0),
            Cancelled(START_NS, "bob", next_state=JobState.STOPPING),
            Ended(
                START_NS,
                2,
                JobState.FAILED,
                Reason.TIMED_OUT,
                task=0,
                closes=JobState.CANCELLED,
            ),
        ):
            job = move(store, job, event)
            assert store.find_job(job.id) == job
            unfinished = () if job.state.is_final else (job,)
            assert store.load_active().jobs == unfinished
        assert job.state is JobState.CANCELLED
        records = store.list_records(0, job_id=job.id)
        events = [record.event for record in records if isinstance(record, JobRecord)]
        assert replay(job.id, events) == job

    # Batches

    def test_ids_that_are_taken_are_found_among_many(self, store: Store) -> None:
        for number in (1, 1500, 2999):
            submit(store, number)
        ids = [a_job_id(number) for number in range(3000)]
        taken = {ids[1], ids[1500], ids[2999]}
        assert store.transact(lambda tx: tx.find_taken(ids)) == taken
        assert store.transact(lambda tx: tx.find_taken(ids[2:1500])) == set()
        assert store.transact(lambda tx: tx.find_taken([])) == set()

    def test_a_work_finds_the_ids_that_it_has_taken_itself(self, store: Store) -> None:
        def work(tx: Transaction) -> set[JobId]:
            tx.append(None, [a_submitted()], a_job(3))
            return tx.find_taken([a_job_id(2), a_job_id(3)])

        assert store.transact(work) == {a_job_id(3)}

    def test_a_reply_keeps_many_ids_in_their_order(self, store: Store) -> None:
        ids = tuple(a_job_id(number) for number in range(2500, 0, -1))
        reply = KeptReply("batch", "digest", ids, START_NS)
        store.transact(lambda tx: tx.keep_reply(reply))
        assert store.transact(lambda tx: tx.find_reply("batch")) == reply
        empty = KeptReply("none", "digest", (), START_NS)
        store.transact(lambda tx: tx.keep_reply(empty))
        assert store.transact(lambda tx: tx.find_reply("none")) == empty
