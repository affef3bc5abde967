"""One replica from its order to its last fact.

    lock -> work folder -> (pulling ->) (standing -> all peers stand ->) started -> …
    -> nothing lives -> exited

Every wait ends at the latest with the next beat, and then the folder is looked at again: a poke
that was lost costs seconds, not the job. Where nobody can poke, because the engine is on another
machine, the order says how often to look.
"""

from __future__ import annotations

import os
import time

from .cgroups import CGROUPS, Cgroups, clear_cgroups, name_cgroup
from .environment import (
    DevicesMissing,
    make_environment,
    make_mark,
    own_peers,
    visible_devices,
    write_hostfile,
)
from .light import signal
from .lodging import METRICS, check_alike, clear_enclosures, is_enclosed, make_ranks, show
from .logfile import Budget, LogFile
from .ports import ReservedPort
from .prctl import become_subreaper
from .processes import kill_descendants, kill_marked
from .ranks import Ranks
from .refusals import LauncherRefused, NotEnclosed
from .relay import Relay
from .skew import ClockSkewed, check_clock
from .spool import BEAT, SHOWN, Spool
from .wakeups import Wakeups
from .workdir import lay_out, link_checkpoint

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

BEAT_S = 10.0
GROUP_LOOK_S = 0.05
SAY_AGAIN_S = 1.0
HEAR_OUT_S = 1.0
KILLS = (signal.SIGTERM, signal.SIGKILL)
KILL_CODES = tuple(128 + number for number in KILLS)
"""What a shell says of a command that died of them."""
HOSTFILE = "hostfile"
WARNING = "stopping"
CREDENTIALS = "credentials.json"
"""Files of the replica's folder: who its peers are, the sign that it is to stop, and what it may
show the server."""


def run_replica(folder: str) -> int:
    """Run the replica of this folder, unless somebody does or did."""
    spool = Spool(folder)
    if not spool.take() or spool.has_fact("exited"):
        return 0
    order = spool.read_order()
    if order.get("account"):
        os.umask(0o077)
    become_subreaper()
    if os.path.exists(spool.path("started")):
        kill_marked({make_mark(order)})
        clear_enclosures(spool.folder)
        clear_cgroups(spool.folder)
        spool.say_last("exited", ranks=[], reason="killed", message="an earlier runner was lost")
        return 0
    try:
        replica = Replica(spool)
    except OSError as error:
        spool.say_last("exited", ranks=[], reason="setup_failed", message="its folder: %s" % error)
        return 0
    replica.run()
    return 0


