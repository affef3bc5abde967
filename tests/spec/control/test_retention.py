"""The sweeper deletes what the rules say, and nothing that anybody still counts on."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from quarterdeck.adapters.blobs.filesystem import FilesystemBlobs
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.adapters.spool.stock import SpoolStock
from quarterdeck.basics.errors import Conflict, Invalid, Unavailable
from quarterdeck.control.requeue import requeue
from quarterdeck.control.restore import restore
from quarterdeck.control.retention import Sweeper
from quarterdeck.control.snapshots import keep_snapshot
from quarterdeck.core.jobs.job import Job
from quarterdeck.core.jobs.manifest import Manifest, ManifestFile
from quarterdeck.core.retention.rules import DAY_S, Retention, Rule
from quarterdeck.ports.keeping import ArchivedJob
from quarterdeck.ports.store import JobFilter
from quarterdeck.testing.builders import SITE, START_NS, a_dgx, a_job_spec
from tests.spec.control.desk import Desk

HOUR_S = 3600.0


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


FOLDER = Manifest((ManifestFile("a", digest=digest_of(b"a")),))


class ListArchive:
    """An archive in memory, that may be out of order."""

    def __init__(self) -> None:
        self.jobs: list[ArchivedJob] = []
        self.fails = False

    def append(self, jobs: Sequence[ArchivedJob]) -> None:
        if self.fails:
            raise Unavailable("no room")
        self.jobs += jobs


class Attic:
    """A desk, a site's folders, and the sweeper over both."""

    def __init__(self, root: Path, retention: Retention) -> None:
        self.desk = Desk()
        clock = self.desk.clock
        self.blobs = FilesystemBlobs(root / "blobs", clock.now_ns)
        object.__setattr__(self.desk.plane, "blobs", self.blobs)
        self.desk.report(a_dgx())
        self.paths = SitePaths(root / "site")
        self.paths.make()
        self.archive = ListArchive()
        self.stock = SpoolStock(self.paths)
        self.sweeper = Sweeper(self.desk.plane, {SITE: self.stock}, self.archive, retention)

    def leave(self, job: Job, attempt: int = 1, size_bytes: int = 4096) -> None:
        """What the job's ended attempt left at the site, as of now."""
        site = self.paths.root
        for place in (
            site / "ended" / job.id / str(attempt) / "0" / "log",
            site / "results" / job.id / str(attempt) / "0" / "out",
            site / "checkpoints" / job.id / "step-1",
        ):
            place.parent.mkdir(parents=True)
            place.write_bytes(b"x" * size_bytes)
            now_ns = self.desk.clock.now_ns()
            os.utime(place, ns=(now_ns, now_ns))

    def keep_folder(self) -> str:
        self.blobs.put(digest_of(b"a"), [b"a"])
        return keep_snapshot(self.desk.plane, FOLDER).digest

    def left(self) -> list[str]:
        site = self.paths.root
        files = (path for path in site.glob("[!at]*/**/*") if path.is_file())
        return sorted(path.relative_to(site).as_posix() for path in files)

    def sweep(self) -> list[str]:
        return sorted(
            f"{one.stored.kind}/{one.stored.name}" for one in self.sweeper.sweep(1000).gone
        )


@pytest.fixture
def attic(tmp_path: Path) -> Attic:
    return Attic(tmp_path, Retention(jobs=Rule(30 * DAY_S)))


def test_each_kind_goes_when_its_own_time_has_come(attic: Attic) -> None:
    done, failed = attic.desk.run(), attic.desk.run(code=1)
    attic.leave(done)
    attic.leave(failed)
    attic.desk.clock.pass_s(7 * DAY_S - HOUR_S)
    assert attic.sweep() == []
    attic.desk.clock.pass_s(2 * HOUR_S)
    assert attic.sweep() == [f"checkpoints/{done.id}"]
    attic.desk.clock.pass_s(23 * DAY_S)
    assert [name.partition("/")[0] for name in attic.sweep()] == [
        "checkpoints",
        "jobs",
        "logs",
        "logs",
    ]


