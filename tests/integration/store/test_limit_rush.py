"""A limit of queued jobs is exact, however many come at once and through however many servers."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters.blobs.memory import MemoryBlobs
from quarterdeck.adapters.stores.sql.store import SqlStore, open_store
from quarterdeck.basics.errors import NotAllowed, Stale, Unavailable
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.board import Board
from quarterdeck.control.founding import found
from quarterdeck.control.plane import ControlPlane
from quarterdeck.control.reconcile import reconcile
from quarterdeck.control.roster import Roster
from quarterdeck.control.submit import submit
from quarterdeck.control.teams import create_team, limit_team
from quarterdeck.core.governance.limits import Bound, Quota
from quarterdeck.core.jobs.states import JobState
from quarterdeck.ports.site import Report
from quarterdeck.ports.store import JobFilter
from quarterdeck.testing.builders import SITE, START_NS, a_dgx, a_job_spec
from quarterdeck.wiring.system import RandomIds, RandomSecrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.testing.postgres import PostgresServer

SUBMITS, LIMIT, THREADS_EACH = 1000, 100, 20


class Clock:
    """It always says the same."""

    def now_ns(self) -> int:
        return START_NS + NS_PER_S


@pytest.fixture
def sqlite_stores(tmp_path: Path) -> Iterator[tuple[SqlStore, SqlStore]]:
    """Two writers on one file, as two processes would have it."""
    address = f"sqlite:///{tmp_path / 'store.db'}"
    yield from opened_twice(address)


@pytest.fixture
def postgres_stores(postgres: PostgresServer) -> Iterator[tuple[SqlStore, SqlStore]]:
    yield from opened_twice(postgres.new_database())


def opened_twice(address: str) -> Iterator[tuple[SqlStore, SqlStore]]:
    pair = (open_store(address), open_store(address))
    yield pair
    for store in pair:
        store.close()


def planes_on(stores: tuple[SqlStore, SqlStore], quota: Quota) -> list[ControlPlane]:
    """Two servers of one organization, with a team that has these limits."""
    clock = Clock()
    found(stores[0].directory, "ada", clock.now_ns())
    create_team(Roster(stores[0].directory, clock, RandomSecrets()), "vision", "", quota)
    planes = [
        ControlPlane(
            store,
            clock,
            RandomIds(),
            MemoryBlobs(),
            Board(store),
            roster=Roster(store.directory, clock, RandomSecrets()),
        )
        for store in stores
    ]
    reconcile(planes[0], Report(SITE, 0, nodes=(a_dgx(),)))
    return planes


def rush(planes: list[ControlPlane], submits: int, threads_each: int) -> Counter[str]:
    """So many submits at once over all servers, and what became of them. `Stale` is to be tried
    again, as the API has it done."""
    threads_in_all = threads_each * len(planes)
    ready, lock = threading.Barrier(threads_in_all), threading.Lock()
    told: Counter[str] = Counter()
    each, rest = divmod(submits, threads_in_all)
    assert rest == 0

    def work(plane: ControlPlane) -> None:
        ready.wait(60)
        for _ in range(each):
            code = submit_once(plane)
            with lock:
                told[code] += 1

    threads = [
        threading.Thread(target=work, args=(planes[number % len(planes)],))
        for number in range(threads_in_all)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
        assert not thread.is_alive()
    return told


def submit_once(plane: ControlPlane) -> str:
    for _ in range(100):
        try:
            submit(plane, a_job_spec(team="vision"), "ada")
        except NotAllowed as refusal:
            return refusal.code
        except (Stale, Unavailable):
            continue
        return "accepted"
    return "never answered"


EXACT = {"accepted": LIMIT, "limit_reached": SUBMITS - LIMIT}


def check_exact(stores: tuple[SqlStore, SqlStore]) -> None:
    planes = planes_on(stores, Quota(queued_jobs=Bound(LIMIT)))
    assert rush(planes, SUBMITS, THREADS_EACH) == EXACT
    for store in stores:
        assert store.count_waiting("team", "vision") == LIMIT
        queued = store.list_jobs(JobFilter(states=(JobState.QUEUED,), limit=SUBMITS))
        assert len(queued) == LIMIT


def check_raised_meanwhile(stores: tuple[SqlStore, SqlStore]) -> None:
    """What is let in then is what the new limit lets, and no more."""
    planes = planes_on(stores, Quota(queued_jobs=Bound(10)))
    assert rush(planes, 40, 4)["accepted"] == 10
    roster = planes[0].roster
    assert roster is not None
    limit_team(roster, "vision", Quota(queued_jobs=Bound(15)))
    for plane in planes:
        assert plane.roster is not None
        plane.roster.refresh()
    assert rush(planes, 40, 4)["accepted"] == 5


def test_of_a_thousand_submits_on_sqlite_exactly_as_many_are_accepted_as_may_wait(
    sqlite_stores: tuple[SqlStore, SqlStore],
) -> None:
    check_exact(sqlite_stores)


def test_a_limit_on_sqlite_that_is_raised_lets_in_the_difference(
    sqlite_stores: tuple[SqlStore, SqlStore],
) -> None:
    check_raised_meanwhile(sqlite_stores)


@pytest.mark.needs_postgres
def test_of_a_thousand_submits_on_postgresql_exactly_as_many_are_accepted_as_may_wait(
    postgres_stores: tuple[SqlStore, SqlStore],
) -> None:
    check_exact(postgres_stores)


@pytest.mark.needs_postgres
def test_a_limit_on_postgresql_that_is_raised_lets_in_the_difference(
    postgres_stores: tuple[SqlStore, SqlStore],
) -> None:
    check_raised_meanwhile(postgres_stores)
