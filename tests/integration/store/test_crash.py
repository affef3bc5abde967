"""A process that is killed while it writes loses nothing that it was told is kept."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quarterdeck.adapters.stores.sql.store import open_store
from quarterdeck.basics.chance import Chance
from quarterdeck.basics.ids import JobId
from quarterdeck.control.restore import read_log
from quarterdeck.core.jobs.evolve import evolve
from quarterdeck.ports.store import JobFilter, JobRecord

if TYPE_CHECKING:
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import Store
    from quarterdeck.testing.postgres import PostgresServer

CRASHING = Path(__file__).parent / "crashing.py"
KILLS = 5
SEED = 20261123


def run_until_killed(address: str, first: int, lines: int) -> list[str]:
    """What the process was told is kept before it was killed, at some moment after so many."""
    command = [sys.executable, str(CRASHING), address, str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        told += process.stdout.readlines()
    # The last line may have been cut by the kill.
    return [line for line in told if line.endswith("\n")]


def check_all_kept(store: Store, told: list[str]) -> None:
    kept: dict[JobId, int] = {}
    for line in told:
        job_id, revision = line.split()
        kept[JobId(job_id)] = max(int(revision), kept.get(JobId(job_id), 0))
    replayed: dict[JobId, Job] = {}
    seqs = []
    for record in read_log(store):
        assert isinstance(record, JobRecord)
        seqs.append(record.seq)
        job = evolve(replayed.get(record.job_id), record.job_id, record.event)
        assert job.revision == record.revision
        replayed[record.job_id] = job
    assert seqs == [*range(1, len(seqs) + 1)]
    assert {job.id: job for job in store.list_jobs(JobFilter(limit=1_000_000))} == replayed
    for job_id, least in kept.items():
        assert replayed[job_id].revision >= least


def kill_again_and_again(address: str) -> None:
    chance = Chance(SEED)
    told: list[str] = []
    for kill in range(KILLS):
        told += run_until_killed(address, kill * 1_000_000, 1 + chance.below(120))
        store = open_store(address)
        check_all_kept(store, told)
        store.close()
    assert len(told) > KILLS


def test_a_killed_writer_on_sqlite_loses_nothing_that_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    kill_again_and_again(f"sqlite:///{path}")
    checked = sqlite3.connect(path)
    assert checked.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    checked.close()


@pytest.mark.needs_postgres
def test_a_killed_writer_on_postgres_loses_nothing_that_was_kept(postgres: PostgresServer) -> None:
    kill_again_and_again(postgres.new_database())
