"""On a full disk new work is refused, running work goes on, and the queue goes on by itself."""

from __future__ import annotations

import pytest

from quarterdeck.basics.errors import Unavailable
from quarterdeck.control.explain import explain
from quarterdeck.control.plan import plan
from quarterdeck.control.snapshots import keep_snapshot
from quarterdeck.control.submit import Asked, submit
from quarterdeck.core.cluster.disk import DiskSpace
from quarterdeck.core.jobs.manifest import Manifest
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.testing.builders import a_dgx, a_job_spec
from tests.spec.control.desk import Desk

MIB = 2**20


class HandDisk:
    """A disk that a test fills."""

    def __init__(self) -> None:
        self.free_bytes = 1024 * MIB
        self.free_inodes = 5000

    def look(self) -> DiskSpace:
        size_bytes, reserve_bytes = 10 * 1024 * MIB, 256 * MIB
        return DiskSpace(
            "site local", size_bytes, self.free_bytes, reserve_bytes, 10_000, self.free_inodes, 100
        )


@pytest.fixture
def disk() -> HandDisk:
    return HandDisk()


@pytest.fixture
def desk(disk: HandDisk) -> Desk:
    made = Desk()
    object.__setattr__(made.plane, "disk", disk)
    made.report(a_dgx())
    return made


def test_submits_plans_and_snapshots_are_refused_with_the_numbers(
    desk: Desk, disk: HandDisk
) -> None:
    disk.free_bytes = 12 * MIB
    said = "the disk of site local is full: 12MiB free of 10GiB, 256MiB are kept free"
    for ask in (
        lambda: submit(desk.plane, a_job_spec(), "ada"),
        lambda: plan(desk.plane, a_job_spec()),
        lambda: keep_snapshot(desk.plane, Manifest(())),
    ):
        with pytest.raises(Unavailable, match=said) as refused:
            ask()
        assert refused.value.code == "disk_full"
        assert "qd gc" in refused.value.hint
    assert desk.store.head() == 1


def test_a_key_that_has_made_a_job_still_finds_it(desk: Desk, disk: HandDisk) -> None:
    asked = Asked("key", "digest")
    job = submit(desk.plane, a_job_spec(), "ada", asked).job
    disk.free_bytes = 0
    assert submit(desk.plane, a_job_spec(), "ada", asked).job == job


def test_a_disk_without_inodes_is_full_with_bytes_to_spare(desk: Desk, disk: HandDisk) -> None:
    disk.free_inodes = 99
    with pytest.raises(Unavailable, match="99 of 10000 inodes free, 100 are kept free"):
        desk.submit()
    disk.free_inodes = 100
    desk.submit()


def test_nothing_is_placed_on_a_full_disk_and_the_reason_is_told(
    desk: Desk, disk: HandDisk
) -> None:
    job = desk.submit()
    disk.free_bytes = 12 * MIB
    assert desk.scheduler.turn() == 0
    explanation = explain(desk.plane, job.id)
    assert explanation.outlook is not None
    assert explanation.outlook.placement is None
    verdict = explanation.outlook.verdict
    assert verdict is not None
    assert verdict.blocked_by is Blocker.DISK_FULL
    assert explanation.summary == verdict.message
    assert "12MiB free of 10GiB, 256MiB are kept free" in verdict.message
    assert verdict.numbers["kept_free_bytes"] == 256 * MIB


def test_the_queue_goes_on_by_itself_when_there_is_room_again(desk: Desk, disk: HandDisk) -> None:
    desk.submit()
    disk.free_bytes = 255 * MIB
    assert desk.scheduler.turn() == desk.scheduler.turn() == 0
    disk.free_bytes = 256 * MIB
    assert desk.scheduler.turn() == 1


def test_what_runs_ends_on_a_full_disk(desk: Desk, disk: HandDisk) -> None:
    job = desk.submit()
    desk.scheduler.turn()
    desk.start(job)
    disk.free_bytes = 0
    assert desk.end(job, code=3).exit_code == 3
