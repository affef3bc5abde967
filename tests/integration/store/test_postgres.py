"""PostgreSQL: several servers on one store, and connections that break."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from quarterdeck.adapters.stores.sql.store import SqlStore, open_store
from quarterdeck.basics.errors import Stale, Unavailable
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.testing.builders import a_job, a_job_id, a_placed, a_submitted
from quarterdeck.testing.conformance.store_steps import move, submit
from quarterdeck.testing.postgres import PostgresServer, running_postgres

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.ports.store import Transaction

pytestmark = pytest.mark.needs_postgres


@pytest.fixture
def address(postgres: PostgresServer) -> str:
    return postgres.new_database()


@pytest.fixture
def stores(address: str) -> Iterator[tuple[SqlStore, SqlStore]]:
    pair = (open_store(address), open_store(address))
    yield pair
    for store in pair:
        store.close()


def break_connections(address: str) -> int:
    """End every connection of the store's; says how many there were."""
    with psycopg.connect(address, autocommit=True) as connection:
        rows = connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = 'quarterdeck'"
        ).fetchall()
    return len(rows)


def test_a_reader_of_one_server_sees_both_servers_entries_once_and_in_order(
    stores: tuple[SqlStore, SqlStore],
) -> None:
    each = 40

    def write(store: SqlStore, first: int) -> None:
        for number in range(first, first + each):
            submit(store, number)

    jobs = [(stores[0], 0), (stores[0], 100), (stores[1], 200), (stores[1], 300)]
    threads = [threading.Thread(target=write, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    seen: list[int] = []
    while any(thread.is_alive() for thread in threads) or len(seen) < stores[1].head():
        seen += [r.seq for r in stores[1].list_records(seen[-1] if seen else 0, limit=5)]
    assert seen == [*range(1, 4 * each + 1)]


def test_a_server_does_not_act_on_what_another_has_changed(
    stores: tuple[SqlStore, SqlStore],
) -> None:
    one, other = stores
    job = submit(one, 1)
    assert one.transact(lambda tx: tx.find_job(job.id)) == job
    placed = move(other, job, a_placed())
    with pytest.raises(Stale):
        move(one, job, a_placed())
    assert one.transact(lambda tx: tx.find_job(job.id)) == placed
    assert one.transact(lambda tx: tx.has_capacity_news(1))
    assert not one.transact(lambda tx: tx.has_capacity_news(2))


def test_a_server_forgets_what_another_has_replaced(stores: tuple[SqlStore, SqlStore]) -> None:
    one, other = stores
    job = submit(one, 1)
    other.replace_jobs(iter(()), iter(()))
    assert one.transact(lambda tx: tx.find_job(job.id)) is None


def test_connections_that_broke_while_idle_are_no_failure(
    address: str, stores: tuple[SqlStore, SqlStore]
) -> None:
    submit(stores[0], 1)
    assert stores[0].find_job(a_job_id(1)) == a_job(1)
    assert break_connections(address) >= 2
    assert stores[0].find_job(a_job_id(1)) == a_job(1)
    assert break_connections(address) >= 1
    submit(stores[0], 2)
    assert stores[0].load_active().head == 2


def test_a_connection_that_breaks_during_a_work_keeps_nothing_of_it(
    address: str, stores: tuple[SqlStore, SqlStore]
) -> None:
    store = stores[0]
    job = submit(store, 1)

    def work(tx: Transaction) -> None:
        tx.append(job, [a_placed()], evolve(job, job.id, a_placed()))
        assert break_connections(address)

    with pytest.raises(Unavailable):
        store.transact(work)
    assert store.find_job(job.id) == job
    move(store, job, a_placed())


def test_a_work_that_swallows_the_failure_of_the_store_is_not_kept(
    address: str, stores: tuple[SqlStore, SqlStore]
) -> None:
    def work(tx: Transaction) -> str:
        tx.append(None, [a_submitted()], a_job(1))
        break_connections(address)
        try:
            tx.find_job(a_job_id(2))
        except Unavailable:
            return "as if nothing were"
        return "not reached"

    with pytest.raises(Unavailable):
        stores[0].transact(work)
    assert stores[0].head() == 0


def test_a_server_that_is_down_is_unavailable_and_one_that_is_back_is_used() -> None:
    with running_postgres() as server:
        store = open_store(server.new_database())
        submit(store, 1)
        server.stop()
        with pytest.raises(Unavailable):
            submit(store, 2)
        with pytest.raises(Unavailable):
            store.head()
        server.start()
        submit(store, 2)
        assert store.head() == 2
        store.close()
