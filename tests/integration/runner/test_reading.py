"""A log is found by its last lines, by time and by text, however long it is."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest

from quarterdeck.adapters.spool import logs
from quarterdeck.adapters.spool.files import SpoolFiles
from quarterdeck.adapters.spool.paths import SitePaths
from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.ports.engine import AttemptRef
from tests.integration.runner.ground import Ground

JOB = JobId(format_id("j", 1))
S = 10**9


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = SitePaths(tmp_path).replica(AttemptRef(JOB, 1), 0)
    made.mkdir(parents=True)
    return made


@pytest.fixture
def files(tmp_path: Path) -> SpoolFiles:
    return SpoolFiles(SitePaths(tmp_path))


def tail(folder: Path, lines: int) -> bytes:
    return (folder / "log").read_bytes()[logs.find_tail(folder, lines) :]


def test_the_last_lines_are_found(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "BLOCK_BYTES", 7)
    (folder / "log").write_bytes(b"one\ntwo\n\nfour, which is longer\nfive")
    assert tail(folder, 0) == b""
    assert tail(folder, 1) == b"five"
    assert tail(folder, 2) == b"four, which is longer\nfive"
    assert tail(folder, 3) == b"\nfour, which is longer\nfive"
    assert tail(folder, 5) == tail(folder, 500) == (folder / "log").read_bytes()
    (folder / "log").write_bytes(b"one\ntwo\n")
    assert tail(folder, 0) == b""
    assert tail(folder, 1) == b"two\n"
    assert tail(folder, 2) == b"one\ntwo\n"
    (folder / "log").write_bytes(b"")
    assert tail(folder, 3) == b""


def test_a_log_that_is_not_there_begins_at_its_start(folder: Path, files: SpoolFiles) -> None:
    assert files.find_log_start(JOB, 1, 0, tail=3, since_ns=5) == 0
    assert files.search_log(JOB, 1, 0, 0, b"x", is_over=False).next_offset == 0


def test_a_time_is_found_to_the_second(folder: Path) -> None:
    times = [100 * S, 101 * S, 160 * S, 161 * S]
    (folder / "log").write_bytes(b"x" * 100)
    index = b"".join(struct.pack("<QQ", 10 * n, at_ns) for n, at_ns in enumerate(times))
    (folder / "log.index").write_bytes(index + b"half a rec")
    found = {at: logs.find_since(folder, at * S) for at in (0, 100, 102, 103, 150, 161, 163)}
    assert found == {0: 0, 100: 0, 102: 10, 103: 20, 150: 20, 161: 20, 163: 100}
    (folder / "log.index").unlink()
    assert logs.find_since(folder, 150 * S) == 0


def test_since_leaves_out_what_is_older(ground: Ground) -> None:
    folder, exited = ground.run_to_end("echo old; sleep 2.5; echo new")
    offset = logs.find_since(folder, exited["at_ns"] - S)
    assert (folder / "log").read_bytes()[offset:] == b"new\n"


def search_all(files: SpoolFiles, text: bytes, *, is_over: bool = True) -> bytes:
    found, offset = b"", 0
    while True:
        part = files.search_log(JOB, 1, 0, offset, text, is_over=is_over)
        found += part.data
        if part.next_offset == offset:
            return found
        offset = part.next_offset


def test_lines_are_found_wherever_blocks_end(
    folder: Path, files: SpoolFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [b"loss=%d step=%d" % (number % 7, number) for number in range(200)]
    (folder / "log").write_bytes(b"\n".join(lines))
    wanted = [line for line in lines if b"loss=3" in line]
    for size in (30, 64, 100, 4096):
        monkeypatch.setattr(logs, "BLOCK_BYTES", size)
        monkeypatch.setattr(logs, "SEARCH_BYTES_MAX", 3 * size)
        assert search_all(files, b"loss=3").splitlines() == wanted
    assert search_all(files, b"step=199") == b"loss=3 step=199"
    assert search_all(files, b"absent") == b""


def test_an_unfinished_line_waits_until_it_is_whole(folder: Path, files: SpoolFiles) -> None:
    (folder / "log").write_bytes(b"one match\nhalf a mat")
    first = files.search_log(JOB, 1, 0, 0, b"mat", is_over=False)
    assert (first.data, first.next_offset) == (b"one match\n", 10)
    (folder / "log").write_bytes(b"one match\nhalf a match\n")
    again = files.search_log(JOB, 1, 0, first.next_offset, b"mat", is_over=False)
    assert again.data == b"half a match\n"


def test_a_line_without_an_end_is_searched_in_pieces(
    folder: Path, files: SpoolFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "BLOCK_BYTES", 16)
    for before in range(40):
        (folder / "log").write_bytes(b"." * before + b"needle" + b"." * 50)
        assert b"needle" in search_all(files, b"needle")


def test_a_search_takes_little_memory(folder: Path, files: SpoolFiles) -> None:
    with (folder / "log").open("wb") as log:
        for _ in range(60):
            log.write(b"x" * 79 + b"\n" + b"y" * (2**20 - 80))
    tracemalloc.start()
    search_all(files, b"needle")
    assert len(files.search_log(JOB, 1, 0, 0, b"x", is_over=True).data) < 3 * 2**20
    assert len(files.search_log(JOB, 1, 0, 0, b"y", is_over=True).data) < 3 * 2**20
    logs.find_tail(folder, 1_000_000)
    assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    tracemalloc.stop()


class MovedMeanwhile(SitePaths):
    """An attempt that ends, so that its folder is moved, just after somebody looked for it."""

    def replica(self, ref: AttemptRef, node_rank: int) -> Path:
        place = super().replica(ref, node_rank)
        if place.parent.exists():
            self.ended_attempt(ref).parent.mkdir(parents=True)
            place.parent.rename(self.ended_attempt(ref))
        return place


@pytest.mark.parametrize("way", ["read", "search", "tail"])
def test_nothing_is_lost_when_the_attempt_ends_between_the_look_and_the_opening(
    way: str, tmp_path: Path, folder: Path
) -> None:
    (folder / "log").write_bytes(b"one\nthe last line\n")
    files = SpoolFiles(MovedMeanwhile(tmp_path))
    if way == "read":
        chunk = files.read_log(JOB, 1, 0, 4, 100)
        assert (chunk.data, chunk.is_final) == (b"the last line\n", True)
    elif way == "search":
        assert files.search_log(JOB, 1, 0, 0, b"last", is_over=True).data == b"the last line\n"
    else:
        assert files.find_log_start(JOB, 1, 0, tail=1) == 4
    assert not folder.exists()
