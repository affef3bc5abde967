"""A database that cannot grow: nothing half-written, and one more try after room was made."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from quarterdeck.adapters.stores.sql.store import SqlStore, open_store
from quarterdeck.basics.errors import Unavailable
from quarterdeck.control.restore import restore
from quarterdeck.ports.store import JobFilter
from quarterdeck.testing.builders import a_job_spec
from quarterdeck.testing.conformance.store_steps import submit
from tests.mounts import fill, mounted

LARGE = a_job_spec(env=(("LONG", "x" * 100_000),))


def submit_for_ever(store: SqlStore, number: int) -> None:
    while True:
        submit(store, number, LARGE)
        number += 1


class Pages:
    """How many pages SQLite may use: to it, the end of these is the end of the disk."""

    def __init__(self, store: SqlStore) -> None:
        self.most = 1_000_000
        self.made = 0
        engine = store._database.engine
        sa.event.listen(engine, "connect", self._limit)
        engine.dispose()
        store._writer._disconnect()

    def _limit(self, connection: object, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {self.most}")  # type: ignore[attr-defined]


def test_a_full_database_is_told_as_a_full_disk_and_nothing_is_written(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store.db")
    submit(store, 1)
    pages = Pages(store)
    pages.most = 1
    with pytest.raises(Unavailable, match="disk is full") as refused:
        submit(store, 2, LARGE)
    assert refused.value.code == "disk_full"
    assert store.head() == 1
    assert len(store.list_jobs(JobFilter())) == 1
    store.close()


def test_what_found_the_disk_full_is_done_again_once_room_was_made(tmp_path: Path) -> None:
    made: list[int] = []

    def make_room() -> bool:
        made.append(pages.most)
        pages.most = 1_000_000
        return True

    store = open_store(tmp_path / "store.db", make_room)
    submit(store, 1)
    pages = Pages(store)
    pages.most = 1
    job = submit(store, 2, LARGE)
    assert made == [1]
    assert store.find_job(job.id) == job
    store.close()


@pytest.mark.needs_mount
def test_on_a_disk_filled_to_the_brim_the_ballast_is_enough_for_last_words() -> None:
    with mounted(16) as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(b"\1" * 2**20)

        def make_room() -> bool:
            was_there = ballast.exists()
            ballast.unlink(missing_ok=True)
            return was_there

        store = open_store(disk / "store.db", make_room)
        for number in range(3):
            submit(store, number)
        fill(disk / "filler")
        number = 3
        while ballast.exists():
            submit(store, number, LARGE)
            number += 1
        assert len(store.list_jobs(JobFilter(limit=1000))) == number
        with pytest.raises(Unavailable) as refused:
            submit_for_ever(store, number)
        assert refused.value.code == "disk_full"
        (disk / "filler").unlink()
        submit(store, 1000)
        stored = store.list_jobs(JobFilter(limit=1000))
        restore(store)
        assert store.list_jobs(JobFilter(limit=1000)) == stored
        store.close()
