"""Runners that are forked from one process that has imported everything, and what they leave.

That process is a subreaper: it inherits what a killed runner leaves behind, kills it, and says the
runner's last word.
"""

from __future__ import annotations

import os
import sys
import traceback
from typing import Callable, KeysView

from .cgroups import clear_cgroups
from .environment import make_mark
from .lodging import clear_enclosures
from .processes import kill_descendants, kill_marked
from .replica import run_replica
from .spool import Spool


class Forks:
    """The runners of this process. `let_go` is called in each of them first, to close what is not
    theirs."""

    def __init__(self, let_go: Callable[[], None]) -> None:
        self._let_go = let_go
        self._folders: dict[int, str] = {}

    @property
    def pids(self) -> KeysView[int]:
        """Those that run."""
        return self._folders.keys()

    @property
    def folders(self) -> list[str]:
        """What they run."""
        return list(self._folders.values())

    def start(self, folder: str) -> None:
        """Fork a runner for a replica's folder. A folder that has one already is left alone."""
        try:
            pid = os.fork()
        except OSError as error:
            _say_not_started(folder, error)
            return
        if pid:
            self._folders[pid] = folder
            return
        code = 1
        try:
            os.setsid()
            self._let_go()
            code = run_replica(folder)
        except BaseException:  # noqa: BLE001 - this is the top of a process
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(code)

    def reap(self) -> None:
        """Runners that ended well have said so; for one that did not, we clear up and speak."""
        lost = []
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            folder = self._folders.pop(pid, None)
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
        kill_descendants(_reap_strays, spared=self._folders)
        clear_enclosures(folder)
        clear_cgroups(folder)
        spool.say(
            "exited",
            ranks=[],
            reason="killed",
            message="its runner was killed; all that it had started was killed after it",
        )
        spool.release()


def _say_not_started(folder: str, error: OSError) -> None:
    spool = Spool(folder)
    if spool.take():
        spool.read_order()
        message = "no process could be started: %s" % error
        spool.say("exited", ranks=[], reason="setup_failed", message=message)
        spool.release()


def _reap_strays() -> None:
    """Strays become zombies of ours; the next turn collects them with the runners."""