def test_a_plan_names_the_same_and_deletes_nothing(attic: Attic) -> None:
    attic.leave(attic.desk.run())
    attic.desk.clock.pass_s(91 * DAY_S)
    before = attic.left()
    planned = sorted(f"{one.stored.kind}/{one.stored.name}" for one in attic.sweeper.plan())
    assert attic.left() == before
    assert attic.sweep() == planned != []


def test_nothing_of_an_unfinished_job_is_touched(attic: Attic) -> None:
    job = attic.desk.run()
    attic.leave(job)
    queued = attic.desk.submit(a_job_spec(snapshot=attic.keep_folder()))
    requeue(attic.desk.plane, job.id, "ada")
    before = attic.left()
    for _ in range(100):
        attic.desk.clock.pass_s(DAY_S)
        assert attic.sweep() == []
    assert attic.left() == before
    assert attic.blobs.missing([FOLDER.digest, digest_of(b"a")]) == []
    assert {attic.desk.job(one.id).state.value for one in (queued, job)} == {"queued"}


def test_the_oldest_go_first_when_there_is_too_much(tmp_path: Path) -> None:
    attic = Attic(tmp_path, Retention(logs=Rule(bytes_max=50_000)))
    jobs = []
    for _ in range(4):
        jobs.append(attic.desk.run())
        attic.leave(jobs[-1], size_bytes=16_384)
        attic.desk.clock.pass_s(60)
    assert attic.sweep() == sorted(f"logs/{job.id}/1" for job in jobs[:2])


def test_a_turn_does_a_little_and_the_next_one_goes_on(attic: Attic) -> None:
    for _ in range(150):
        attic.leave(attic.desk.run())
    attic.desk.clock.pass_s(8 * DAY_S)
    assert attic.sweeper.turn()
    assert 0 < len(list((attic.paths.root / "checkpoints").iterdir())) < 150
    while attic.sweeper.turn():
        pass
    assert list((attic.paths.root / "checkpoints").iterdir()) == []


def test_a_job_that_goes_on_gets_its_checkpoint_back(attic: Attic) -> None:
    job = attic.desk.run()
    attic.leave(job)
    attic.desk.clock.pass_s(8 * DAY_S)
    (doomed,) = attic.sweeper.plan()
    assert not attic.stock.drop(doomed.stored, None, lambda: False)  # type: ignore[arg-type]
    assert (attic.paths.root / "checkpoints" / job.id / "step-1").exists()
    requeue(attic.desk.plane, job.id, "ada")
    assert attic.sweep() == []


# Jobs and their events


def test_jobs_leave_the_store_whole_and_only_after_they_are_archived(attic: Attic) -> None:
    old, new = attic.desk.run(), None
    history = attic.desk.store.list_records(0, job_id=old.id)
    attic.desk.clock.pass_s(31 * DAY_S)
    new = attic.desk.run()
    attic.archive.fails = True
    assert attic.sweep() == []
    assert attic.desk.store.find_job(old.id) == old
    attic.archive.fails = False
    assert attic.sweep() == [f"jobs/{old.id}"]
    assert attic.archive.jobs == [ArchivedJob(old, tuple(history))]  # type: ignore[arg-type]
    assert attic.desk.store.list_jobs(JobFilter()) == [new]
    restore(attic.desk.store)
    assert attic.desk.store.list_jobs(JobFilter()) == [new]


def test_a_crash_after_the_archive_gives_a_double_and_no_loss(attic: Attic) -> None:
    old = attic.desk.run()
    attic.desk.clock.pass_s(31 * DAY_S)
    attic.desk.run()

    class Crash(Exception):
        pass

    def crash() -> None:
        raise Crash

    attic.desk.store.first = crash
    with pytest.raises(Crash):
        attic.sweep()
    assert attic.desk.store.find_job(old.id) == old
    assert attic.sweep() == [f"jobs/{old.id}"]
    assert [one.job for one in attic.archive.jobs] == [old, old]


def test_a_job_that_is_requeued_between_archive_and_store_stays(attic: Attic) -> None:
    old = attic.desk.run()
    attic.desk.clock.pass_s(31 * DAY_S)
    attic.desk.run()
    attic.desk.store.first = lambda: requeue(attic.desk.plane, old.id, "ada")
    assert attic.sweep() == []
    assert attic.desk.job(old.id).state == "queued"


