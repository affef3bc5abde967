"""The log of a replica on disk: what may go into it, and when each part of it was written.

The runner is its only writer, so what was written by halves can be taken back. `log.index` beside
it holds fixed records (offset, time), at most ten a second, so that "since" is a binary search.
"""

from __future__ import annotations

import os
import struct
import time

from .light import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

RECORD = struct.Struct("<QQ")
INDEX_EVERY_NS = 10**8
INDEX_AT_LEAST_EVERY_NS = 10**9
INDEX_BYTES = 65536
MARK_BYTES_MAX = 256
FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC


class Budget:
    """How many bytes may go into the log: a token bucket, and a size that is never passed."""

    def __init__(self, limits: dict[str, Any], clock: Callable[[], float]) -> None:
        self.rate: int = limits.get("rate_bytes_per_s") or 10 * 2**20
        self.size_max: int = limits.get("size_bytes_max") or 2**30
        self._burst: int = limits.get("burst_bytes") or 64 * 2**20
        self._clock = clock
        self._tokens = float(self._burst)
        self._filled_at = clock()
        self.size_left = self.size_max

    def admit(self, count: int) -> int:
        """Take what there is for so many bytes."""
        self._fill()
        allowed = min(count, int(self._tokens), self.size_left)
        self._tokens -= allowed
        self.size_left -= allowed
        return allowed

    def ready_in_s(self) -> float | None:
        """When it is worth going on after a gap: with a second's worth, so that a flood leaves
        one gap a second and not thousands. None: never."""
        if self.size_left == 0:
            return None
        self._fill()
        return max(0.0, (min(self.rate, self._burst) - self._tokens) / self.rate)

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now


class LogFile:
    """Append to the log and its index. A disk that is full costs bytes, never an exception."""

    def __init__(self, path: str) -> None:
        self._log = os.open(path, FLAGS, 0o600)
        self._index = os.open(path + ".index", FLAGS, 0o600)
        self._size = os.fstat(self._log).st_size
        self._ends_line = True
        self._indexed_at_ns = 0
        self._indexed_offset = 0
        self.fault = ""

    @property
    def ends_line(self) -> bool:
        """Whether what comes next begins a line."""
        return self._ends_line

    def append(self, content: bytes | memoryview) -> int:
        """Write; how many bytes the disk took. `fault` says why not all."""
        written = 0
        self._note_time()
        try:
            while written < len(content):
                written += os.write(self._log, content[written:])
        except OSError as error:
            self.fault = (error.strerror or "the disk failed").lower()
        if written:
            self._ends_line = content[written - 1] == 10
            self._size += written
        return written

    def append_line(self, text: str) -> bool:
        """Write a line of our own, whole or not at all."""
        line = (b"" if self._ends_line else b"\n") + text.encode() + b"\n"
        before = self._size, self._ends_line
        if self.append(line) == len(line):
            return True
        with suppress(OSError):
            os.ftruncate(self._log, before[0])
            self._size, self._ends_line = before
        return False

    def give_up_end(self) -> int:
        """Take back the end of the log, to make room on a full disk for the mark that says so."""
        count = min(MARK_BYTES_MAX, self._size)
        try:
            os.ftruncate(self._log, self._size - count)
        except OSError:
            return 0
        self._size -= count
        self._ends_line = False
        return count

    def close(self) -> None:
        """Nothing more will be written."""
        os.close(self._log)
        os.close(self._index)

    def _note_time(self) -> None:
        """The clock may be set back; the index only goes forward, or nothing could be found."""
        now_ns = max(time.time_ns(), self._indexed_at_ns)
        passed_ns = now_ns - self._indexed_at_ns
        grown = self._size - self._indexed_offset
        if self._indexed_at_ns and not (
            passed_ns >= INDEX_AT_LEAST_EVERY_NS
            or (passed_ns >= INDEX_EVERY_NS and grown >= INDEX_BYTES)
        ):
            return
        record = RECORD.pack(self._size, now_ns)
        try:
            if os.write(self._index, record) < RECORD.size:
                size = os.fstat(self._index).st_size
                os.ftruncate(self._index, size - size % RECORD.size)
                return
        except OSError:
            return
        self._indexed_at_ns, self._indexed_offset = now_ns, self._size


def format_size(size_bytes: int) -> str:
    """For people, in powers of 1024."""
    value = float(size_bytes)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return "%.4g%s" % (value, unit)
        value /= 1024
    return "%.4gTiB" % value
