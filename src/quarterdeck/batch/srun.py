"""A stand-in for srun(1) within a job: tasks on its nodes, their output and their exit code here.

It asks the first node for a place, orders the tasks at the nodes, and stays until they have ended.
Its exit code is the highest of theirs, 128 + n for an end by signal n.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from multiprocessing.connection import wait
from typing import Any, BinaryIO, NoReturn

from quarterdeck.core.cluster.hostlist import compress_hostlist

from .messages import BROKEN, ERR, IN, OUT, Data, Line, dial
from .options import environment_of, fail, folder_of, read_options, wish_of
from .patterns import fill
from .variables import tell_counts

CHUNK_BYTES = 1 << 16
LINE_BYTES_MAX = 1 << 16
FORWARDED = ("TERM", "INT", "HUP", "USR1", "USR2", "QUIT")


class Srun:
    """One step."""

    def __init__(self, found: Any, first: Line, given: dict[str, Any], key: str) -> None:  # noqa: ANN401
        self._found = found
        self._first = first
        self._number: int = given["step"]
        self._parts: list[dict[str, Any]] = given["parts"]
        self._lines: dict[Line, dict[str, Any]] = {}
        self._codes: dict[int, int] = {}
        self._halves: dict[tuple[bytes, int], bytes] = {}
        self._files: dict[str, BinaryIO] = {}
        self._width = len(str(max(1, self._tasks - 1)))
        self._key = key
        self._is_killed = False

    @property
    def _tasks(self) -> int:
        return sum(len(part["tasks"]) for part in self._parts)

    def run(self) -> int:
        """Launch, follow, and the exit code."""
        signals = _catch_signals()
        reads = self._found.input.lower() != "none"
        for number, part in enumerate(self._parts):
            line = dial(part["address"], part["port"], self._key)
            self._lines[line] = part
            line.send(**self._order(number, part, reads=reads))
        if reads:
            threading.Thread(target=self._read, daemon=True).start()
        self._follow(signals)
        worst = max((_exit_code(code) for code in self._codes.values()), default=1)
        return worst if len(self._codes) == self._tasks else max(worst, 1)

    def _order(self, number: int, part: dict[str, Any], *, reads: bool) -> dict[str, Any]:
        return {
            "do": "launch",
            "argv": self._found.command,
            "env": environment_of(self._found),
            "cwd": folder_of(self._found),
            "stdin": reads,
            "step": self._step_variables(),
            "node": number,
            "name": part["name"],
            "devices": part["devices"],
            "tasks": part["tasks"],
        }

    def _step_variables(self) -> dict[str, str]:
        names = compress_hostlist(part["name"] for part in self._parts)
        counts = tell_counts(len(part["tasks"]) for part in self._parts)
        found = {
            "SLURM_STEP_NODELIST": names,
            "SLURM_STEP_TASKS_PER_NODE": counts,
            "SLURM_TASKS_PER_NODE": counts,
            "SLURM_LAUNCH_NODE_IPADDR": self._parts[0]["address"],
        }
        for name in ("SLURM_STEP_ID", "SLURM_STEPID"):
            found[name] = str(self._number)
        for name in ("SLURM_STEP_NUM_TASKS", "SLURM_NTASKS", "SLURM_NPROCS"):
            found[name] = str(self._tasks)
        for name in ("SLURM_STEP_NUM_NODES", "SLURM_NNODES"):
            found[name] = str(len(self._parts))
        if self._found.cpus_per_task:
            found["SLURM_CPUS_PER_TASK"] = str(self._found.cpus_per_task)
        return found

    def _follow(self, signals: int) -> None:
        waited: list[Any] = [signals, self._first, *self._lines]
        while set(waited) & set(self._lines):
            for line in wait(waited):
                if not isinstance(line, Line):
                    for number in os.read(signals, CHUNK_BYTES):
                        self._signal(number)
                    continue
                try:
                    message = line.receive()
                except BROKEN:
                    waited.remove(line)
                    self._lose(line)
                    continue
                if isinstance(message, Data):
                    self._take(message)
                elif "signal" in message:
                    self._signal(message["signal"])
                elif "ended" in message:
                    self._note(message["ended"], message["code"], self._lines[line])
                elif "done" in message:
                    waited.remove(line)
        for (tag, rank), half in list(self._halves.items()):
            if half:
                self._write(tag, rank, half + (b"\n" if self._found.label else b""))

    def _lose(self, line: Line) -> None:
        """A node is gone, or the whole job."""
        part = self._lines.get(line)
        if part is None:
            return
        for task in part["tasks"]:
            if task["rank"] not in self._codes:
                self._codes[task["rank"]] = 1
                self._say("%s: task %d: its node is gone" % (part["name"], task["rank"]))

    def _note(self, rank: int, code: int, part: dict[str, Any]) -> None:
        self._codes[rank] = code
        if code == 0:
            return
        told = "Exited with exit code %d" % code if code > 0 else _tell_signal(-code)
        self._say("%s: task %d: %s" % (part["name"], rank, told))
        if self._found.kill_on_bad_exit != "0" and not self._is_killed:
            self._is_killed = True
            self._signal(signal.SIGKILL)

    def _say(self, text: str) -> None:
        if not self._found.quiet:
            os.write(2, ("srun: error: %s\n" % text).encode())

    def _signal(self, number: int) -> None:
        for line in list(self._lines):
            with contextlib.suppress(*BROKEN):
                line.send(signal=int(number))

    def _take(self, data: Data) -> None:
        """Whole lines at once, so that those of different tasks do not mix."""
        at = (data.tag, data.number)
        if self._found.unbuffered and not self._found.label:
            self._write(data.tag, data.number, data.content)
            return
        text = self._halves.pop(at, b"") + data.content
        whole, newline, half = text.rpartition(b"\n")
        if len(half) > LINE_BYTES_MAX or not data.content:
            whole, newline, half = text, b"", b""
        if half:
            self._halves[at] = half
        if not whole + newline:
            return
        if self._found.label:
            mark = b"%*d: " % (self._width, data.number)
            whole = b"\n".join(mark + line for line in whole.split(b"\n"))
            newline = newline or b"\n"
        self._write(data.tag, data.number, whole + newline)

    def _write(self, tag: bytes, rank: int, content: bytes) -> None:
        pattern = self._found.output
        if tag == ERR and self._found.error:
            pattern = self._found.error
        if pattern and pattern != "none":
            stream = self._open(pattern, rank)
            stream.write(content)
            stream.flush()
        elif pattern is None:
            handle = 1 if tag == OUT else 2
            while content:
                content = content[os.write(handle, content) :]

    def _open(self, pattern: str, rank: int) -> BinaryIO:
        around = self._found.around
        part, local = next(
            (part, task["local"])
            for part in self._parts
            for task in part["tasks"]
            if task["rank"] == rank
        )
        values = {
            "j": around["SLURM_JOB_ID"],
            "J": "%s.%d" % (around["SLURM_JOB_ID"], self._number),
            "A": around.get("SLURM_ARRAY_JOB_ID", around["SLURM_JOB_ID"]),
            "a": around.get("SLURM_ARRAY_TASK_ID", "4294967294"),
            "s": str(self._number),
            "t": str(rank),
            "l": str(local),
            "n": str(self._parts.index(part)),
            "N": part["name"].partition(".")[0] if part["name"][0].isalpha() else part["name"],
            "x": around.get("SLURM_JOB_NAME", ""),
            "u": around.get("SLURM_JOB_USER", ""),
        }
        name = os.path.join(folder_of(self._found), fill(pattern, values))
        if name not in self._files:
            self._files[name] = open(name, "wb")  # noqa: SIM115 - until the end
        return self._files[name]

    def _read(self) -> None:
        """What srun reads, its tasks read too."""
        handle = 0
        if self._found.input.lower() != "all":
            handle = os.open(self._found.input, os.O_RDONLY)
        while True:
            try:
                chunk = os.read(handle, CHUNK_BYTES)
            except OSError:
                chunk = b""
            for line in list(self._lines):
                with contextlib.suppress(*BROKEN):
                    line.send_data(IN, 0, chunk)
            if not chunk:
                return


def _catch_signals() -> int:
    """What can be read when a signal has come: its number. A handler of Python's would run in the
    middle of a send, and could not send itself."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    for name in FORWARDED:
        signal.signal(getattr(signal, "SIG" + name), lambda _number, _frame: None)
    return reader


def _tell_signal(number: int) -> str:
    try:
        return "Ended by %s" % signal.Signals(number).name
    except ValueError:
        return "Ended by signal %d" % number


def _exit_code(code: int) -> int:
    return code if code >= 0 else 128 - code


def main() -> NoReturn:
    """Run the step and exit as it went."""
    found = read_options(sys.argv[1:], os.environ)
    place = os.environ.get("QD_STEPS", "")
    try:
        with open(place) as stream:
            at = json.load(stream)
        first = dial(at["address"], at["port"], at["key"])
    except (OSError, ValueError) as error:
        fail("the job's first node cannot be reached: %s" % error)
    first.send(do="step", want=wish_of(found))
    given = first.receive_message()
    if "waiting" in given:
        print("srun: waiting until other steps have ended", file=sys.stderr, flush=True)
        given = first.receive_message()
    if "error" in given:
        fail(given["error"])
    code = Srun(found, first, given, at["key"]).run()
    os._exit(code & 0xFF)