class Replica:
    """A replica whose folder this process holds."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._order = spool.order
        self._wakeups = Wakeups(spool.open_control(), (signal.SIGCHLD, signal.SIGTERM))
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._ranks = Ranks(0)
        self._beat_at = 0.0
        self._kill_at: float | None = None
        self._time_is_up_at: float | None = None
        self._relay: Relay | None = None
        self._cgroups: Cgroups | None = None
        self._is_asked = False
        self._is_timed_out = False
        self._is_unsaid = False
        self._look_s: float | None = self._order.get("look_s")
        self._keeper: int | None = os.getppid() if self._order.get("is_kept") else None
        self._is_abandoned = False
        self._is_told_off = False

    def run(self) -> None:
        """Set up, meet the peers, run the command, leave nothing behind."""
        self._beat()
        try:
            check_clock(self._spool.path(BEAT), self._order.get("skew_s_max"))
            visible_devices(self._order)
            self._set_up()
            is_here = self._fetch()
        except (ClockSkewed, DevicesMissing, LauncherRefused, NotEnclosed) as error:
            self._clear_away()
            self._say_exited("setup_failed", str(error))
            return
        except (OSError, ValueError, KeyError) as error:
            self._say_exited("setup_failed", "the work folder: %s" % error)
            return
        peers = None
        if is_here:
            with ReservedPort(self._order["address"]) as port:
                peers = self._meet(port)
        if peers is None:
            self._say_end(not_run="stopped before the command was started")
            return
        try:
            if not self._spool.mark_started():
                self._say_exited("killed", "the command was started before")
                return
            self._start(peers)
        except (OSError, NotEnclosed) as error:
            self._clear_away()
            self._say_exited("setup_failed", "the command could not be started: %s" % error)
            return
        self._attend()
        self._hear_out()
        self._clear_away()
        self._say_end()

    def _set_up(self) -> None:
        order = self._order
        work = self._spool.path("work")
        if order.get("account") and os.path.isdir(work):
            import shutil

            # An earlier runner may have let the account in, and links may lie there now.
            shutil.rmtree(work)
        lay_out(work, order["snapshot"], order["blobs_dir"])
        for name in ("results_dir", "checkpoint_dir"):
            # There may be a door before it, which is a link.
            os.makedirs(os.path.realpath(order[name]), exist_ok=True)
        os.makedirs(self._spool.path(METRICS), exist_ok=True)
        if order.get("checkpoint_path"):
            link_checkpoint(work, order["checkpoint_path"], order["checkpoint_dir"])
        self._ranks = make_ranks(order, self._spool)

    def _fetch(self) -> bool:
        """Have here what the ranks run in; False if we are to stop instead."""
        pull = self._ranks.prepare()
        if pull is None:
            return True
        self._say("pulling", pid=os.getpid(), image=self._order["image"])
        while not pull.is_over():
            self._is_asked = self._find_stop() is not None
            if self._is_asked or self._is_abandoned or self._is_told_off:
                pull.cancel()
                self._clear_away()
                return False
            self._wait()
        pull.check()
        return True

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
            self._is_asked = self._find_stop() is not None
            return None if self._is_asked else [itself]
        self._say("standing", pid=os.getpid(), **itself, **self._ranks.facts)
        while True:
            if self._is_abandoned or self._is_told_off:
                return None
            if self._find_stop():
                self._is_asked = True
                return None
            met = self._spool.read_json("peers.json")
            if met is not None:
                peers: list[dict[str, Any]] = met["peers"]
                check_alike(peers)
                return peers
            self._wait()

    def _start(self, peers: list[dict[str, Any]]) -> None:
        order, spool = self._order, self._spool
        facts = self._ranks.facts
        hostfile = self._find_place(HOSTFILE)
        write_hostfile(hostfile, own_peers(order, peers), order["ranks_per_node"])
        os.chmod(hostfile, 0o644)
        places = {
            "QD_HOSTFILE": hostfile,
            "QD_METRICS": spool.path(METRICS),
            "QD_STOP": self._find_place(WARNING),
        }
        if os.path.exists(spool.path(CREDENTIALS)):
            places["QD_CREDENTIALS"] = self._find_place(CREDENTIALS)
            self._beat()  # which shows it
        budget = Budget(order.get("log") or {}, time.monotonic)
        self._relay = Relay(LogFile(spool.path("log")), budget)
        cgroups = self._confine()
        pids = []
        for local_rank in range(order["ranks_per_node"]):
            environment = make_environment(order, local_rank, peers, places)
            output = self._relay.open_pipe()
            try:
                pid = self._ranks.start(
                    order["command"], environment, spool.path("work"), output, cgroups
                )
            finally:
                os.close(output)
            pids.append(pid)
        for reader in (*self._relay.readers, *self._ranks.readers):
            self._wakeups.watch(reader)
        while not self._ranks.are_up() and not self._is_abandoned and not self._find_stop():
            self._wait()
            self._reap()
        if order.get("time_limit_s"):
            self._time_is_up_at = time.monotonic() + order["time_limit_s"]
        self._say("started", pid=os.getpid(), pids=pids, **facts)

    def _confine(self) -> tuple[str, ...]:
        limits = self._order.get("limits")
        if limits is None or not self._ranks.takes_cgroups:
            return ()
        self._cgroups = Cgroups(
            name_cgroup(make_mark(self._order)), limits["cpus"], limits["memory_bytes"]
        )
        if self._cgroups.folders:
            with open(self._spool.path(CGROUPS), "w") as stream:
                stream.write("\n".join(self._cgroups.folders))
        return self._cgroups.folders

    def _attend(self) -> None:
        """Until no rank runs, or what runs has had its grace."""
        while True:
            self._reap()
            if self._is_abandoned:
                return
            if not self._ranks.is_running and not self._ranks.has_warned_left:
                return
            wish = self._find_stop()
            if wish is not None:
                self._is_asked = self._is_asked or not self._is_timed_out
                self._stop(wish["signal"], wish["grace_s"])
            elif not self._ranks.stopping:
                self._look_for_reasons_to_stop()
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                return
            self._wait()

    def _reap(self) -> None:
        before = set(self._ranks.readers)
        self._ranks.reap()
        after = set(self._ranks.readers)
        for reader in before - after:
            self._wakeups.unwatch(reader)
        for reader in after - before:
            self._wakeups.watch(reader)

    def _look_for_reasons_to_stop(self) -> None:
        is_time_up = self._time_is_up_at is not None and time.monotonic() >= self._time_is_up_at
        if self._ranks.has_failed:
            self._hear_out()
        elif is_time_up:
            self._is_timed_out = True
            self._say("stopping", reason="timed_out")
        else:
            return
        self._stop(self._order["stop_signal"], self._order["grace_s"])

    def _hear_out(self) -> None:
        """A cluster tells each process of a job to end, one by one: by that a rank may have ended
        before we are told, and a shell because what it waited for has."""
        if self._keeper is None:
            return
        until = time.monotonic() + HEAR_OUT_S
        ends = [end for end in self._ranks.ends() if not end["stopped"]]
        was_killed = any(end["signal"] in KILLS or end["code"] in KILL_CODES for end in ends)
        while was_killed and not self._ranks.stopping and time.monotonic() < until:
            self._wait()

    def _clear_away(self) -> None:
        """Kill what is left of the command; then the log has its last byte."""
        self._ranks.clear()
        if self._has_children():
            kill_descendants(self._ranks.reap)
        self._ranks.reap_all()
        if self._relay is not None:
            self._relay.drain()

    def _say_end(self, not_run: str = "") -> None:
        overrun = (self._cgroups or self._ranks).describe_overrun()
        if self._cgroups is not None:
            self._cgroups.remove()
        if self._is_abandoned:
            self._say_exited("killed", "what had started its runner was killed, and so all of it")
        elif self._is_timed_out:
            limit_s = self._order["time_limit_s"]
            self._say_exited("timed_out", "it ran into its time limit of %gs" % limit_s)
        elif self._is_asked:
            self._say_exited("stopped", not_run)
        elif self._is_told_off:
            self._say_exited("stopped_at_site", "its runner was told to end by SIGTERM")
        elif overrun and self._ranks.has_failed:
            self._say_exited("out_of_memory", overrun)
        else:
            self._say_exited("completed", "")

    def _stop(self, name: str, grace_s: float) -> None:
        """Signal once; a shorter grace than before counts."""
        kill_at = time.monotonic() + grace_s
        if not self._ranks.stopping:
            self._kill_at = kill_at
            self._spool.touch(self._find_place(WARNING))
            self._ranks.signal(getattr(signal, "SIG" + name))
        elif self._kill_at is None or kill_at < self._kill_at:
            self._kill_at = kill_at

    def _find_stop(self) -> dict[str, Any] | None:
        return self._spool.read_json("stop.json")

    def _wait(self) -> None:
        """Until something may have changed, carrying what the ranks write."""
        _, signals = self._wakeups.wait(self._next_look_at() - time.monotonic())
        if self._relay is not None:
            piped = set(self._relay.readers)
            for ended in self._relay.take([one for one in self._wakeups.ready if one in piped]):
                self._wakeups.unwatch(ended)
            self._relay.turn()
        if signal.SIGTERM in signals:
            # It may come twice, from the cluster and from a pilot.
            self._is_told_off = self._is_told_off or not self._ranks.stopping
            self._stop(self._order["stop_signal"], self._order["grace_s"])
        if self._is_unsaid:
            self._is_unsaid = not self._spool.say_kept()
        if self._look_s is not None and not self._spool.look_again():
            self._is_abandoned = True
        if self._keeper is not None and os.getppid() != self._keeper:
            self._is_abandoned = True  # Others may be given our devices from now on.
        if time.monotonic() >= self._beat_at:
            self._beat()

    def _next_look_at(self) -> float:
        times = [self._beat_at]
        if self._look_s is not None:
            times.append(time.monotonic() + self._look_s)
        is_left = self._ranks.stopping and not self._ranks.is_running
        if is_left or self._ranks.has_to_be_looked_at:
            times.append(time.monotonic() + GROUP_LOOK_S)  # nobody tells of a grandchild's end
        if self._kill_at is not None:
            times.append(self._kill_at)
        elif self._time_is_up_at is not None:
            times.append(self._time_is_up_at)
        if self._is_unsaid:
            times.append(time.monotonic() + SAY_AGAIN_S)
        due_at = self._relay.due_at() if self._relay is not None else None
        if due_at is not None:
            times.append(due_at)
        return min(times)

    def _say(self, kind: str, **content: object) -> None:
        self._is_unsaid = not self._spool.say(kind, **content)

    def _beat(self) -> None:
        self._spool.beat()
        self._beat_at = time.monotonic() + BEAT_S
        if is_enclosed(self._order):
            show(self._spool, CREDENTIALS)

    def _find_place(self, name: str) -> str:
        """Where a file is that the ranks are told of."""
        return self._spool.path(os.path.join(SHOWN, name) if is_enclosed(self._order) else name)

    def _has_children(self) -> bool:
        """As subreaper, whoever has no child has no descendant either."""
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def _say_exited(self, reason: str, message: str) -> None:
        self._spool.say_last("exited", ranks=self._ranks.ends(), reason=reason, message=message)
