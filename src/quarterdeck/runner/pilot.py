"""A pilot holds a node of a cluster for us, and starts there what it is handed: a runner each.

Whoever hands it something is on another machine, so orders are files in its folder: it takes one
away, and what is taken it runs. It ends when it is told to and has nothing to do, when its time is
nearly over, or when the cluster tells it to: then it warns what runs, and waits for it. When it is
killed, its runners see that they have lost it, and end what they run.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import signal
import sys
import time

from .cgroups import find_homes
from .forks import Forks
from .prctl import become_subreaper
from .spool import Spool
from .wakeups import Wakeups

ORDERS, SHUT = "orders", "orders.shut"
"""The folder of what is to be started; it has the other name once nothing is taken any more."""
END = "end"
"""Among the orders: no order, but the wish that it end."""
PLAN, LIVES, LAST, WATCH = "plan.json", "lives.json", "last.json", "watch"
"""What it is told at its start, says at its start and its end, and the file whose time says that
somebody watches over all pilots."""
BUSY_S, IDLE_S = 0.03, 0.2
"""How often it looks for orders."""
BUSY_FOR_S = 5.0
BEAT_S = 10.0
TELL_AGAIN_S = 1.0
ABANDONED_S = 900.0
"""With nothing to do and nobody who watches, it gives its node back after this time."""


def run_pilot(folder: str, name: str) -> int:
    """Hold the node `name`; once for each folder."""
    spool = Spool(folder)
    if not spool.mark_started():
        sys.stderr.write("a pilot was started in %s before\n" % folder)
        return 1
    plan = spool.read_json(PLAN)
    if plan is None or plan["node"] != name:
        sys.stderr.write("%s is not the folder of a pilot on %s\n" % (folder, name))
        return 1
    become_subreaper()
    find_homes()  # Once for all runners, which are where we are.
    gc.collect()
    gc.freeze()
    return Pilot(spool, plan["hold_s"], plan["margin_s"]).serve()


class Pilot:
    """See the module. `hold_s` is how long it may stay, and `margin_s` how much earlier all of its
    jobs are to have had their grace."""

    def __init__(self, spool: Spool, hold_s: float, margin_s: float) -> None:
        self._spool = spool
        self._orders, self._shut = spool.path(ORDERS), spool.path(SHUT)
        self._watch = os.path.join(os.path.dirname(os.path.dirname(spool.folder)), WATCH)
        self._over_at = time.monotonic() + hold_s - margin_s
        self._keeper = os.getppid()
        self._wakeups = Wakeups(None, (signal.SIGCHLD, signal.SIGTERM))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._forks = Forks(self._wakeups.close)
        self._graces: dict[str, float] = {}
        self._why = ""
        self._beat_at = self._tell_at = self._busy_at = 0.0
        self._watched = (0, time.monotonic())

    def serve(self) -> int:
        """Until it ends."""
        self._write(LIVES, {"pid": os.getpid(), "host": os.uname().nodename})
        while True:
            now = time.monotonic()
            if now >= self._beat_at:
                self._beat_at = now + BEAT_S
                self._spool.beat()
                self._look_who_watches(now)
            if not self._why:
                self._take_orders(now)
            self._forks.reap()
            if now >= self._over_at - self._longest_grace_s():
                self._wind_up("time")
            if self._why and not self._forks.pids:
                self._write(LAST, {"why": self._why, "at_ns": time.time_ns()})
                return 0
            if self._why and now >= self._tell_at:
                # Again and again: one that has just been forked may not listen yet.
                self._tell_at = now + TELL_AGAIN_S
                self._tell_off()
            _, signals = self._wakeups.wait(self._pause_s(now))
            if signal.SIGTERM in signals:
                self._wind_up("signal")
            if os.getppid() != self._keeper:
                return 1  # Others may be given the node from now on: our runners see to it.

    def _pause_s(self, now: float) -> float:
        is_busy = self._forks.pids or now - self._busy_at < BUSY_FOR_S
        return BUSY_S if is_busy else IDLE_S

    def _take_orders(self, now: float) -> None:
        try:
            names = os.listdir(self._orders)
        except FileNotFoundError:
            self._why = "told"  # Nobody wanted it any more before it began.
            return
        for name in names:
            if name == END:
                continue
            path = os.path.join(self._orders, name)
            try:
                with open(path) as stream:
                    order = json.load(stream)
                os.unlink(path)
            except FileNotFoundError:
                continue  # It was taken back, and whoever did that knows that it is not ours.
            self._busy_at = now
            self._graces[order["folder"]] = order["grace_s"]
            self._forks.start(order["folder"])
        if END in names:
            self._consider_end()

    def _consider_end(self) -> None:
        """Only with nothing to do: the wish may be older than the last order."""
        if not self._forks.pids:
            os.rename(self._orders, self._shut)
            if os.listdir(self._shut) == [END]:
                self._why = "told"
                return
            os.rename(self._shut, self._orders)
        os.unlink(os.path.join(self._orders, END))

    def _wind_up(self, why: str) -> None:
        """Take nothing any more, and have everything end that runs."""
        if not self._why:
            self._why = why
            with contextlib.suppress(FileNotFoundError):
                os.rename(self._orders, self._shut)

    def _tell_off(self) -> None:
        for pid in self._forks.pids:
            os.kill(pid, signal.SIGTERM)

    def _longest_grace_s(self) -> float:
        running = self._forks.folders
        self._graces = {folder: self._graces[folder] for folder in running}
        return max(self._graces.values(), default=0.0)

    def _look_who_watches(self, now: float) -> None:
        try:
            time_ns = os.stat(self._watch).st_mtime_ns
        except OSError:
            time_ns = 0
        if time_ns != self._watched[0] or self._forks.pids:
            self._watched = (time_ns, now)
        elif now - self._watched[1] >= ABANDONED_S:
            self._wind_up("abandoned")

    def _write(self, name: str, content: dict[str, object]) -> None:
        path = self._spool.path(name)
        with open(path + ".new", "w") as stream:
            json.dump(content, stream)
        os.rename(path + ".new", path)
