"""A disk without room costs log lines, which are counted, and never a fact."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.runner.ground import Ground, until

pytestmark = pytest.mark.needs_mount
MARK = re.compile(rb"\[qd: ([0-9,]+) bytes left out here: no space left on device\]\n")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 512 KiB."""
    point = tmp_path / "disk"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", point], check=True)
    yield point
    subprocess.run(["umount", "-l", point], check=True)


@pytest.fixture
def cramped(disk: Path) -> Iterator[Ground]:
    """A site on it."""
    made = Ground(disk / "site")
    yield made
    made.close()


def fill(disk: Path) -> None:
    handle = os.open(disk / "filler", os.O_WRONLY | os.O_CREAT)
    with contextlib.suppress(OSError):
        while True:
            os.write(handle, b"x" * 512)
    os.close(handle)


def test_the_log_says_what_the_disk_did_not_take(
    cramped: Ground, disk: Path, tmp_path: Path
) -> None:
    cramped.start_launcher()
    folder = cramped.order(
        f"echo first; until [ -e {tmp_path}/a ]; do sleep 0.01; done; head -c 200000 /dev/zero; "
        f"touch {tmp_path}/b; until [ -e {tmp_path}/c ]; do sleep 0.01; done; echo last"
    )
    cramped.launch(folder)
    until(lambda: (folder / "log").exists() and (folder / "log").read_text())
    fill(disk)
    (tmp_path / "a").touch()
    until((tmp_path / "b").exists)
    (disk / "filler").unlink()
    until(lambda: MARK.search((folder / "log").read_bytes()))
    (tmp_path / "c").touch()
    cramped.fact(folder, "exited")
    log = (folder / "log").read_bytes()
    (match,) = MARK.finditer(log)
    kept = log.count(b"\0")
    assert log.startswith(b"first\n")
    assert log.endswith(b"last\n")
    assert int(match[1].replace(b",", b"")) + kept == 200000


def test_a_command_that_ends_on_a_full_disk_is_not_forgotten(
    cramped: Ground, disk: Path, tmp_path: Path
) -> None:
    cramped.start_launcher()
    folder = cramped.order(
        f"head -c 5000 /dev/zero | tr '\\0' 'x'; until [ -e {tmp_path}/a ]; do sleep 0.01; done; "
        "head -c 200000 /dev/zero; exit 7"
    )
    cramped.launch(folder)
    until(lambda: (folder / "log").exists() and (folder / "log").stat().st_size == 5000)
    # The file's last block is full, so that not even one more byte fits.
    status = folder / "status.jsonl"
    line = json.dumps({"kind": "padding", "x": ""}).encode() + b"\n"
    room = 4096 - status.stat().st_size
    with status.open("ab") as stream:
        stream.write(line.replace(b'""', b'"' + b"x" * (room - len(line) - 20) + b'"'))
    fill(disk)
    (tmp_path / "a").touch()
    runner = cramped.fact(folder, "started")["pid"]
    until(lambda: not any(pid != runner for pid in cramped.processes()))
    assert not any(fact["kind"] == "exited" for fact in cramped.facts(folder))
    (disk / "filler").unlink()
    until(lambda: any(fact["kind"] == "exited" for fact in cramped.facts(folder)))
    exited = cramped.facts(folder)[-1]
    assert (exited["reason"], exited["ranks"][0]["code"]) == ("completed", 7)
    log = (folder / "log").read_bytes()
    (match,) = MARK.finditer(log)
    kept = log.count(b"\0") + log.count(b"x")
    assert int(match[1].replace(b",", b"")) + kept == 205000


def test_half_a_line_of_a_dead_runner_does_not_spoil_the_next(cramped: Ground) -> None:
    cramped.start_launcher()
    folder = cramped.order("true")
    (folder / "status.jsonl").write_text('{"kind": "padding"}\n{"kind": "exi')
    cramped.launch(folder)
    cramped.fact(folder, "exited")
    assert [fact["kind"] for fact in cramped.facts(folder)] == ["padding", "started", "exited"]
