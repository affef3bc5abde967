"""What a command writes: carried whole at a bearable rate, bounded above it, never in its way."""

from __future__ import annotations

import hashlib
import os
import re
import struct
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.runner.logfile import Budget, LogFile
from quarterdeck.runner.relay import Relay
from tests.integration.runner.ground import Ground, until

MARK = re.compile(rb"\[qd: ([0-9,]+) bytes left out here: ([^\]\n]*)\]\n")
FLOOD = "head -c 30000000 /dev/zero | tr '\\0' 'x' | fold -w 99; echo; echo last words"
FLOOD_BYTES = 30000000 + 30000000 // 99 + 1 + len("last words\n")


def limits(rate: int = 2**20, burst: int = 2**20, size: int = 2**30) -> dict[str, int]:
    return {"rate_bytes_per_s": rate, "burst_bytes": burst, "size_bytes_max": size}


def missing_bytes(log: bytes) -> int:
    return sum(int(number.replace(b",", b"")) for number, _ in MARK.findall(log))


def python(program: str) -> dict[str, Any]:
    return {"command": [sys.executable, "-S", "-c", program]}


def test_five_megabytes_a_second_arrive_to_the_last_byte(ground: Ground) -> None:
    program = (
        "import hashlib, os, sys, time\n"
        "digest = hashlib.sha256(); start = time.monotonic()\n"
        "for number in range(600):\n"
        "    line = os.urandom(12500).hex().encode() + b'\\n'\n"
        "    digest.update(line); sys.stdout.buffer.write(line); sys.stdout.buffer.flush()\n"
        "    time.sleep(max(0, start + number * 0.005 - time.monotonic()))\n"
        "open(os.environ['QD_RESULTS'] + '/digest', 'w').write(digest.hexdigest())\n"
    )
    folder, _ = ground.run_to_end("", **python(program))
    written = (ground.root / "results" / "j1" / "0" / "digest").read_text()
    assert hashlib.sha256((folder / "log").read_bytes()).hexdigest() == written


def test_a_flood_is_cut_and_every_missing_byte_is_counted(ground: Ground) -> None:
    folder, exited = ground.run_to_end("seq -f %09.0f 3000000", log=limits())
    log = (folder / "log").read_bytes()
    assert exited["ranks"][0]["code"] == 0
    assert len(log) < 10_000_000
    marks = list(MARK.finditer(log))
    assert {match[2] for match in marks} == {b"more than 1MiB/s"}
    assert 1 <= len(marks) <= (exited["at_ns"] - ground.fact(folder, "started")["at_ns"]) / 1e9 + 2
    lines = MARK.sub(b"", log).splitlines()
    numbers = [int(line) for line in lines if len(line) == 9]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == 3_000_000
    # A line that a gap cut off was ended before the mark.
    cut_off = [line for line in lines if len(line) != 9]
    assert len(cut_off) <= len(marks)
    kept = 10 * len(numbers) + sum(map(len, cut_off))
    # A line that lost no more than its newline looks whole.
    assert kept + missing_bytes(log) - 30_000_000 in range(len(marks) - len(cut_off) + 1)


def test_the_last_words_after_a_flood_are_kept(ground: Ground) -> None:
    for name, bounds in (("j1", limits()), ("j2", limits(size=2**20))):
        folder, _ = ground.run_to_end(FLOOD, name=name, log=bounds)
        assert (folder / "log").read_bytes().endswith(b"\nlast words\n")


def test_a_log_never_grows_beyond_its_size(ground: Ground) -> None:
    folder, exited = ground.run_to_end(FLOOD, log=limits(rate=2**30, burst=2**30, size=2**20))
    log = (folder / "log").read_bytes()
    assert exited["ranks"][0]["code"] == 0
    assert 2**20 <= len(log) <= 2**20 + 65536 + 512
    assert b"[qd: more than 1MiB: only the end of the rest is kept]\n" in log
    (match,) = MARK.finditer(log)
    assert match[2] == b"more than 1MiB"
    kept = len(log) - (match.end() - match.start())
    assert FLOOD_BYTES - (kept + missing_bytes(log)) in range(-60, 0)  # the announcement


