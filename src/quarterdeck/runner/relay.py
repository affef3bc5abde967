"""Carry what the ranks write into the log, line by line, and leave out what is too much.

Each rank writes into a pipe of its own. It is never made to wait for room in the log: what the
budget or the disk does not take is left out and counted, and a line of our own says how many bytes
are missing where. The end of what was left out is kept in memory and written after that line,
because a flood often ends with the one message that matters.

    rank -> pipe -> budget -> whole lines -> log
                      |
                      +-> gap: counted; its end is kept -> mark + end -> log
"""

from __future__ import annotations

import fcntl
import os
import termios
import time

from .light import suppress
from .logfile import Budget, LogFile, format_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable

READ_BYTES, FIRST_BYTES = 2**18, 2**12
"""What is read at once, and until anybody has written so much: a short job pays for each page of
memory that it touches."""
F_SETPIPE_SZ = 1031
PAUSE_S = 0.001
HELD_BYTES_MAX = 65536
HELD_S = 1.0
KEPT_BYTES = 65536
DISK_RETRY_S = 1.0


class Stream:
    """The output of one rank. `held`: a line that is not whole; `kept`: the end of a gap."""

    def __init__(self, reader: int) -> None:
        self.reader = reader
        self.held = bytearray()
        self.held_since = 0.0
        self.kept = bytearray()
        self.left_out = 0


