"""Wait for signals, a FIFO, pipes and the clock in one place."""

from __future__ import annotations

import os
import select

from .light import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Iterable

READ_BYTES = 65536


class Wakeups:
    """A poll over a FIFO, if there is one, and the signals that this process was told to expect."""

    def __init__(self, fifo: int | None, numbers: Iterable[int]) -> None:
        self._fifo = fifo
        self._reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._handles = (self._reader, writer)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in numbers:
            signal.signal(number, _nothing)
        self._watched: set[int] = set()
        self.ready: list[int] = []
        """Which of the watched pipes have something, or came to their end."""
        self._poll = select.poll()
        if fifo is not None:
            self._poll.register(fifo, select.POLLIN)
        self._poll.register(self._reader, select.POLLIN)

    def wait(self, timeout_s: float) -> tuple[bytes, set[int]]:
        """What the FIFO brought and which signals came, both perhaps nothing."""
        events = self._poll.poll(max(0, int(timeout_s * 1000 + 0.999)))
        self.ready = [handle for handle, _ in events if handle in self._watched]
        content = b"" if self._fifo is None else _drain(self._fifo)
        return content, set(_drain(self._reader))

    def watch(self, reader: int) -> None:
        """Wake up for this pipe too; it is the caller's to read."""
        self._watched.add(reader)
        self._poll.register(reader, select.POLLIN)

    def unwatch(self, reader: int) -> None:
        """Not any more."""
        self._watched.discard(reader)
        self._poll.unregister(reader)

    def close(self) -> None:
        """Let go of the pipe, in a child that is to have its own."""
        signal.set_wakeup_fd(-1)
        for handle in self._handles:
            os.close(handle)


def _nothing(number: int, frame: object) -> None:
    """The signal's number comes through the pipe; the handler only has to be there."""


def _drain(handle: int) -> bytes:
    content = b""
    while True:
        try:
            piece = os.read(handle, READ_BYTES)
        except BlockingIOError:
            return content
        content += piece
        if len(piece) < READ_BYTES:
            return content
