"""The warm launcher: forks a runner for every replica folder that it is told.

It outlives the server. As subreaper it inherits what a killed runner leaves behind, kills it, and
says the runner's last word. It ends when it has nothing to do and no agent listens any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import gc
import os
import signal
import sys
import time
import traceback

from .cgroups import clear_cgroups, find_homes
from .environment import make_mark
from .podman import clear_containers
from .processes import become_subreaper, kill_descendants, kill_marked
from .replica import run_replica
from .spool import Spool
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
        self._runners: dict[int, str] = {}
        self._rest = b""

    def serve(self) -> None:
        """Fork, reap, and look now and then whether anybody still needs us."""
        idle_since = time.monotonic()
        while True:
            content, _ = self._wakeups.wait(LOOK_S)
            *lines, self._rest = (self._rest + content).split(b"\n")
            for line in lines:
                if line:
                    self._launch(os.fsdecode(line))
            self._reap()
            if lines or self._runners or self._has_listener():
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since >= self._idle_s:
                return

    def _launch(self, folder: str) -> None:
        try:
            pid = os.fork()
        except OSError as error:
            _say_not_started(folder, error)
            return
        if pid:
            self._runners[pid] = folder
            return
        code = 1
        try:
            os.setsid()
            self._wakeups.close()
            for handle in self._handles:
                os.close(handle)
            code = run_replica(folder)
        except BaseException:  # noqa: BLE001 - this is the top of a process
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def _reap(self) -> None:
        """Runners that ended well have said so; for one that did not, we clear up and speak."""
        lost = []
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            folder = self._runners.pop(pid, None)
            if folder is not None and os.path.isdir(folder):
                lost.append(folder)
        for folder in lost:
            try:
                self._bury(folder)
            except (OSError, ValueError, KeyError):  # noqa: PERF203 - one bad folder is one
                traceback.print_exc()

    def _bury(self, folder: str) -> None:
        spool = Spool(folder)
        if spool.has_fact("exited") or not spool.take():
            return
        order = spool.read_order()
        kill_marked({make_mark(order)})
        # What lost its mark came to us; everything below us that is not a runner's is a stray.
        kill_descendants(_reap_strays, spared=self._runners)
        clear_containers(folder)
        clear_cgroups(folder)
        spool.say(
            "exited",
            ranks=[],
            reason="killed",
            message="its runner was killed; all that it had started was killed after it",
        )
        spool.release()

    def _has_listener(self) -> bool:
        try:
            os.close(os.open(self._inbox, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC))
        except OSError:
            return False
        return True


def _say_not_started(folder: str, error: OSError) -> None:
    spool = Spool(folder)
    if spool.take():
        spool.read_order()
        message = "no process could be started: %s" % error
        spool.say("exited", ranks=[], reason="setup_failed", message=message)
        spool.release()


def _reap_strays() -> None:
    """Strays become zombies of ours; the next turn collects them with the runners."""
