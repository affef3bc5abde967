"""What every `Store` promises. Subclass it and give it a `store` fixture: a new, empty store."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from quarterdeck.basics.errors import Conflict, Stale
from quarterdeck.core.jobs.events import Held, Reordered
from quarterdeck.core.jobs.evolve import evolve, replay
from quarterdeck.core.jobs.place import QueuePlace
from quarterdeck.core.jobs.spec import Retry
from quarterdeck.core.jobs.states import JobState, ReplicaState
from quarterdeck.ports.store import Active, JobFilter, JobRecord, KeptReply, SiteRecord
from quarterdeck.testing.builders import (
    START_NS,
    a_dgx,
    a_job,
    a_job_id,
    a_job_spec,
    a_node,
    a_placed,
    a_run,
    a_seen,
    a_site_report,
    a_submitted,
)
from quarterdeck.testing.conformance.store_arrays import StoreOfMany
from quarterdeck.testing.conformance.store_history import check_random_history
from quarterdeck.testing.conformance.store_steps import move, submit
from quarterdeck.testing.conformance.store_teams import StoreOfTeams
from quarterdeck.testing.conformance.store_usage import StoreOfUsage

if TYPE_CHECKING:
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import Store, Transaction

WAIT_S_MAX = 30.0


class OnPurpose(Exception):
    """What a test's work raises."""


