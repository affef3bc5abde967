"""What every `Store` promises of whose jobs are whose: a part of `StoreConformance`."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from quarterdeck.basics.errors import NotAllowed, QuarterdeckError
from quarterdeck.control.restore import restore
from quarterdeck.core.jobs.array import parse_array
from quarterdeck.core.jobs.events import Cancelled, Ended, Held, JobEvent, Released, Requeued
from quarterdeck.core.jobs.evolve import evolve, replay
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import JobState
from quarterdeck.ports.store import JobFilter
from quarterdeck.testing.builders import (
    START_NS,
    a_job_id,
    a_job_spec,
    a_placed,
    a_run,
    a_submitted,
)
from quarterdeck.testing.conformance.store_steps import move

if TYPE_CHECKING:
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import Store, Transaction

WAIT_S_MAX = 30.0


def submitted(
    number: int, team: str = "vision", owner: str = "ada", array: str | None = None
) -> tuple[Job, list[JobEvent]]:
    """A job of that team and owner, and how it came."""
    spec = a_job_spec(team=team, array=None if array is None else parse_array(array))
    event = a_submitted(spec, actor=owner)
    job = replay(a_job_id(number), [event])
    assert job is not None
    return job, [event]


def put(
    store: Store,
    number: int,
    team: str = "vision",
    owner: str = "ada",
    array: str | None = None,
) -> Job:
    """Such a job in the store."""
    job, events = submitted(number, team, owner, array)
    store.transact(lambda tx: tx.append(None, events, job))
    return job


def waiting(store: Store, team: str = "vision", owner: str = "ada") -> tuple[int, int]:
    """What waits of a team and of an owner: the same by the store and by a transaction."""
    found = store.count_waiting("team", team), store.count_waiting("owner", owner)
    asked = store.transact(
        lambda tx: (tx.count_waiting("team", team), tx.count_waiting("owner", owner))
    )
    assert found == asked
    return found


class StoreOfTeams:
    """See the module."""

    # What waits

    def test_nothing_waits_of_nobody(self, store: Store) -> None:
        assert waiting(store) == waiting(store, "", "") == (0, 0)
        put(store, 1)
        assert waiting(store, "nobody's", "eve") == (0, 0)
        assert waiting(store, "ada", "vision") == (0, 0)

    def test_what_waits_is_counted_by_team_and_by_owner(self, store: Store) -> None:
        put(store, 1, "vision", "ada")
        put(store, 2, "vision", "bob")
        put(store, 3, "speech", "ada")
        assert waiting(store, "vision", "ada") == (2, 2)
        assert waiting(store, "speech", "bob") == (1, 1)

    def test_names_are_told_apart_to_the_letter(self, store: Store) -> None:
        for number, (team, owner) in enumerate(
            (("vision", "ada"), ("Vision", "ada.l"), ("visio", "a%a"), ("vision.1", "a_a"))
        ):
            put(store, number, team, owner)
        for team, owner in (("vision", "ada"), ("Vision", "a_a"), ("visio", "a%a")):
            assert waiting(store, team, owner) == (1, 1)
            assert len(store.list_jobs(JobFilter(teams=(team,)))) == 1
            assert len(store.list_jobs(JobFilter(owner=owner))) == 1
        assert waiting(store, "v%", "ada' OR ''='") == (0, 0)

    def test_a_job_waits_until_it_is_placed_and_again_when_it_is_requeued(
        self, store: Store
    ) -> None:
        job = put(store, 1)
        counts = [waiting(store)]
        for event in (
            Held(START_NS, "ada"),
            Released(START_NS, "ada"),
            *a_run(code=1),
            Requeued(START_NS, "bob"),
            a_placed(2),
        ):
            job = move(store, job, event)
            counts.append(waiting(store))
        assert [team for team, _ in counts] == [1, 1, 1, *[0] * 5, 1, 0]
        assert all(team == owner for team, owner in counts)
        assert waiting(store, owner="bob")[1] == 0

    def test_a_cancelled_job_does_not_wait(self, store: Store) -> None:
        for number, array in ((1, None), (2, "0-8:4")):
            job = put(store, number, array=array)
            assert waiting(store) != (0, 0)
            move(store, job, Cancelled(START_NS, "ada", next_state=JobState.CANCELLED))
            assert waiting(store) == (0, 0)

    def test_a_retry_waits_again(self, store: Store) -> None:
        again = Ended(START_NS, 1, JobState.QUEUED, Reason.NODE_FAILURE, "", is_retry=True)
        job = move(store, put(store, 1), a_placed())
        assert waiting(store) == (0, 0)
        move(store, job, again)
        assert waiting(store) == (1, 1)

    def test_of_an_array_each_task_counts(self, store: Store) -> None:
        job = put(store, 1, array="0-8:4")
        put(store, 2, array="1-1000")
        counts = [waiting(store)[0] - 1000]
        failed = Ended(START_NS, 1, JobState.FAILED, Reason.USER_ERROR, "", 1, task=4)
        for event in (
            Held(START_NS, "ada"),
            Released(START_NS, "ada"),
            _placed(1, task=4),
            failed,
            Held(START_NS, "ada"),
            Released(START_NS, "ada"),
            _placed(2, task=0),
            Cancelled(START_NS, "ada", next_state=JobState.STOPPING),
        ):
            job = move(store, job, event)
            counts.append(waiting(store)[0] - 1000)
        assert counts == [3, 3, 3, 2, 2, 2, 2, 1, 0]

    def test_of_a_requeued_array_what_did_not_succeed_waits_again(self, store: Store) -> None:
        job = move(store, put(store, 1, array="1-1"), *_run_of(1))
        assert waiting(store) == (0, 0)
        move(store, job, Requeued(START_NS, "ada"))
        assert waiting(store) == (1, 1)

    # Within a transaction

    def test_a_work_counts_what_it_has_written_itself(self, store: Store) -> None:
        waits = put(store, 1)
        job, events = submitted(2, array="0-8:4")

        def work(tx: Transaction) -> list[int]:
            counts = [tx.count_waiting("team", "vision")]
            tx.append(None, events, job)
            counts.append(tx.count_waiting("team", "vision"))
            tx.append(waits, [a_placed()], evolve(waits, waits.id, a_placed()))
            counts.append(tx.count_waiting("team", "vision"))
            placed = _placed(1, task=0)
            tx.append(job, [placed], evolve(job, job.id, placed))
            return [*counts, tx.count_waiting("team", "vision"), tx.count_waiting("owner", "ada")]

        assert store.transact(work) == [1, 4, 3, 2, 2]
        assert waiting(store) == (2, 2)

    def test_a_work_that_fails_leaves_no_trace_in_the_counts(self, store: Store) -> None:
        waits = put(store, 1)
        job, events = submitted(2)

        def work(tx: Transaction) -> None:
            tx.append(None, events, job)
            tx.append(waits, [a_placed()], evolve(waits, waits.id, a_placed()))
            raise NotAllowed("no more")

        with pytest.raises(NotAllowed):
            store.transact(work)
        assert waiting(store) == (1, 1)

    @pytest.mark.parametrize("array", [None, "0-8:4"])
    def test_works_that_meet_never_go_beyond_a_limit(self, store: Store, array: str | None) -> None:
        """Many of them share a commit, and each counts what those before it have written."""
        count, limit = 40, 15
        tasks = 1 if array is None else 3
        ready = threading.Barrier(count)
        outcomes: list[str] = []

        def one(number: int) -> None:
            job, events = submitted(number, owner=f"user-{number % 3}", array=array)

            def work(tx: Transaction) -> None:
                if tx.count_waiting("team", "vision") + tasks > limit:
                    raise NotAllowed("no more")
                tx.append(None, events, job)

            ready.wait(WAIT_S_MAX)
            try:
                store.transact(work)
                outcomes.append("accepted")
            except NotAllowed:
                outcomes.append("refused")
            except QuarterdeckError as error:
                outcomes.append(repr(error))

        threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_S_MAX)
        accepted = limit // tasks
        assert sorted(outcomes) == ["accepted"] * accepted + ["refused"] * (count - accepted)
        assert waiting(store)[0] == accepted * tasks
        assert sum(waiting(store, owner=f"user-{n}")[1] for n in range(3)) == accepted * tasks

    # Restoring and dropping

    def test_replaced_jobs_are_counted_and_found_as_they_are(self, store: Store) -> None:
        goes, stays = put(store, 1, array="1-50"), put(store, 2, array="0-8:4")
        done = move(store, put(store, 3, "speech"), *a_run())
        placed = _placed(1, task=0)
        stays = evolve(stays, stays.id, placed)
        store.replace_jobs(iter([stays, done]), iter(()))
        assert store.find_job(goes.id) is None
        assert waiting(store) == (2, 2)
        assert store.list_jobs(JobFilter(teams=("vision",))) == [stays]
        assert store.list_jobs(JobFilter(teams=("speech",), owner="ada")) == [done]

    def test_a_restored_store_counts_as_before(self, store: Store) -> None:
        move(store, put(store, 1, array="0-8:4"), _placed(1, task=4))
        move(store, put(store, 2), Held(START_NS, "ada"))
        move(store, put(store, 3), *a_run())
        before = waiting(store)
        restore(store)
        assert waiting(store) == before == (3, 3)

    def test_dropped_jobs_leave_the_counts_alone(self, store: Store) -> None:
        done = move(store, put(store, 1, array="1-1"), *_run_of(1))
        put(store, 2)

        def work(tx: Transaction) -> int:
            tx.drop_jobs([done])
            return tx.count_waiting("team", "vision")

        assert store.transact(work) == 1
        assert waiting(store) == (1, 1)

    # Lists

    def test_jobs_are_filtered_by_teams(self, store: Store) -> None:
        for number, team in enumerate(("vision", "speech", "vision", "robots")):
            put(store, number, team)
        move(store, submitted(0)[0], a_placed())

        assert _numbers(store, JobFilter()) == [3, 2, 1, 0]
        assert _numbers(store, JobFilter(teams=None)) == [3, 2, 1, 0]
        assert _numbers(store, JobFilter(teams=())) == []
        assert _numbers(store, JobFilter(teams=("vision",))) == [2, 0]
        assert _numbers(store, JobFilter(teams=("speech", "robots"))) == [3, 1]
        assert _numbers(store, JobFilter(teams=("speech", "speech", "none"))) == [1]
        assert _numbers(store, JobFilter(teams=("none", "", "%"))) == []
        assert _numbers(store, JobFilter(teams=("vision",), limit=1)) == [2]
        assert _numbers(store, JobFilter(teams=("vision",), before=a_job_id(2))) == [0]
        assert _numbers(store, JobFilter((JobState.STARTING,), teams=("vision", "speech"))) == [0]

    def test_no_teams_is_no_jobs_whatever_else_is_wanted(self, store: Store) -> None:
        put(store, 1)
        for wanted in (
            JobFilter(teams=(), name="job"),
            JobFilter((JobState.QUEUED,), teams=()),
            JobFilter(teams=(), owner="ada"),
            JobFilter(teams=(), before=a_job_id(1)),
        ):
            assert store.list_jobs(wanted) == []

    def test_a_page_goes_on_behind_a_job_of_another_team(self, store: Store) -> None:
        """A cursor is a place, whoever's job stands there."""
        for number, team in enumerate(("vision", "speech", "vision")):
            put(store, number, team)
        assert _numbers(store, JobFilter(teams=("vision",), before=a_job_id(1))) == [0]

    def test_jobs_are_filtered_by_owner(self, store: Store) -> None:
        for number, (team, owner) in enumerate(
            (("vision", "ada"), ("vision", "bob"), ("speech", "ada"))
        ):
            put(store, number, team, owner)
        assert _numbers(store, JobFilter(owner="ada")) == [2, 0]
        assert _numbers(store, JobFilter(owner="bob", teams=("speech",))) == []
        assert _numbers(store, JobFilter(owner="ada", teams=("speech", "vision"), limit=1)) == [2]
        assert _numbers(store, JobFilter(owner="")) == []

    def test_thousands_of_teams_may_be_asked_for_at_once(self, store: Store) -> None:
        for number in range(5):
            put(store, number, f"team-{number * 1000}")
        wanted = tuple(f"team-{number}" for number in range(3000))
        assert _numbers(store, JobFilter(teams=wanted)) == [2, 1, 0]


def _placed(attempt: int, *, task: int) -> JobEvent:
    return replace(a_placed(attempt), task=task)


def _run_of(task: int) -> list[JobEvent]:
    failed = Ended(START_NS, 1, JobState.FAILED, Reason.USER_ERROR, "", 1, task=task)
    return [_placed(1, task=task), failed]


def _numbers(store: Store, wanted: JobFilter) -> list[int]:
    known = {a_job_id(number): number for number in range(10)}
    return [known[job.id] for job in store.list_jobs(wanted)]
