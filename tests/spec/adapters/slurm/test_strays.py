"""Which batch jobs are ours, and which of ours nobody wants any more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from quarterdeck.adapters.engines.slurm.keys import Keys, make_keys
from quarterdeck.adapters.engines.slurm.records import SlurmJob
from quarterdeck.adapters.engines.slurm.strays import AGAIN_S, MOMENT_S, Strays
from quarterdeck.adapters.engines.slurm.view import Look, index_own
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.basics.ids import JobId
from quarterdeck.ports.engine import AttemptRef
from tests.spec.adapters.slurm.makers import look_at, make_job

KEYS = Keys("home", "hpc")
REF = AttemptRef(JobId("j1"), 1)
KEY = KEYS.attempt(REF)


def job_of(number: int, state: str = "RUNNING", comment: str = KEY) -> SlurmJob:
    return make_job(id=number, state=state, comment=comment)


def look(*own: SlurmJob) -> Look:
    return replace(look_at(jobs=own), own=own)


def find(strays: Strays, now: float, *own: SlurmJob, **watched: int | None) -> list[int]:
    return strays.find(look(*own), {KEYS.attempts + key: job for key, job in watched.items()}, now)


def test_sites_of_one_home_and_pilots_do_not_know_each_other() -> None:
    other = make_keys("home", SitePaths(Path("/shared/hpc2")))
    keys = [KEY, KEYS.pilot("n1", 1), other.attempt(REF), other.pilot("n1", 1)]
    prefixes = [KEYS.attempts, KEYS.pilots, other.attempts, other.pilots]
    assert [[key.startswith(one) for key in keys].index(True) for one in prefixes] == [0, 1, 2, 3]
    assert sum(key.startswith(one) for key in keys for one in prefixes) == 4


def test_of_several_with_one_comment_the_one_that_runs_is_meant() -> None:
    waits, runs, ended = job_of(1, "PENDING"), job_of(2), job_of(3, "COMPLETED")
    for jobs in ((waits, runs, ended), (ended, runs, waits), (runs, ended, waits)):
        assert index_own(jobs) == {KEY: runs}
    assert index_own((ended, waits)) == {KEY: waits}
    assert index_own((job_of(4), job_of(3, "SUSPENDED"))) == {KEY: job_of(3, "SUSPENDED")}
    assert index_own((ended, job_of(1, "FAILED"))) == {KEY: ended}


def test_one_that_nobody_watches_is_cancelled_after_a_moment_until_it_has_ended() -> None:
    strays, job = Strays(KEYS.attempts), job_of(7)
    assert find(strays, 100.0, job) == []
    assert find(strays, 100.0 + MOMENT_S, job) == [7]
    assert find(strays, 101.0 + MOMENT_S, job) == []
    assert find(strays, 100.0 + MOMENT_S + AGAIN_S, job) == [7]
    assert find(strays, 1000.0, job_of(7, "CANCELLED")) == []


def test_those_that_are_watched_or_not_ours_or_about_to_go_are_left_alone() -> None:
    strays = Strays(KEYS.attempts)
    jobs = (job_of(7), job_of(8, comment=KEYS.pilot("n1", 1)), job_of(9, "COMPLETING", KEY + "1"))
    for now in (0.0, 100.0):
        assert find(strays, now, *jobs, **{"j1:1": 7}) == []


def test_a_second_one_that_waits_is_cancelled_and_one_that_runs_settles_it_itself() -> None:
    strays = Strays(KEYS.attempts)
    jobs = (job_of(7), job_of(8, "PENDING"), job_of(9))
    assert find(strays, 0.0, *jobs, **{"j1:1": 7}) == []
    assert find(strays, 100.0, *jobs, **{"j1:1": 7}) == [8]
    assert find(strays, 200.0, *jobs, **{"j1:1": None}) == []
