"""A disk that fills up under a server, in the middle of thirty jobs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from quarterdeck.adapters.stores.sql.store import open_store
from quarterdeck.control.restore import read_log, restore
from quarterdeck.core.jobs.job import Job
from quarterdeck.ports.store import JobFilter
from quarterdeck.sdk import JobRequest
from tests.e2e.deck import Deck, until
from tests.mounts import fill, mounted

JOBS = 30
AT_A_TIME = 8
OPTIONS = ("--pretend", "dgx-a100:1", "--disk-reserve", "16MiB", "--ballast", "4MiB")


@pytest.fixture
def small_deck() -> Iterator[Deck]:
    """A home on a file system of 96 MiB."""
    with mounted(96) as disk:
        deck = Deck(disk / "home")
        yield deck
        deck.end()


def code_of(number: int) -> int:
    """With what each job ends."""
    return number % 3


@pytest.mark.needs_mount
def test_thirty_jobs_on_a_disk_that_fills_up(small_deck: Deck, tmp_path: Path) -> None:
    deck, filler = small_deck, small_deck.home.parent / "filler"
    gate = tmp_path / "gate"
    deck.up(*OPTIONS)
    line = f"echo up; while [ ! -e {gate} ]; do sleep 0.1; done; exit "
    with deck.client() as client:
        asked = [{"run": line + str(code_of(n)), "resources": {"gpu": 1}} for n in range(JOBS)]
        jobs = [client.submit(JobRequest.model_validate(one)).id for one in asked]
    until(lambda: count(deck, "running") == AT_A_TIME)
    until((deck.home / "ballast").exists)
    running = [job["id"] for job in deck.qd_json("ps", "-a")["jobs"] if job["state"] == "running"]

    fill(filler)
    assert free_bytes(deck.home) < 4096
    refused = deck.qd("run", "--detach", "--workdir", "none", "--", "true")
    assert refused.returncode == 125
    assert "the disk of site local is full" in refused.stderr
    assert "16MiB are kept free" in refused.stderr
    waiting = next(job_id for job_id in jobs if job_id not in running)
    verdict = deck.qd_json("explain", waiting)["verdict"]
    assert verdict["blocked_by"] == "disk_full", verdict

    gate.touch()
    until(lambda: count(deck, "succeeded") + count(deck, "failed") == AT_A_TIME, within_s=60)
    for job_id in running:
        assert_ended_well(deck, job_id, jobs.index(job_id))
    assert count(deck, "queued") == JOBS - AT_A_TIME
    assert count(deck, "starting") + count(deck, "running") == 0

    assert not (deck.home / "ballast").exists()

    filler.unlink()
    until(lambda: deck.qd("run", "--workdir", "none", "--", "true").returncode == 0, every_s=0.2)
    until(lambda: count(deck, "queued") == 0 and count(deck, "running") == 0, within_s=60)
    for number, job_id in enumerate(jobs):
        assert_ended_well(deck, job_id, number)
    until((deck.home / "ballast").exists)
    assert deck.qd("down").returncode == 0
    assert_nothing_was_lost(deck, jobs)


def free_bytes(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def count(deck: Deck, state: str) -> int:
    with deck.client() as client:
        return len(client.list_jobs(states=[state]).jobs)


def assert_ended_well(deck: Deck, job_id: str, number: int) -> None:
    with deck.client() as client:
        job = client.get_job(job_id)
    assert job.exit_code == code_of(number), job
    assert len(job.attempts) == 1, job
    assert job.state == ("failed" if code_of(number) else "succeeded")


def assert_nothing_was_lost(deck: Deck, jobs: list[str]) -> None:
    """The log has no hole, and replays to exactly what is stored."""
    store = open_store(deck.home / "quarterdeck.db")
    places = [record.seq for record in read_log(store)]
    assert places == [*range(1, len(places) + 1)]
    stored: list[Job] = store.list_jobs(JobFilter(limit=1000))
    assert {job.id for job in stored} >= set(jobs)
    restore(store)
    assert store.list_jobs(JobFilter(limit=1000)) == stored
    store.close()
