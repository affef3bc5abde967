"""The first node of a job: it runs the script, and knows who runs which step where.

The script is in a session of its own, so that what the runner signals reaches us alone, and the
script decides: a warning (`--signal`) goes to it or to its steps, as it asked, and SIGTERM follows
to all before the kill. Without --signal SIGTERM goes to all at once.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import Any

from .counter import count_restarts
from .keep import keep, look
from .ledger import Never, Node, Part, give_back, place
from .messages import BROKEN, Desk, Line
from .others import MEET_S, WARNINGS, meeting_place
from .outputs import Outputs
from .tasks import Step
from .tools import make_tools
from .variables import clean, script_variables

FIRST = "first.json"
GROUP_LOOK_S = 0.05
LOOPBACK = "127.0.0.1"


class First:
    """The first node."""

    def __init__(self, root: str, folder: str, facts: dict[str, Any], arguments: list[str]) -> None:
        self._root, self._folder = root, folder
        self._facts, self._arguments = facts, arguments
        self._around = dict(os.environ)
        self._size = int(self._around["QD_NNODES"])
        self._changed = threading.Condition()
        self._joined: dict[int, dict[str, Any]] = {}
        self._lifelines: list[Line] = []
        self._nodes: list[Node] = []
        self._steps = 0
        self._running: dict[int, Line] = {}
        self._news: queue.SimpleQueue[tuple[str, int]] = queue.SimpleQueue()
        self._script: subprocess.Popen[bytes] | None = None
        self._is_warned = False
        self._term_at: float | None = None

    def run(self) -> int:
        """Run the script to its end; its exit code, below 0 for a signal."""
        for name in WARNINGS:
            number = getattr(signal, "SIG" + name)
            signal.signal(number, lambda told, _frame: self._news.put(("signal", told)))
        self._open_desk()
        try:
            told = self._meet()
            if told:
                print("qd: %s" % told, file=sys.stderr)
                return 1
            return self._run_script()
        finally:
            self._say_goodbye()

    def _open_desk(self) -> None:
        address = self._around.get("MASTER_ADDR", LOOPBACK) if self._size > 1 else LOOPBACK
        key = secrets.token_hex(16)
        desk = Desk(address, key, self._attend)
        desk.open()
        self._joined[0] = {
            "address": address,
            "port": desk.port,
            "gpus": [one for one in self._around["CUDA_VISIBLE_DEVICES"].split(",") if one],
        }
        content = {"address": address, "port": desk.port, "key": key, "root": self._root}
        _write(os.path.join(self._folder, FIRST), content)
        if self._size > 1:
            _write(meeting_place(), content)

    def _meet(self) -> str:
        """Wait for the other nodes; what is wrong, if something is."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._joined) == self._size, MEET_S):
                return "only %d of %d nodes came: is %s one folder on all of them?" % (
                    *(len(self._joined), self._size),
                    self._around["QD_CHECKPOINT"],
                )
        hosts = _read_hosts(self._around["QD_HOSTFILE"])
        addresses = [self._joined[rank]["address"] for rank in range(self._size)]
        for rank, name in enumerate(name_nodes(hosts, addresses)):
            gpus = self._joined[rank]["gpus"]
            self._nodes.append(Node(name, (hosts[rank],), self._facts["cpus"], gpus))
        return ""

    def _run_script(self) -> int:
        names = [node.name for node in self._nodes]
        restarts = count_restarts(self._around)
        variables = script_variables(self._facts, self._around, names, self._root, restarts)
        environment = {**clean(self._around, self._facts["variables"]), **variables}
        environment.update(make_tools(self._folder, environment))
        environment["QD_STEPS"] = os.path.join(self._folder, FIRST)
        outputs = Outputs(self._facts, variables, self._around["QD_RESULTS"])
        start = os.path.join(self._root, self._facts["start"])
        before = look(self._root)
        argv = [os.path.join(self._folder, "script"), *self._arguments]
        try:
            self._script = subprocess.Popen(
                argv,
                cwd=start,
                env=environment,
                stdin=outputs.open_input(start),
                stdout=outputs.stdout,
                stderr=outputs.stderr,
                start_new_session=True,
            )
        except OSError as error:
            print("qd: the script could not be started: %s" % error, file=sys.stderr)
            return 127 if isinstance(error, FileNotFoundError) else 126
        finally:
            outputs.begin()
        threading.Thread(target=self._wait, args=(self._script,), daemon=True).start()
        code = self._attend_script()
        self._end_group()
        outputs.end()
        told = keep(self._root, before, self._around["QD_RESULTS"])
        if told:
            print("qd: %s" % told, file=sys.stderr)
        return code

    def _wait(self, script: subprocess.Popen[bytes]) -> None:
        self._news.put(("ended", script.wait()))

    def _attend_script(self) -> int:
        """Until the script has ended; what is signalled meanwhile is handed on."""
        while True:
            left_s = None if self._term_at is None else max(0.0, self._term_at - time.monotonic())
            try:
                kind, number = self._news.get(timeout=left_s)
            except queue.Empty:
                self._term_at = None
                self._signal_group(signal.SIGTERM)
                continue
            if kind == "ended":
                return number
            self._warn(number)

    def _warn(self, number: int) -> None:
        warning = self._facts["warning"]
        if warning is None or (self._is_warned and number == signal.SIGTERM):
            self._signal_group(number)
            return
        if self._is_warned:
            return
        self._is_warned = True
        self._term_at = time.monotonic() + warning["before_s"]
        named = getattr(signal, "SIG" + warning["name"])
        if warning["is_batch"]:
            assert self._script is not None
            with contextlib.suppress(ProcessLookupError):
                self._script.send_signal(named)
            return
        with self._changed:
            running = list(self._running.values())
        for line in running:
            with contextlib.suppress(*BROKEN):
                line.send(signal=int(named))

    def _signal_group(self, number: int) -> None:
        assert self._script is not None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._script.pid, number)

    def _end_group(self) -> None:
        """What the script left running is asked to end, and then killed."""
        deadline = time.monotonic() + self._facts["kill_wait_s"]
        self._signal_group(signal.SIGTERM)
        while time.monotonic() < deadline and self._has_group():
            time.sleep(GROUP_LOOK_S)
        self._signal_group(signal.SIGKILL)

    def _has_group(self) -> bool:
        assert self._script is not None
        try:
            os.killpg(self._script.pid, 0)
        except ProcessLookupError:
            return False
        return True

    def _attend(self, line: Line) -> None:
        """One who has come with the key: a node, a step that wants a place, or one to run here."""
        message = line.receive_message()
        if message["do"] == "launch":
            Step(line, message, self._root).run()
        elif message["do"] == "step":
            self._give_step(line, message["want"])
        elif message["do"] == "join":
            with self._changed:
                self._joined[message["rank"]] = message
                self._lifelines.append(line)
                self._changed.notify_all()
            with contextlib.suppress(*BROKEN):
                line.receive_message()  # it says nothing more

    def _give_step(self, line: Line, want: dict[str, Any]) -> None:
        """Give a step its place when there is one, until its srun has gone."""
        try:
            with self._changed:
                parts = place(self._nodes, want)
                if parts is None:
                    line.send(waiting=True)
                while parts is None:
                    self._changed.wait()
                    parts = place(self._nodes, want)
                number = self._steps
                self._steps += 1
                self._running[number] = line
        except Never as error:
            line.send(error=str(error))
            return
        try:
            line.send(step=number, parts=[self._tell(part) for part in parts])
            line.receive_message()
        except BROKEN:
            pass
        finally:
            with self._changed:
                del self._running[number]
                give_back(self._nodes, want, parts)
                self._changed.notify_all()

    def _tell(self, part: Part) -> dict[str, Any]:
        at = self._joined[part.node]
        tasks = [
            {"rank": rank, "local": local, "devices": _of_task(part, local)}
            for local, rank in enumerate(part.ranks)
        ]
        return {
            "name": self._nodes[part.node].name,
            "address": at["address"],
            "port": at["port"],
            "devices": part.devices,
            "tasks": tasks,
        }

    def _say_goodbye(self) -> None:
        with self._changed:
            lines = list(self._lifelines)
        for line in lines:
            with contextlib.suppress(*BROKEN):
                line.send(do="end")
        if self._size > 1:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(meeting_place())


def name_nodes(hosts: list[str], addresses: list[str]) -> list[str]:
    """The nodes' names as the script will use them: it connects to them, so each must lead to its
    node. A name that nobody resolves, as that of a pretended node, gives way to the address; where
    all have the same loopback address, each gets one of its own, which leads to the same machine.
    """
    if all(_resolves(host) for host in hosts):
        return hosts
    if len(set(addresses)) == len(addresses):
        return addresses
    if all(address == LOOPBACK for address in addresses):
        return ["127.0.%d.%d" % divmod(number, 250) for number in range(1, len(hosts) + 1)]
    return hosts


def _resolves(host: str) -> bool:
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return True


def _read_hosts(path: str) -> list[str]:
    with open(path) as stream:
        return [line.split()[0] for line in stream if line.strip()]


def _of_task(part: Part, local: int) -> list[str] | None:
    return part.of_task[local] if part.of_task is not None else part.devices


def _write(path: str, content: dict[str, Any]) -> None:
    """Whole or not at all, and for nobody else to read: it holds the key."""
    new = path + ".new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(new)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        json.dump(content, stream)
    os.rename(new, path)
