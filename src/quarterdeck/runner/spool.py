"""A replica's folder: the order, the facts that the runner adds, and the lock that says it lives.

The facts are the truth and stay when nobody reads them. Pokes through the inbox only save the
reader's time, so one that cannot be delivered is dropped.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time

from .jsons import format_json, parse_json
from .light import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

ORDER_VERSION = 1
BEAT = "beat"
SHOWN = "shown"
"""A folder of the replica's: what ranks may read that see no more of it than that."""
LOCK_TRIES = 4
LOCK_PAUSE_S = 0.005
UNSAID_PAUSE_S = 0.5
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE, errno.EFBIG)


class Spool:
    """The folder of one replica."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._lock: int | None = None
        self._unsaid: list[bytes] = []
        self.order: dict[str, Any] = {}

    def path(self, name: str) -> str:
        """A file of the folder."""
        return os.path.join(self.folder, name)

    def take(self) -> bool:
        """Hold the lock for the rest of this process's life; False if somebody else does."""
        handle = os.open(self.path("lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for _ in range(LOCK_TRIES):
            with suppress(OSError):
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
            order: dict[str, Any] = parse_json(stream.read())
        if order["version"] != ORDER_VERSION:
            raise ValueError(
                "order.json has version %r, not %d" % (order["version"], ORDER_VERSION)
            )
        self.order = order
        return order

    def say(self, kind: str, **content: object) -> bool:
        """Add a fact, then poke whoever listens. False: the disk did not take it now. It is kept,
        in its place, for `say_kept`."""
        fact = dict(content, kind=kind, at_ns=time.time_ns())
        self._unsaid.append(format_json(fact).encode() + b"\n")
        return self.say_kept()

    def say_kept(self) -> bool:
        """Say what could not be said before; whether nothing is left of it."""
        is_news = False
        while self._unsaid and self._append(self._unsaid[0]):
            del self._unsaid[0]
            is_news = True
        if is_news:
            poke_inbox(self.order)
        return not self._unsaid

    def say_last(self, kind: str, **content: object) -> None:
        """Say it and stay until it is said: what holds the lock without a word looks alive."""
        is_said = self.say(kind, **content)
        while not is_said:
            self.beat()
            time.sleep(UNSAID_PAUSE_S)
            is_said = self.say_kept()

    def has_fact(self, kind: str) -> bool:
        """Whether such a fact was ever written."""
        try:
            with open(self.path("status.jsonl")) as stream:
                lines = [line for line in stream if line.endswith("\n")]
        except FileNotFoundError:
            return False
        return any(parse_json(line)["kind"] == kind for line in lines)

    def _append(self, line: bytes) -> bool:
        """One whole line, or nothing. We hold the lock, so nobody else writes: half a line, ours
        or a dead runner's, is taken back. Readers only believe whole ones; where the folder is gone
        there are none, and it counts as said."""
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            handle = os.open(self.path("status.jsonl"), flags, 0o600)
            try:
                _cut_half_line(handle)
                if os.write(handle, line) == len(line):
                    return True
                _cut_half_line(handle)
            finally:
                os.close(handle)
        except FileNotFoundError:
            return True
        except OSError as error:
            if error.errno not in DISK_ERRORS:
                raise
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
                content: dict[str, Any] = parse_json(stream.read())
        except FileNotFoundError:
            return None
        else:
            return content

    def open_control(self) -> int:
        """The FIFO through which the engine asks us to look. Open for writing too, so that it
        never comes to its end."""
        path = self.path("control.fifo")
        with suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        return os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)

    def beat(self) -> None:
        """Say that the runner lives, by the time of a file. On a full disk the lock says it."""
        self.touch(BEAT)

    def look_again(self) -> bool:
        """See what others have put there since: NFS looks at a folder anew when it is opened. False
        when the folder is gone although the site is there: nobody waits for the replica any
        more."""
        try:
            os.close(os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        except FileNotFoundError:
            return not os.path.isdir(self.order.get("news") or "")
        except OSError:
            return True
        return True

    def touch(self, name: str) -> None:
        """Make a file, or set its time; without room for it, it is not there."""
        path = self.path(name)
        with suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
            os.utime(path)


def poke_inbox(order: dict[str, Any]) -> None:
    """Tell the agent which spool has news, if it listens: by its FIFO, or where it is on another
    machine by a file in the folder for them."""
    if order.get("news"):
        name = "%s.%d.%d" % (order["job_id"], order["attempt"], order["node_rank"])
        with suppress(OSError):
            path = os.path.join(order["news"], name)
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))
        return
    line = format_json({key: order[key] for key in ("job_id", "attempt", "node_rank")})
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


def _cut_half_line(handle: int) -> None:
    size = os.fstat(handle).st_size
    if size == 0 or os.pread(handle, 1, size - 1) == b"\n":
        return
    content = os.pread(handle, size, 0)
    os.ftruncate(handle, content.rfind(b"\n") + 1)