class Relay:
    """From the pipes of all ranks into one log."""

    def __init__(
        self, log: LogFile, budget: Budget, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._budget = budget
        self._clock = clock
        self._streams: dict[int, Stream] = {}
        self._all: list[Stream] = []
        self._view = memoryview(bytearray(FIRST_BYTES))
        self._speaker: Stream | None = None
        self._reasons: list[str] = []
        self._retry_at = 0.0
        self._read_at = 0.0

    def open_pipe(self) -> int:
        """A pipe for one more rank; the end to write into, to be closed after the fork."""
        reader, writer = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(reader, False)
        with suppress(OSError):  # a user's share of pipe memory may be used up
            fcntl.fcntl(writer, F_SETPIPE_SZ, READ_BYTES)
        stream = Stream(reader)
        self._streams[reader] = stream
        self._all.append(stream)
        return writer

    @property
    def readers(self) -> list[int]:
        """The pipes that may still bring something."""
        return list(self._streams)

    def take(self, ready: list[int]) -> list[int]:
        """Read once from each of these pipes; those that came to their end."""
        if ready and self._clock() - self._read_at < PAUSE_S:
            # A rank that writes every few microseconds would wake us as often.
            time.sleep(PAUSE_S)
        ended = []
        is_full = False
        for reader in ready:
            count = self._read(self._streams[reader], READ_BYTES)
            if count == 0:
                ended.append(reader)
                self._close(reader)
            is_full = is_full or count == READ_BYTES
        if ready:
            self._read_at = 0.0 if is_full else self._clock()
        return ended

    def due_at(self) -> float | None:
        """When `turn` has something to do, if nothing else comes."""
        times = [stream.held_since + HELD_S for stream in self._all if stream.held]
        gap = self._gap_ends_in_s()
        if gap is not None:
            times.append(self._clock() + gap)
        return min(times) if times else None

    def turn(self) -> None:
        """Show lines that stay unfinished, such as a prompt; go on after a gap."""
        now = self._clock()
        if self._reasons and self._gap_ends_in_s() == 0.0:
            self._close_gap()
        for stream in self._all:
            if stream.held and now >= stream.held_since + HELD_S:
                self._show_held(stream)

    def drain(self) -> None:
        """Nothing that we started lives: take what is in the pipes, whoever else holds them."""
        for reader, stream in list(self._streams.items()):
            left = _count_waiting(reader)
            while left > 0:
                count = self._read(stream, min(left, READ_BYTES))
                if count <= 0:
                    break
                left -= count
            self._close(reader)
        for stream in self._all:
            self._show_held(stream)
        if self._reasons:
            self._close_gap()
        if self._reasons:  # the disk is still full: what was kept goes, the number stays
            for stream in self._all:
                stream.kept.clear()
            self._all[0].left_out += self._log.give_up_end()
            self._close_gap()
        self._log.close()

    def _read(self, stream: Stream, limit: int) -> int:
        """Bytes read; 0 at the end, -1 if there are none now."""
        try:
            count = os.readv(stream.reader, [self._view[:limit]])
        except BlockingIOError:
            return -1
        view = self._view
        if count == FIRST_BYTES == len(view):
            self._view = memoryview(bytearray(READ_BYTES))
        if self._reasons and self._gap_ends_in_s() == 0.0:
            self._close_gap()
        allowed = 0 if self._reasons else self._budget.admit(count)
        if allowed:
            self._lay(stream, view[:allowed])
        if allowed < count:
            if not self._reasons:
                for other in self._all:
                    self._show_held(other)
            self._leave_out(stream, view[allowed:count], self._why_not())
        return count

    def _lay(self, stream: Stream, piece: memoryview) -> None:
        """Into the log, without breaking into another rank's line."""
        if len(self._all) == 1:
            self._put(stream, piece)
            return
        end = bytes(piece).rfind(b"\n") + 1
        if end:
            whole = bytes(stream.held) + piece[:end]
            stream.held.clear()
            self._put(stream, memoryview(whole))
        if end < len(piece):
            if not stream.held:
                stream.held_since = self._clock()
            stream.held += piece[end:]
            if len(stream.held) > HELD_BYTES_MAX:
                self._show_held(stream)

    def _show_held(self, stream: Stream) -> None:
        content, stream.held = bytes(stream.held), bytearray()
        if content:
            self._put(stream, memoryview(content))

    def _put(self, stream: Stream, piece: memoryview) -> None:
        if self._reasons:  # what was held when the disk filled up
            self._leave_out(stream, piece, self._reasons[-1])
            return
        if self._speaker is not stream and not self._log.ends_line:
            self._log.append(b"\n")
        self._speaker = stream
        written = self._log.append(piece)
        if written < len(piece):
            self._retry_at = self._clock() + DISK_RETRY_S
            self._leave_out(stream, piece[written:], self._log.fault)

    def _leave_out(self, stream: Stream, piece: memoryview, reason: str) -> None:
        if not self._reasons:
            self._reasons = [reason]
            if self._budget.size_left == 0:
                self._log.append_line("[qd: %s: only the end of the rest is kept]" % reason)
        elif reason not in self._reasons:
            self._reasons.append(reason)
        if stream.held:
            piece, stream.held = memoryview(bytes(stream.held) + piece), bytearray()
        stream.left_out += len(piece)
        stream.kept += piece[-self._kept_max :]
        if len(stream.kept) > 2 * self._kept_max:
            del stream.kept[: -self._kept_max]

    @property
    def _kept_max(self) -> int:
        return max(1024, KEPT_BYTES // len(self._all))

    def _why_not(self) -> str:
        if self._reasons:
            return self._reasons[-1]
        if self._budget.size_left == 0:
            return "more than %s" % format_size(self._budget.size_max)
        return "more than %s/s" % format_size(self._budget.rate)

    def _gap_ends_in_s(self) -> float | None:
        if not self._reasons:
            return None
        ready_in_s = self._budget.ready_in_s()
        if ready_in_s is None:
            return None
        return max(ready_in_s, self._retry_at - self._clock(), 0.0)

    def _close_gap(self) -> None:
        """Say what is missing, then what was kept of its end. The gap stays on a full disk."""
        missing = sum(_cut(stream, self._kept_max) for stream in self._all)
        reasons = ", ".join(self._reasons)
        if missing and not self._log.append_line(
            "[qd: {:,} bytes left out here: {}]".format(missing, reasons)
        ):
            self._retry_at = self._clock() + DISK_RETRY_S
            return
        self._reasons = []
        for stream in self._all:
            kept, stream.kept = bytes(stream.kept), bytearray()
            stream.left_out = 0
            if kept:
                self._budget.admit(len(kept))
                self._put(stream, memoryview(kept))

    def _close(self, reader: int) -> None:
        os.close(reader)
        del self._streams[reader]


def _cut(stream: Stream, kept_max: int) -> int:
    """Let what was kept begin with a line, if it is not everything; how much is missing."""
    del stream.kept[:-kept_max]
    if len(stream.kept) < stream.left_out:
        del stream.kept[: stream.kept.find(b"\n") + 1]
    return stream.left_out - len(stream.kept)


def _count_waiting(reader: int) -> int:
    answer = bytearray(4)
    fcntl.ioctl(reader, termios.FIONREAD, answer)
    return int.from_bytes(answer, "little")
