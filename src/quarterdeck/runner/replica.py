"""One replica from its order to its last fact.

    lock -> work folder -> (standing -> all peers stand ->) started -> … -> nothing lives -> exited

Every wait ends at the latest with the next beat, and then the folder is looked at again: a poke
that was lost costs seconds, not the job.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import Any

from .environment import make_environment, make_mark, write_hostfile
from .processes import become_subreaper, kill_descendants, kill_marked
from .ranks import Ranks
from .spool import Spool
from .wakeups import Wakeups
from .workdir import lay_out

BEAT_S = 10.0


def run_replica(folder: str) -> int:
    """Run the replica of this folder, unless somebody does or did."""
    spool = Spool(folder)
    if not spool.take() or spool.has_fact("exited"):
        return 0
    order = spool.read_order()
    become_subreaper()
    if os.path.exists(spool.path("started")):
        kill_marked({make_mark(order)})
        spool.say("exited", ranks=[], reason="killed", message="an earlier runner was lost")
        return 0
    Replica(spool).run()
    return 0


class Replica:
    """A replica whose folder this process holds."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._order = spool.order
        self._wakeups = Wakeups(spool.open_control(), (signal.SIGCHLD, signal.SIGTERM))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._ranks = Ranks(self._order["node_rank"] * self._order["ranks_per_node"])
        self._beat_at = 0.0
        self._kill_at: float | None = None
        self._is_asked = False

    def run(self) -> None:
        """Set up, meet the peers, run the command, leave nothing behind."""
        self._beat()
        try:
            self._set_up()
        except (OSError, ValueError, KeyError) as error:
            self._say_exited("setup_failed", "the work folder: %s" % error)
            return
        with _reserve_port(self._order["address"]) as reserved:
            peers = self._meet(reserved.getsockname()[1])
        if peers is None:
            self._say_exited("stopped", "stopped before the command was started")
            return
        if not self._spool.mark_started():
            self._say_exited("killed", "the command was started before")
            return
        try:
            self._start(peers)
        except OSError as error:
            kill_descendants(self._ranks.reap)
            self._ranks.reap_all()
            self._say_exited("setup_failed", "the command could not be started: %s" % error)
            return
        self._attend()
        self._say_exited("stopped" if self._is_asked else "completed", "")

    def _set_up(self) -> None:
        order = self._order
        lay_out(self._spool.path("work"), order["snapshot"], order["blobs_dir"])
        os.makedirs(order["results_dir"], exist_ok=True)
        os.makedirs(order["checkpoint_dir"], exist_ok=True)

    def _meet(self, port: int) -> list[dict[str, Any]] | None:
        """The peers, once all of them stand; None if we are to stop instead."""
        order = self._order
        itself = {
            "node_rank": order["node_rank"],
            "host": order["node"],
            "address": order["address"],
            "port": port,
        }
        if not order["barrier"]:
            return None if self._find_stop() else [itself]
        self._spool.say(
            "standing", pid=os.getpid(), host=order["node"], address=order["address"], port=port
        )
        while True:
            if self._find_stop():
                return None
            met = self._spool.read_json("peers.json")
            if met is not None:
                peers: list[dict[str, Any]] = met["peers"]
                return peers
            self._wait()

    def _start(self, peers: list[dict[str, Any]]) -> None:
        order, spool = self._order, self._spool
        hostfile = spool.path("hostfile")
        write_hostfile(hostfile, peers, order["ranks_per_node"])
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        log = os.open(spool.path("log"), flags, 0o600)
        pids = []
        for local_rank in range(order["ranks_per_node"]):
            environment = make_environment(order, local_rank, peers, hostfile)
            pids.append(self._ranks.start(order["command"], environment, spool.path("work"), log))
        os.close(log)
        spool.say("started", pid=os.getpid(), pids=pids)

    def _attend(self) -> None:
        """Until no rank runs and nothing that they started lives."""
        while True:
            self._ranks.reap()
            if not self._ranks.is_running:
                break
            wish = self._find_stop()
            if wish is not None:
                self._is_asked = True
                self._stop(wish["signal"], wish["grace_s"])
            elif self._ranks.has_failed and not self._ranks.stopping:
                self._stop(self._order["stop_signal"], self._order["grace_s"])
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                break
            self._wait()
        if self._has_children():
            kill_descendants(self._ranks.reap)
        self._ranks.reap_all()

    def _stop(self, name: str, grace_s: float) -> None:
        """Signal once; a shorter grace than before counts."""
        kill_at = time.monotonic() + grace_s
        if not self._ranks.stopping:
            self._kill_at = kill_at
            self._ranks.signal(getattr(signal, "SIG" + name))
        elif self._kill_at is None or kill_at < self._kill_at:
            self._kill_at = kill_at

    def _find_stop(self) -> dict[str, Any] | None:
        return self._spool.read_json("stop.json")

    def _wait(self) -> None:
        """Until something may have changed, or it is time to beat or to kill."""
        now = time.monotonic()
        until = self._beat_at if self._kill_at is None else min(self._beat_at, self._kill_at)
        _, signals = self._wakeups.wait(until - now)
        if signal.SIGTERM in signals:
            self._stop(self._order["stop_signal"], self._order["grace_s"])
        if time.monotonic() >= self._beat_at:
            self._beat()

    def _beat(self) -> None:
        self._spool.beat()
        self._beat_at = time.monotonic() + BEAT_S

    def _has_children(self) -> bool:
        """As subreaper, whoever has no child has no descendant either."""
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def _say_exited(self, reason: str, message: str) -> None:
        self._spool.say("exited", ranks=self._ranks.ends(), reason=reason, message=message)


def _reserve_port(address: str) -> socket.socket:
    """A port for the rendezvous, held until the command starts, so that nobody else is given it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    reserved = socket.socket(family, socket.SOCK_STREAM)
    try:
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        reserved.bind((address, 0))
    except OSError:
        reserved.bind(("", 0))
    return reserved
