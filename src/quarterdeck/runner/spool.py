"""A replica's folder: the order, the facts that the runner adds, and the lock that says it lives.

The facts are the truth and stay when nobody reads them. Pokes through the inbox only save the
reader's time, so one that cannot be delivered is dropped.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from typing import Any

ORDER_VERSION = 1
LOCK_TRIES = 4
LOCK_PAUSE_S = 0.005


class Spool:
    """The folder of one replica."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._lock: int | None = None
        self.order: dict[str, Any] = {}

    def path(self, name: str) -> str:
        """A file of the folder."""
        return os.path.join(self.folder, name)

    def take(self) -> bool:
        """Hold the lock for the rest of this process's life; False if somebody else does."""
        handle = os.open(self.path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for _ in range(LOCK_TRIES):
            with contextlib.suppress(OSError):
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._lock = handle
                return True
            # The engine asks whether we live by holding the lock for an instant.
            time.sleep(LOCK_PAUSE_S)
        os.close(handle)
        return False

    def release(self) -> None:
        """Let go of the lock, for a process that only spoke for a dead runner."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def read_order(self) -> dict[str, Any]:
        """The order, checked only for its version: who wrote it is the site's own engine."""
        with open(self.path("order.json")) as stream:
            order: dict[str, Any] = json.load(stream)
        if order["version"] != ORDER_VERSION:
            raise ValueError(
                "order.json has version %r, not %d" % (order["version"], ORDER_VERSION)
            )
        self.order = order
        return order

    def say(self, kind: str, **content: object) -> None:
        """Add a fact in one write, then poke whoever listens."""
        fact = dict(content, kind=kind, at_ns=time.time_ns())
        line = json.dumps(fact).encode() + b"\n"
        handle = os.open(
            self.path("status.jsonl"), os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            os.write(handle, line)
        finally:
            os.close(handle)
        poke_inbox(self.order)

    def has_fact(self, kind: str) -> bool:
        """Whether such a fact was ever written."""
        try:
            with open(self.path("status.jsonl")) as stream:
                return any(json.loads(line)["kind"] == kind for line in stream)
        except FileNotFoundError:
            return False

    def mark_started(self) -> bool:
        """True once in the life of the attempt: the command is started only after this."""
        try:
            handle = os.open(
                self.path("started"), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600
            )
        except FileExistsError:
            return False
        os.close(handle)
        return True

    def read_json(self, name: str) -> dict[str, Any] | None:
        """A file that the engine writes whole, or None."""
        try:
            with open(self.path(name)) as stream:
                content: dict[str, Any] = json.load(stream)
        except FileNotFoundError:
            return None
        else:
            return content

    def open_control(self) -> int:
        """The FIFO through which the engine asks us to look. Open for writing too, so that it
        never comes to its end."""
        path = self.path("control.fifo")
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def beat(self) -> None:
        """Say that the runner lives, by the time of a file."""
        path = self.path("beat")
        try:
            os.utime(path)
        except FileNotFoundError:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def poke_inbox(order: dict[str, Any]) -> None:
    """Tell the agent which spool has news, if it listens."""
    line = json.dumps({key: order[key] for key in ("job_id", "attempt", "node_rank")})
    try:
        handle = os.open(order["inbox"], os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        os.write(handle, line.encode() + b"\n")
    except OSError as error:
        if error.errno not in (errno.EAGAIN, errno.EPIPE):
            raise
    finally:
        os.close(handle)
