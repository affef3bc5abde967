"""The warm launcher: forks a runner for every replica folder that it is told.

It outlives the server, and ends when it has nothing to do and no agent listens any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import signal
import time

from .cgroups import find_homes
from .forks import Forks
from .prctl import become_subreaper
from .wakeups import Wakeups

LOOK_S = 1.0


def run_launcher(site: str, idle_s: float) -> int:
    """Serve the site until idle; at once if it has a launcher already."""
    run = os.path.join(site, "run")
    lock = os.open(os.path.join(run, "launcher.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return 0
    become_subreaper()
    find_homes()  # once for all runners, which are where we are
    gc.collect()
    gc.freeze()
    Launcher(run, lock, idle_s).serve()
    return 0


class Launcher:
    """The launcher of one site, whose lock this process holds."""

    def __init__(self, run: str, lock: int, idle_s: float) -> None:
        self._inbox = os.path.join(run, "inbox.fifo")
        self._idle_s = idle_s
        path = os.path.join(run, "launcher.fifo")
        with contextlib.suppress(FileExistsError):
            os.mkfifo(path, 0o600)
        # For writing too, so that it never comes to its end.
        fifo = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._handles = (lock, fifo)
        self._wakeups = Wakeups(fifo, (signal.SIGCHLD,))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._forks = Forks(self._let_go)
        self._rest = b""

    def serve(self) -> None:
        """Fork, reap, and look now and then whether anybody still needs us."""
        idle_since = time.monotonic()
        while True:
            content, _ = self._wakeups.wait(LOOK_S)
            *lines, self._rest = (self._rest + content).split(b"\n")
            for line in lines:
                if line:
                    self._forks.start(os.fsdecode(line))
            self._forks.reap()
            if lines or self._forks.pids or self._has_listener():
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since >= self._idle_s:
                return

    def _let_go(self) -> None:
        """In a child, which has its own."""
        self._wakeups.close()
        for handle in self._handles:
            os.close(handle)

    def _has_listener(self) -> bool:
        try:
            os.close(os.open(self._inbox, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            return False
        return True
