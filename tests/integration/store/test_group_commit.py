"""What happens to works that share a commit when the database refuses it."""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters.stores.sql.store import SqlStore, open_store
from quarterdeck.basics.errors import Invalid, QuarterdeckError, Unavailable
from quarterdeck.ports.store import KeptReply
from quarterdeck.testing.builders import START_NS, a_job, a_job_id, a_job_spec, a_submitted
from quarterdeck.testing.conformance.store_steps import submit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quarterdeck.ports.store import Transaction

WAIT_S_MAX = 30.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    store = open_store(tmp_path / "store.db")
    yield store
    store.close()


def run_together(store: SqlStore, works: list[Callable[[], object]]) -> list[object]:
    """Each work's outcome, or what it raised; all of them go into one commit."""
    outcomes: list[object] = [None] * len(works)
    is_writer_busy, is_queue_full = threading.Event(), threading.Event()

    def hold_the_writer() -> None:
        def work(_tx: object) -> None:
            is_writer_busy.set()
            assert is_queue_full.wait(WAIT_S_MAX)

        store.transact(work)

    def run(place: int) -> None:
        try:
            outcomes[place] = works[place]()
        except QuarterdeckError as error:
            outcomes[place] = error

    threads = [threading.Thread(target=hold_the_writer)]
    threads[0].start()
    assert is_writer_busy.wait(WAIT_S_MAX)
    for place in range(len(works)):
        threads.append(threading.Thread(target=run, args=(place,)))
        threads[-1].start()
        deadline = time.monotonic() + WAIT_S_MAX
        while len(store._writer._waiting) <= place:
            assert time.monotonic() < deadline
    is_queue_full.set()
    for thread in threads:
        thread.join(WAIT_S_MAX)
    return outcomes


def refuse_job(path: Path, number: int) -> None:
    """From now on the database fails when this job's events are written."""
    other = sqlite3.connect(path)
    other.execute(
        f"CREATE TRIGGER broken BEFORE INSERT ON events WHEN new.job_id = '{a_job_id(number)}' "
        "BEGIN SELECT RAISE(ABORT, 'disk I/O error'); END"
    )
    other.close()


def test_a_commit_that_fails_is_unavailable_to_all_and_keeps_nothing(
    store: SqlStore, tmp_path: Path
) -> None:
    refuse_job(tmp_path / "store.db", 2)
    outcomes = run_together(
        store,
        [lambda n=n: submit(store, n) for n in (1, 2, 3)],  # type: ignore[misc]
    )
    assert [type(outcome) for outcome in outcomes] == [Unavailable] * 3
    assert len({id(outcome) for outcome in outcomes}) == 3
    assert "disk I/O error" in str(outcomes[0])
    assert store.head() == 0
    submit(store, 1)
    assert store.head() == 1


def test_a_verdict_on_what_was_not_kept_after_all_is_not_given(
    store: SqlStore, tmp_path: Path
) -> None:
    refuse_job(tmp_path / "store.db", 2)
    taken = run_together(store, [lambda: submit(store, 2), lambda: submit(store, 2)])
    assert [type(outcome) for outcome in taken] == [Unavailable] * 2


def test_works_of_one_commit_see_what_earlier_ones_wrote(store: SqlStore) -> None:
    found = run_together(
        store,
        [
            lambda: submit(store, 1),
            lambda: store.transact(lambda tx: tx.find_job(a_job_id(1))),
        ],
    )
    assert found == [a_job(1), a_job(1)]


def test_replies_kept_in_the_same_commit_are_found_and_dropped(store: SqlStore) -> None:
    reply = KeptReply("key", "digest", (a_job_id(1),), START_NS)
    outcomes = run_together(
        store,
        [
            lambda: store.transact(lambda tx: tx.keep_reply(reply)),
            lambda: store.transact(lambda tx: tx.find_reply("key")),
            lambda: store.transact(lambda tx: tx.drop_replies(START_NS + 1)),
            lambda: store.transact(lambda tx: tx.drop_replies(START_NS + 1)),
            lambda: store.transact(lambda tx: tx.find_reply("key")),
        ],
    )
    assert outcomes == [None, reply, 1, 0, None]
    assert store.transact(lambda tx: tx.find_reply("key")) is None


def test_a_work_that_swallows_an_error_of_the_database_is_not_kept(
    store: SqlStore, tmp_path: Path
) -> None:
    other = sqlite3.connect(tmp_path / "store.db")
    other.execute("DROP TABLE replies")
    other.close()

    def work(tx: Transaction) -> None:
        tx.append(None, [a_submitted()], a_job())
        with suppress(Unavailable):
            tx.find_reply("key")

    with pytest.raises(Unavailable, match="no such table"):
        store.transact(work)
    assert store.head() == 0


def test_text_that_is_not_unicode_is_refused_to_its_sender_alone(store: SqlStore) -> None:
    odd = a_job_spec(command=("echo", b"\xff".decode(errors="surrogateescape")))
    outcomes = run_together(store, [lambda: submit(store, 1, odd), lambda: submit(store, 2)])
    assert isinstance(outcomes[0], Invalid)
    assert outcomes[1] == a_job(2)


def test_a_closed_store_takes_nothing_more(store: SqlStore) -> None:
    store.close()
    with pytest.raises(Unavailable):
        store.transact(lambda tx: tx.append(None, [a_submitted()], a_job()))