def test_a_gap_is_marked_while_the_command_goes_on_quietly(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order(
        "head -c 3000000 /dev/zero; sleep 1000", log=limits(rate=2**20, burst=2**19)
    )
    ground.launch(folder)
    until(lambda: (folder / "log").exists() and MARK.search((folder / "log").read_bytes()), 6)


def test_lines_of_different_ranks_do_not_mix(ground: Ground) -> None:
    program = (
        "import os, sys, time\n"
        "rank = os.environ['RANK']\n"
        "for number in range(300):\n"
        "    for piece in (rank * 40, rank * 40, '\\n'):\n"
        "        os.write(1, piece.encode())\n"
        "os.write(1, b'end of ' + rank.encode())\n"
    )
    folder, _ = ground.run_to_end("", ranks_per_node=4, **python(program))
    lines = (folder / "log").read_text().splitlines()
    for rank in "0123":
        assert lines.count(rank * 80) == 300
        assert lines.count(f"end of {rank}") == 1
    assert len(lines) == 4 * 301


def test_a_line_that_stays_unfinished_is_shown(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order("[ $RANK = 0 ] && printf 'epoch 1: 10%%'; sleep 1000", ranks_per_node=2)
    ground.launch(folder)
    until(lambda: (folder / "log").exists() and (folder / "log").read_text() == "epoch 1: 10%", 6)


def test_one_rank_is_shown_at_once(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order("printf 'Password: '; sleep 1000")
    ground.launch(folder)
    until(lambda: (folder / "log").exists() and (folder / "log").read_text() == "Password: ", 5)


def test_who_keeps_the_pipe_open_does_not_keep_the_job_running(
    ground: Ground, tmp_path: Path
) -> None:
    """A process outside of the job got hold of its output, and never stops writing into it."""
    ground.start_launcher()
    folder = ground.order(f"echo $$ > {tmp_path}/pid; echo out; sleep 1")
    ground.launch(folder)
    pid = until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().strip())
    with Path(f"/proc/{pid}/fd/1").open("wb") as output:
        stranger = subprocess.Popen(["yes"], stdout=output)
        try:
            exited = ground.fact(folder, "exited")
        finally:
            stranger.kill()
            stranger.wait()
    assert exited["ranks"][0]["code"] == 0
    assert (folder / "log").read_text().startswith("out\n")


def test_only_what_waits_in_the_pipe_is_taken_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However quickly somebody else goes on writing."""
    taker = Relay(LogFile(str(tmp_path / "log")), Budget({}, time.monotonic))
    writer = taker.open_pipe()
    os.write(writer, b"x" * 1000)
    read = os.readv

    def read_and_refill(handle: int, buffers: list[memoryview]) -> int:
        count = read(handle, buffers)
        os.write(writer, b"y" * 1000)
        return count

    monkeypatch.setattr(os, "readv", read_and_refill)
    taker.drain()
    os.close(writer)
    assert (tmp_path / "log").read_bytes() == b"x" * 1000


def test_what_was_written_right_before_the_end_is_there_when_the_end_is_said(
    ground: Ground,
) -> None:
    ground.start_launcher()
    for number in range(20):
        folder = ground.order("seq 20000; kill -9 $$", name=f"j{number}")
        ground.launch(folder)
        ground.fact(folder, "exited")
        assert (folder / "log").read_bytes().endswith(b"\n20000\n")


def test_an_idle_command_costs_its_runner_nothing(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order("echo up; exec sleep 1000")
    ground.launch(folder)
    runner = ground.fact(folder, "started")["pid"]
    until((folder / "log").read_text)
    before, since = used_ticks(runner), time.monotonic()
    until(lambda: time.monotonic() - since > 1)
    assert used_ticks(runner) - before <= 1


def test_a_hundred_megabytes_a_second_cost_little(ground: Ground) -> None:
    ground.start_launcher()
    program = (
        "import os, time\n"
        "block = b'x' * 99 + b'\\n'; block *= 1000; start = time.monotonic()\n"
        "for number in range(3000):\n"
        "    os.write(1, block)\n"
        "    time.sleep(max(0, start + number / 1000 - time.monotonic()))\n"
    )
    folder = ground.order("", **python(program))
    ground.launch(folder)
    runner = ground.fact(folder, "started")["pid"]
    most = 0
    while not any(fact["kind"] == "exited" for fact in ground.facts(folder)):
        most = max(most, used_ticks(runner))
        time.sleep(0.01)
    log = (folder / "log").read_bytes()
    assert len(log) > 64 * 2**20
    assert missing_bytes(log) > 100_000_000
    assert most < 150, f"{most / 100}s of CPU for 3s of 100 MB/s"


def used_ticks(pid: int) -> int:
    """Hundredths of a second of CPU."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def test_the_index_says_when_each_part_was_written(ground: Ground) -> None:
    before_ns = time.time_ns()
    folder, _ = ground.run_to_end("echo one; sleep 1.2; echo two; sleep 1.2; echo three")
    records = list(struct.iter_unpack("<QQ", (folder / "log.index").read_bytes()))
    assert [offset for offset, _ in records] == [0, 4, 8]
    times = [at_ns for _, at_ns in records]
    assert before_ns <= times[0]
    assert all(later - earlier > 1e9 for earlier, later in pairwise(times))


@pytest.mark.parametrize("lines", [2000])
def test_the_index_stays_small(ground: Ground, lines: int) -> None:
    folder, _ = ground.run_to_end(f"for i in $(seq {lines}); do echo $i; sleep 0.001; done")
    assert len((folder / "log").read_text().splitlines()) == lines
    assert (folder / "log.index").stat().st_size <= 16 * 12