class StoreConformance(StoreOfMany, StoreOfTeams, StoreOfUsage):
    """The suite."""

    # Writing jobs

    def test_a_new_store_is_empty(self, store: Store) -> None:
        assert store.head() == 0
        assert store.list_records(0) == []
        assert store.list_jobs(JobFilter()) == []
        assert store.load_active() == Active(head=0, jobs=(), sites=())

    def test_what_was_written_is_read_back_as_it_was(self, store: Store) -> None:
        spec = a_job_spec(
            command=("sh", "-c", "echo 'é\u2028\0'[:0]".replace("\0", "")),
            env=(("LR", "0.1"), ("EMPTY", ""), ("LONG", "x" * 100_000)),
            retry=Retry(3),
        )
        job = move(store, submit(store, 1, spec), *a_run(code=7))
        assert store.find_job(job.id) == job
        assert store.list_jobs(JobFilter()) == [job]

    def test_a_place_that_was_exchanged_is_read_back_with_the_job_and_from_the_log(
        self, store: Store
    ) -> None:
        taken = Reordered(START_NS, "ada", QueuePlace(a_job_id(2), START_NS, 0.5, 4.0, 60.0, 1e6))
        job = move(store, submit(store, 1), taken)
        assert store.find_job(job.id) == job
        assert job.queue_place == taken.place
        assert [one.event for one in store.list_records(1)] == [taken]

    def test_a_job_that_is_not_there_is_none(self, store: Store) -> None:
        assert store.find_job(a_job_id(1)) is None
        assert store.transact(lambda tx: tx.find_job(a_job_id(1))) is None

    def test_transact_returns_what_the_work_returned(self, store: Store) -> None:
        assert store.transact(lambda _: ("any", 1)) == ("any", 1)

    def test_a_work_sees_what_it_has_written_itself(self, store: Store) -> None:
        job = a_job()

        def work(tx: Transaction) -> Job | None:
            assert tx.find_job(job.id) is None
            tx.append(None, [a_submitted()], job)
            return tx.find_job(job.id)

        assert store.transact(work) == job

    def test_a_decision_on_an_old_job_is_stale_and_writes_nothing(self, store: Store) -> None:
        old = submit(store, 1)
        placed = move(store, old, a_placed())
        head = store.head()
        with pytest.raises(Stale):
            move(store, old, a_placed())
        assert (store.find_job(old.id), store.head()) == (placed, head)

    def test_a_taken_job_id_is_stale(self, store: Store) -> None:
        submit(store, 1)
        with pytest.raises(Stale):
            submit(store, 1)
        assert store.head() == 1

    def test_a_change_of_a_job_that_is_not_there_is_stale(self, store: Store) -> None:
        with pytest.raises(Stale):
            move(store, a_job(), a_placed())
        assert store.head() == 0

    def test_what_a_work_raises_is_raised_with_nothing_written(self, store: Store) -> None:
        def work(tx: Transaction) -> None:
            tx.append(None, [a_submitted()], a_job())
            tx.append_site(a_site_report())
            tx.keep_reply(KeptReply("key", "digest", (a_job_id(1),), START_NS))
            raise OnPurpose

        with pytest.raises(OnPurpose):
            store.transact(work)
        assert store.head() == 0
        assert store.find_job(a_job_id(1)) is None
        assert store.load_active().sites == ()
        assert store.transact(lambda tx: tx.find_reply("key")) is None
        submit(store, 1)

    # Many at once

    def test_of_works_that_meet_the_failing_ones_leave_nothing(self, store: Store) -> None:
        count = 24
        ready = threading.Barrier(count + 1)
        raised: list[int] = []

        def one(number: int) -> None:
            def work(tx: Transaction) -> None:
                tx.append(None, [a_submitted()], a_job(number))
                if number % 3 == 0:
                    raise OnPurpose

            ready.wait(WAIT_S_MAX)
            try:
                store.transact(work)
            except OnPurpose:
                raised.append(number)

        threads = [threading.Thread(target=one, args=(n,)) for n in range(count)]
        for thread in threads:
            thread.start()
        ready.wait(WAIT_S_MAX)
        for thread in threads:
            thread.join(WAIT_S_MAX)
        expected = {a_job_id(n) for n in range(count) if n % 3}
        assert sorted(raised) == list(range(0, count, 3))
        assert {job.id for job in store.list_jobs(JobFilter())} == expected
        assert [record.seq for record in store.list_records(0)] == [*range(1, len(expected) + 1)]

    def test_of_two_decisions_on_one_job_one_wins(self, store: Store) -> None:
        job = submit(store, 1)
        outcomes: list[str] = []

        def decide() -> None:
            try:
                move(store, job, a_placed())
                outcomes.append("won")
            except Stale:
                outcomes.append("stale")

        threads = [threading.Thread(target=decide) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S_MAX)
        assert sorted(outcomes) == ["stale"] * 7 + ["won"]
        assert store.head() == 2

    def test_a_tailing_reader_sees_every_entry_once_in_order(self, store: Store) -> None:
        writers, each = 4, 25

        def write(first: int) -> None:
            for number in range(first, first + each):
                submit(store, number)

        threads = [threading.Thread(target=write, args=(n * each,)) for n in range(writers)]
        for thread in threads:
            thread.start()
        seen: list[int] = []
        while any(thread.is_alive() for thread in threads) or len(seen) < store.head():
            seen += [r.seq for r in store.list_records(seen[-1] if seen else 0, limit=7)]
        assert seen == [*range(1, writers * each + 1)]

    # Reading the log

    def test_the_log_is_read_in_pages_from_a_place_on(self, store: Store) -> None:
        first = submit(store, 1)
        submit(store, 2)
        move(store, first, *a_run())
        assert [record.seq for record in store.list_records(0, limit=3)] == [1, 2, 3]
        assert [record.seq for record in store.list_records(3, limit=3)] == [4, 5, 6]
        assert [record.seq for record in store.list_records(6)] == [7]
        assert store.list_records(7) == store.list_records(700) == []
        assert store.head() == 7

    def test_the_log_of_one_job_is_its_own(self, store: Store) -> None:
        first, other = submit(store, 1), submit(store, 2)
        move(store, first, *a_run())
        move(store, other, a_placed())
        records = store.list_records(1, job_id=first.id, limit=3)
        assert [(r.seq, r.revision) for r in records if isinstance(r, JobRecord)] == [
            (3, 2),
            (4, 3),
            (5, 4),
        ]
        assert [record.event for record in records] == a_run()[:3]
        assert store.list_records(0, job_id=a_job_id(3)) == []

    def test_the_log_of_a_job_replays_to_the_job_that_is_stored(self, store: Store) -> None:
        job = move(store, submit(store, 1), *a_run(1, code=1))
        records = store.list_records(0, job_id=job.id)
        events = [record.event for record in records if isinstance(record, JobRecord)]
        assert replay(job.id, events) == store.find_job(job.id) == job

    def test_sites_and_jobs_share_one_log(self, store: Store) -> None:
        report = a_site_report(a_dgx("dgx-1"), a_node("cpu-1"))
        submit(store, 1)
        store.transact(lambda tx: tx.append_site(report))
        assert store.list_records(1) == [SiteRecord(2, report)]

    # Listing jobs

    def test_jobs_are_listed_newest_first_page_by_page(self, store: Store) -> None:
        for number in (5, 3, 9, 1):
            submit(store, number)
        move(store, a_job(5), a_placed())
        page = store.list_jobs(JobFilter(limit=3))
        assert [job.id for job in page] == [a_job_id(n) for n in (1, 9, 3)]
        rest = store.list_jobs(JobFilter(limit=3, before=page[-1].id))
        assert [job.id for job in rest] == [a_job_id(5)]
        assert store.list_jobs(JobFilter(before=a_job_id(77))) == []

    def test_jobs_are_filtered_by_state_and_name(self, store: Store) -> None:
        for number, name in enumerate(("a", "b", "a", "b")):
            submit(store, number, a_job_spec(name=name))
        move(store, a_job(0, spec=a_job_spec(name="a")), *a_run())
        move(store, a_job(1, spec=a_job_spec(name="b")), a_placed())

        def numbers(wanted: JobFilter) -> list[int]:
            known = {a_job_id(number): number for number in range(4)}
            return [known[job.id] for job in store.list_jobs(wanted)]

        queued = (JobState.QUEUED,)
        assert numbers(JobFilter(name="a")) == [2, 0]
        assert numbers(JobFilter(states=queued)) == [3, 2]
        assert numbers(JobFilter(states=(JobState.SUCCEEDED, JobState.STARTING))) == [1, 0]
        assert numbers(JobFilter(queued, name="b", before=a_job_id(3))) == []

    def test_jobs_are_counted_by_state(self, store: Store) -> None:
        for number in range(3):
            submit(store, number)
        move(store, a_job(0), *a_run())
        counts = store.count_jobs()
        assert {state: count for state, count in counts.items() if count} == {
            JobState.QUEUED: 2,
            JobState.SUCCEEDED: 1,
        }

    def test_active_is_what_is_unfinished_and_where_the_log_stood(self, store: Store) -> None:
        store.transact(lambda tx: tx.append_site(a_site_report(a_dgx("old"))))
        jobs = [submit(store, number) for number in (7, 2, 5)]
        move(store, jobs[0], a_placed(), a_seen(1, ReplicaState.STANDING))
        move(store, jobs[1], *a_run())
        store.transact(lambda tx: tx.append_site(a_site_report(a_dgx("new"))))
        active = store.load_active()
        assert active.head == store.head()
        assert [job.id for job in active.jobs] == [jobs[0].id, jobs[2].id]
        assert active.jobs[0] == store.find_job(jobs[0].id)
        assert [[node.name for node in site.nodes] for site in active.sites] == [["new"]]

    def test_what_is_held_is_active_too(self, store: Store) -> None:
        held = submit(store, 1)
        move(store, held, Held(START_NS, "ada"))
        assert [job.state for job in store.load_active().jobs] == [JobState.HELD]

    # Capacity news

    def test_only_placements_and_site_reports_are_capacity_news(self, store: Store) -> None:
        def news(after: int) -> bool:
            return store.transact(lambda tx: tx.has_capacity_news(after))

        job = submit(store, 1)
        assert not news(0)
        job = move(store, job, a_placed())
        assert (news(1), news(2)) == (True, False)
        move(store, job, *a_run()[1:])
        assert (news(1), news(2)) == (True, False)
        store.transact(lambda tx: tx.append_site(a_site_report()))
        assert news(store.head() - 1)
        assert not news(store.head())

    def test_a_works_own_placement_is_news_to_it(self, store: Store) -> None:
        job = submit(store, 1)

        def work(tx: Transaction) -> bool:
            tx.append(job, [a_placed()], evolve(job, job.id, a_placed()))
            return tx.has_capacity_news(1)

        assert store.transact(work)

    # Replies

    def test_a_kept_reply_is_found_and_its_key_is_written_once(self, store: Store) -> None:
        reply = KeptReply("key", "digest", (a_job_id(1),), START_NS)

        def keep(tx: Transaction) -> KeptReply | None:
            tx.keep_reply(reply)
            return tx.find_reply("key")

        assert store.transact(keep) == reply
        assert store.transact(lambda tx: tx.find_reply("key")) == reply
        assert store.transact(lambda tx: tx.find_reply("other")) is None
        with pytest.raises(Conflict):
            store.transact(keep)

    def test_old_replies_are_dropped_and_their_keys_are_free_again(self, store: Store) -> None:
        for age in range(4):
            reply = KeptReply(f"key-{age}", "digest", (a_job_id(age),), START_NS - age)
            store.transact(lambda tx, reply=reply: tx.keep_reply(reply))  # type: ignore[misc]

        def work(tx: Transaction) -> tuple[int, int]:
            first = tx.drop_replies(START_NS - 1)
            assert tx.find_reply("key-2") is None
            assert tx.find_reply("key-1") is not None
            tx.keep_reply(KeptReply("key-2", "new", (a_job_id(9),), START_NS - 100))
            return first, tx.drop_replies(START_NS - 1)

        assert store.transact(work) == (2, 1)
        kept = KeptReply("key-3", "again", (a_job_id(9),), START_NS)
        store.transact(lambda tx: tx.keep_reply(kept))
        assert store.transact(lambda tx: tx.find_reply("key-3")) == kept
        assert store.transact(lambda tx: tx.find_reply("key-2")) is None

    # Restoring, closing

    def test_replaced_jobs_are_the_jobs_and_the_log_is_as_it_was(self, store: Store) -> None:
        store.transact(lambda tx: tx.append_site(a_site_report()))
        stays = move(store, submit(store, 4), a_placed())
        submit(store, 2)
        goes = submit(store, 3)
        log = store.list_records(0)
        store.replace_jobs(iter([a_job(2), stays]), iter(()))
        assert store.list_records(0) == log
        assert [job.id for job in store.list_jobs(JobFilter())] == [a_job_id(2), stays.id]
        assert store.load_active().sites == ()
        assert store.find_job(goes.id) is None
        assert store.transact(lambda tx: tx.find_job(goes.id)) is None
        assert store.transact(lambda tx: tx.find_job(stays.id)) == stays

    def test_a_replacement_that_breaks_off_changes_nothing(self, store: Store) -> None:
        job = submit(store, 1)

        def broken() -> object:
            yield job
            raise OnPurpose

        with pytest.raises(OnPurpose):
            store.replace_jobs(broken(), iter(()))  # type: ignore[arg-type]
        assert store.list_jobs(JobFilter()) == [job]
        move(store, job, a_placed())

    def test_closing_twice_is_closing_once(self, store: Store) -> None:
        submit(store, 1)
        store.close()
        store.close()

    # Anything

    def test_a_random_history_reads_like_that_of_a_simple_model(self, store: Store) -> None:
        check_random_history(store)
