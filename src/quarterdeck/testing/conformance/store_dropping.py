"""What every `Store` promises of jobs that are dropped: they go whole, and the log goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from quarterdeck.basics.errors import Stale
from quarterdeck.control.restore import restore
from quarterdeck.core.jobs.events import Requeued
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.ports.store import Active, JobFilter
from quarterdeck.testing.builders import (
    START_NS,
    a_job,
    a_job_id,
    a_run,
    a_site_report,
    a_submitted,
)

if TYPE_CHECKING:
    from quarterdeck.core.jobs.events import JobEvent
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import Store

LATER_NS = START_NS + 10**9
ALL = 2**62


def add(store: Store, number: int, *events: JobEvent) -> Job:
    """A job to which these have happened."""
    job = a_job(number)
    store.transact(lambda tx: tx.append(None, [a_submitted()], job))
    after = job
    for event in events:
        after = evolve(after, job.id, event)
    if events:
        store.transact(lambda tx: tx.append(job, events, after))
    return after


def drop(store: Store, *jobs: Job) -> None:
    """Let them go."""
    store.transact(lambda tx: tx.drop_jobs(jobs))


class StoreDroppingConformance:
    """The suite."""

    def test_finished_jobs_are_listed_by_their_last_event(self, store: Store) -> None:
        old = add(store, 7, *a_run(at_ns=START_NS + 1))
        other = add(store, 3, *a_run(code=1, at_ns=START_NS + 2))
        add(store, 5, *a_run(at_ns=LATER_NS))
        add(store, 1)
        assert store.list_finished(LATER_NS, limit=9) == [old, other]
        assert store.list_finished(START_NS + 2, limit=9) == [old]
        assert store.list_finished(LATER_NS, limit=1) == [old]

    def test_the_job_of_the_last_entry_is_never_listed(self, store: Store) -> None:
        done = add(store, 1, *a_run())
        assert store.list_finished(ALL, limit=9) == []
        add(store, 2)
        assert store.list_finished(ALL, limit=9) == [done]

    def test_a_dropped_job_goes_with_all_its_events_and_no_other(self, store: Store) -> None:
        gone, stays = add(store, 1, *a_run()), add(store, 2, *a_run())
        store.transact(lambda tx: tx.append_site(a_site_report()))
        waits = add(store, 3)
        log = [one for one in store.list_records(0) if getattr(one, "job_id", "") != gone.id]
        drop(store, gone)
        assert store.find_job(gone.id) is None
        assert store.transact(lambda tx: tx.find_job(gone.id)) is None
        assert store.list_records(0, job_id=gone.id) == []
        assert store.list_records(0) == log
        assert store.list_records(log[1].seq, limit=2) == log[2:4]
        assert store.list_jobs(JobFilter()) == [waits, stays]

    def test_places_of_the_log_are_not_given_again(self, store: Store) -> None:
        gone = add(store, 1, *a_run())
        add(store, 2)
        head = store.head()
        drop(store, gone)
        assert store.head() == head == store.load_active().head
        again = add(store, 1)
        assert [one.seq for one in store.list_records(0, job_id=again.id)] == [head + 1]

    def test_the_log_that_is_left_replays_to_what_is_stored(self, store: Store) -> None:
        gone = add(store, 1, *a_run())
        store.transact(lambda tx: tx.append_site(a_site_report()))
        add(store, 2, *a_run(code=3))
        add(store, 3)
        drop(store, gone)
        stored: tuple[list[Job], Active] = store.list_jobs(JobFilter()), store.load_active()
        restore(store)
        assert (store.list_jobs(JobFilter()), store.load_active()) == stored

    def test_a_job_that_went_on_is_not_dropped_nor_are_those_with_it(self, store: Store) -> None:
        first, second = add(store, 1, *a_run()), add(store, 2, *a_run())
        wish = Requeued(LATER_NS, "ada")
        after = evolve(second, second.id, wish)
        store.transact(lambda tx: tx.append(second, [wish], after))
        with pytest.raises(Stale):
            drop(store, first, second)
        with pytest.raises(Stale):
            drop(store, a_job(9, *a_run()))
        assert store.find_job(first.id) == first
        assert store.find_job(a_job_id(2)) == after
