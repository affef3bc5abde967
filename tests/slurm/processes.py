"""Processes of a test cluster: found by what is in their environment, and ended by their ids."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

PROC = Path("/proc")
END_S_MAX = 10.0


def find_processes(*marks: str) -> set[int]:
    """Processes in whose environment all of the marks are, and whatever descends from them.
    A slurmstepd has the environment of its slurmd; a job's has SLURM_CONF and SLURMD_NODENAME."""
    parents = _parents()
    wanted = [mark.encode() for mark in marks]
    found = set()
    for pid in parents:
        environment = _read(PROC / str(pid) / "environ")
        if all(mark in environment for mark in wanted):
            found.add(pid)
    found.discard(os.getpid())
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def end_processes(find: Callable[[], set[int]], *, signum: int = signal.SIGKILL) -> None:
    """Signal what `find` finds until it finds nothing. A process may fork while it is looked for,
    so this looks again."""
    deadline = monotonic() + END_S_MAX
    while found := find():
        assert monotonic() < deadline, f"these do not end: {sorted(found)}"
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signum)
        sleep(0.02)


def name_of(pid: int) -> str:
    """What the kernel calls it; empty when it is gone."""
    return _read(PROC / str(pid) / "comm").decode(errors="replace").strip()


def started_at(pid: int) -> str:
    """When it started, in the kernel's ticks: tells a process from a later one of the same id.
    Empty when there is none."""
    fields = _read(PROC / str(pid) / "stat").rpartition(b")")[2].split()
    return fields[19].decode() if len(fields) > 19 else ""


def _parents() -> dict[int, int]:
    """The parent of every process that has not ended: a zombie has, and waits for its parent."""
    parents = {}
    for entry in PROC.iterdir():
        if not entry.name.isdecimal():
            continue
        # The name is in brackets and may hold anything, so look behind the last one.
        fields = _read(entry / "stat").rpartition(b")")[2].split()
        if len(fields) > 1 and fields[0] != b"Z":
            parents[int(entry.name)] = int(fields[1])
    return parents


def _read(path: Path) -> bytes:
    with suppress(OSError):
        return path.read_bytes()
    return b""