def test_a_job_that_another_one_waits_for_stays(attic: Attic) -> None:
    needed = attic.desk.run()
    attic.desk.clock.pass_s(31 * DAY_S)
    attic.desk.submit(a_job_spec(needs=(needed.id,)))
    assert attic.sweep() == []


def test_with_its_job_everything_of_it_goes(tmp_path: Path) -> None:
    forever = Rule()
    attic = Attic(tmp_path, Retention(forever, forever, forever, forever, forever, Rule(9 * DAY_S)))
    attic.leave(attic.desk.run())
    attic.desk.clock.pass_s(10 * DAY_S)
    attic.desk.run()
    assert [name.partition("/")[0] for name in attic.sweep()] == ["jobs"]
    assert attic.left() == []


# Work folders


def test_a_work_folder_goes_two_weeks_after_it_was_last_needed(attic: Attic) -> None:
    job = attic.desk.submit(a_job_spec(snapshot=attic.keep_folder()))
    attic.desk.clock.pass_s(20 * DAY_S)
    assert attic.sweep() == []
    attic.desk.scheduler.turn()
    attic.desk.start(job)
    attic.desk.end(job)
    attic.desk.clock.pass_s(13 * DAY_S)
    assert attic.sweep() == []
    attic.desk.clock.pass_s(2 * DAY_S)
    assert len(attic.sweep()) == 2
    with pytest.raises(Conflict, match="work folder") as refused:
        requeue(attic.desk.plane, job.id, "ada")
    assert refused.value.code == "snapshot_deleted"
    with pytest.raises(Invalid, match="no work folder"):
        attic.desk.submit(a_job_spec(snapshot=FOLDER.digest))
    assert attic.keep_folder()
    assert requeue(attic.desk.plane, job.id, "ada").state == "queued"


def test_a_submit_renews_the_folder_and_all_its_files(attic: Attic) -> None:
    digest = attic.keep_folder()
    attic.desk.clock.pass_s(14 * DAY_S - HOUR_S)
    attic.desk.submit(a_job_spec(snapshot=digest))
    attic.desk.clock.pass_s(2 * HOUR_S)
    assert list(attic.blobs.list_unused(14 * DAY_S)) == []


def test_a_folder_that_lost_a_file_is_no_folder(attic: Attic) -> None:
    digest = attic.keep_folder()
    attic.desk.clock.pass_s(HOUR_S)
    assert attic.blobs.drop_unused(digest_of(b"a"), 60.0)
    with pytest.raises(Invalid, match="no work folder"):
        attic.desk.submit(a_job_spec(snapshot=digest))


def test_a_blob_that_a_submit_has_counted_on_does_not_vanish(tmp_path: Path) -> None:
    """Two threads race for one old blob, again and again: whenever `missing` says that it is here,
    it is here; whenever the sweep took it, `missing` says so."""
    clock = Desk().clock
    blobs = FilesystemBlobs(tmp_path / "blobs", clock.now_ns)
    digest = digest_of(b"a")
    for _ in range(300):
        blobs.put(digest, [b"a"])
        clock.pass_s(15 * DAY_S)
        ready = threading.Barrier(2)
        dropped: list[bool] = []

        def sweep(ready: threading.Barrier = ready, dropped: list[bool] = dropped) -> None:
            ready.wait(20)
            dropped.append(blobs.drop_unused(digest, 14 * DAY_S))

        sweeping = threading.Thread(target=sweep)
        sweeping.start()
        ready.wait(20)
        is_missing = blobs.missing([digest]) == [digest]
        sweeping.join(20)
        assert dropped == [is_missing]


def test_a_clock_that_jumps_back_an_hour_deletes_nothing_early(attic: Attic) -> None:
    job = attic.desk.run(a_job_spec(snapshot=attic.keep_folder()))
    attic.leave(job)
    attic.desk.clock.pass_s(6.99 * DAY_S)
    attic.desk.clock.pass_s(-HOUR_S)
    assert attic.sweep() == []
    attic.desk.clock.at_ns = START_NS - 10**9
    assert attic.sweep() == []
