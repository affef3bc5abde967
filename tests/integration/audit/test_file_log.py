"""The log in files: crashes at every byte, full disks, damage, and clocks that are put back."""

from __future__ import annotations

import errno
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from quarterdeck.adapters.audit import segments
from quarterdeck.adapters.audit.folder import examine_folder
from quarterdeck.adapters.audit.log import FileAuditLog
from quarterdeck.basics.errors import Refused, Unavailable
from quarterdeck.core.audit.record import Entry, parse_record
from tests.e2e.deck import until

NAME = "quarterdeck.audit/h0me"


@contextmanager
def opened(
    folder: Path,
    now_ns: Callable[[], int] = time.time_ns,
    *,
    segment_bytes_max: int = 2000,
    make_room: Callable[[], bool] = lambda: False,
) -> Iterator[FileAuditLog]:
    log = FileAuditLog(
        folder, now_ns, name=NAME, segment_bytes_max=segment_bytes_max, make_room=make_room
    )
    try:
        yield log
    finally:
        log.close()


def fill(log: FileAuditLog, count: int) -> None:
    for _ in range(count):
        log.append(Entry("op")).wait(10)


def operations(log: FileAuditLog) -> list[str]:
    return [parse_record(line).operation for line in log.read_forwards(0, log.size)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


def test_a_log_goes_on_where_it_was_over_many_segments(folder: Path) -> None:
    for number in range(4):
        with opened(folder) as log:
            assert log.size == number * 10
            fill(log, 10)
    assert len(segments.list_segments(folder)) > 4
    examination, signed = examine_folder(folder)
    assert examination.findings == []
    assert signed is not None
    assert (examination.size, signed.size) == (40, 40)


def test_a_crash_at_any_byte_of_the_last_records_leaves_the_checkpoint_intact(
    folder: Path, tmp_path: Path
) -> None:
    """Each byte of the two records behind the checkpoint, with the hashes there, gone, or torn."""
    with opened(folder, segment_bytes_max=10**6) as log:
        fill(log, 5)
        note = log.checkpoint()
    path = segments.segment_path(folder, 0)
    signed_bytes = path.stat().st_size
    with opened(folder, segment_bytes_max=10**6) as log:
        fill(log, 2)
    whole, hashes = path.read_bytes(), (folder / "hashes").read_bytes()
    ends = [at for at in range(len(whole) + 1) if whole[:at].endswith(b"\n")]
    for at in range(signed_bytes, len(whole) + 1):
        crashed = tmp_path / "crashed"
        shutil.rmtree(crashed, ignore_errors=True)
        shutil.copytree(folder, crashed)
        (crashed / "checkpoint").write_text(note)
        segments.segment_path(crashed, 0).write_bytes(whole[:at] + b"\0" * (at % 3))
        (crashed / "hashes").write_bytes(hashes[: len(hashes) - at % 100])
        with opened(crashed) as log:
            assert log.size == sum(end <= at for end in ends)
            fill(log, 1)
            assert operations(log)[-1] == "op"
        examination, _ = examine_folder(crashed, None, [note])
        assert examination.findings == [], at


def test_lost_hashes_are_made_again(folder: Path) -> None:
    with opened(folder) as log:
        fill(log, 30)
        note = log.checkpoint()
    (folder / "hashes").unlink()
    with opened(folder) as log:
        assert log.size == 30
        assert log.checkpoint() == note


@pytest.mark.parametrize(
    "damage", ["tail", "line", "all", "record", "segment", "checkpoint", "note"]
)
def test_a_damaged_log_is_set_aside_and_named_for_ever(folder: Path, damage: str) -> None:
    with opened(folder) as log:
        fill(log, 30)
        note = log.checkpoint()
    firsts = segments.list_segments(folder)
    last, middle = (segments.segment_path(folder, firsts[n]) for n in (-1, len(firsts) // 2))
    if damage == "tail":
        last.unlink()
    elif damage == "line":
        os.truncate(last, last.stat().st_size - 1)
    elif damage == "all":
        for first in firsts:
            segments.segment_path(folder, first).unlink()
    elif damage == "record":
        (folder / "hashes").unlink()
        middle.write_bytes(middle.read_bytes().replace(b'"op"', b'"po"', 1))
    elif damage == "segment":
        (folder / "hashes").unlink()
        middle.unlink()
    elif damage == "checkpoint":
        (folder / "checkpoint").unlink()
    else:
        (folder / "checkpoint").write_text(note.replace("\n30\n", "\n29\n"))
    for _ in range(2):
        with opened(folder) as log:
            fill(log, 1)
            assert operations(log)[0] == "audit_damaged"
    examination, _ = examine_folder(folder, None, [note])
    assert any("kept in damaged-1" in finding for finding in examination.findings)
    assert any("30" in finding for finding in examination.findings)
    assert (folder / "damaged-1" / "key.pub").exists()


def test_two_logs_of_one_key_are_told_apart(folder: Path, tmp_path: Path) -> None:
    """A home put back from a copy: both halves are whole, and contradict each other."""
    with opened(folder) as log:
        fill(log, 5)
    shutil.copytree(folder, tmp_path / "copy")
    with opened(folder) as log:
        fill(log, 3)
        note = log.checkpoint()
    with opened(tmp_path / "copy") as log:
        fill(log, 2)
    assert "cut off" in examine_folder(tmp_path / "copy", None, [note])[0].findings[0]
    with opened(tmp_path / "copy") as log:
        fill(log, 2)
    assert "fork" in examine_folder(tmp_path / "copy", None, [note])[0].findings[0]
    assert examine_folder(tmp_path / "copy")[0].findings == []


def test_a_clock_that_is_put_back_does_not_put_the_log_back(folder: Path) -> None:
    times = iter([5000, 3000, 6000])
    with opened(folder, lambda: next(times)) as log:
        fill(log, 3)
    with opened(folder, lambda: 10) as log:
        fill(log, 1)
        stamps = [parse_record(line).at_ns for line in log.read_forwards(0, 4)]
    assert stamps == [5000, 5000, 6000, 6000]


def test_while_the_disk_is_full_nothing_is_promised_and_all_is_counted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Part of a line is written before there is no more room; afterwards it is as if never."""
    is_full = threading.Event()
    write = os.pwrite

    def pwrite(handle: int, content: bytes, offset: int) -> int:
        if is_full.is_set():
            write(handle, content[:17], offset)
            raise OSError(errno.ENOSPC, "no room")
        return write(handle, content, offset)

    with opened(folder) as log:
        fill(log, 3)
        note = log.checkpoint()
        monkeypatch.setattr("quarterdeck.adapters.audit.durable.os.pwrite", pwrite)
        is_full.set()
        for _ in range(4):
            with pytest.raises(Unavailable) as caught:
                log.append(Entry("lost")).wait(10)
            assert caught.value.code == "audit_unavailable"
        assert log.is_failing
        assert log.checkpoint() == note
        is_full.clear()
        until(lambda: not log.is_failing)
        fill(log, 1)
        records = [parse_record(line) for line in log.read_forwards(0, log.size)]
    assert [one.operation for one in records] == ["op", "op", "op", "audit_resumed", "op"]
    assert [one.missing for one in records] == [0, 0, 0, 4, 0]
    examination, _ = examine_folder(folder, None, [note])
    assert (examination.findings, examination.missing) == ([], 4)


def test_a_full_disk_that_can_be_given_room_loses_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = [True]
    write = os.pwrite

    def pwrite(handle: int, content: bytes, offset: int) -> int:
        if full:
            raise OSError(errno.ENOSPC, "no room")
        return write(handle, content, offset)

    with opened(folder, make_room=full.pop) as log:
        monkeypatch.setattr("quarterdeck.adapters.audit.durable.os.pwrite", pwrite)
        fill(log, 2)
        assert full == []
        assert log.size == 2


def test_a_key_that_others_can_read_is_refused(folder: Path) -> None:
    with opened(folder) as log:
        fill(log, 1)
    assert (folder / "key").stat().st_mode & 0o777 == 0o600
    (folder / "key").chmod(0o644)
    with pytest.raises(Refused, match="can be read by others"):
        FileAuditLog(folder, time.time_ns, name=NAME)


def test_who_waits_shares_a_sync(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    syncs: list[int] = []
    sync = os.fdatasync

    def fdatasync(handle: int) -> None:
        syncs.append(handle)
        sync(handle)

    with opened(folder, segment_bytes_max=10**9) as log:
        monkeypatch.setattr("quarterdeck.adapters.audit.segments.os.fdatasync", fdatasync)
        threads = [threading.Thread(target=fill, args=(log, 20)) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert log.size == 320
    assert len(syncs) < 160
