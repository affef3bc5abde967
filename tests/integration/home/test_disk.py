"""The disk under a home, and its ballast."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quarterdeck.adapters.disk import filesystem
from quarterdeck.adapters.disk.filesystem import FilesystemDisk
from tests.mounts import fill, mounted

MIB = 2**20


@pytest.fixture(autouse=True)
def _look_always(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "LOOK_S", 0.0)


def test_the_reserve_is_the_larger_of_256_mib_and_one_percent(tmp_path: Path) -> None:
    space = FilesystemDisk(tmp_path, "site local").look()
    assert space.reserve_bytes == max(256 * MIB, space.size_bytes // 100)
    assert FilesystemDisk(tmp_path, "site local", reserve_bytes=7).look().reserve_bytes == 7


def test_one_look_serves_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(filesystem, "LOOK_S", 1000.0)
    disk = FilesystemDisk(tmp_path, "site local")
    seen = disk.look()
    monkeypatch.setattr(os, "statvfs", None)
    assert disk.look() is seen


def test_the_ballast_takes_its_room_and_gives_it_back_once(tmp_path: Path) -> None:
    disk = FilesystemDisk(tmp_path, "site local", reserve_bytes=0, ballast_bytes=MIB)
    assert disk.restore_ballast()
    assert disk.restore_ballast()
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= MIB
    assert disk.give_up_ballast()
    assert not (tmp_path / "ballast").exists()


def test_whoever_failed_with_the_same_full_disk_may_try_again_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = FilesystemDisk(tmp_path, "site local", reserve_bytes=0, ballast_bytes=MIB)
    assert not disk.give_up_ballast()
    disk.restore_ballast()
    assert disk.give_up_ballast()
    assert disk.give_up_ballast()
    monkeypatch.setattr(filesystem, "GIVEN_UP_S", 0.0)
    assert not disk.give_up_ballast()


def test_no_ballast_is_made_when_none_is_wanted_or_the_reserve_would_suffer(
    tmp_path: Path,
) -> None:
    assert not FilesystemDisk(tmp_path, "it", ballast_bytes=0).restore_ballast()
    assert not FilesystemDisk(tmp_path, "it", reserve_bytes=2**60).restore_ballast()
    assert not (tmp_path / "ballast").exists()


@pytest.mark.needs_mount
def test_a_filled_disk_is_full_and_a_cleared_one_is_not() -> None:
    with mounted(16) as root:
        disk = FilesystemDisk(root, "site local", reserve_bytes=4 * MIB, ballast_bytes=MIB)
        assert disk.restore_ballast()
        assert not disk.look().is_full
        fill(root / "filler")
        assert disk.look().is_full
        assert "free of" in disk.look().message
        assert disk.give_up_ballast()
        assert disk.look().free_bytes >= MIB - 64 * 1024
        assert not disk.restore_ballast()
        (root / "filler").unlink()
        assert not disk.look().is_full
        assert disk.restore_ballast()
