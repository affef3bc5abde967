"""The tasks of a step on one node: start them, carry what they write, say how each ended.

A step lives as long as the connection of the srun that ordered it: when that breaks, its tasks are
killed.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
from typing import Any, BinaryIO

from .messages import BROKEN, ERR, IN, OUT, Data, Line
from .variables import task_variables

CHUNK_BYTES = 1 << 16
LOOK_S = 1.0


class Step:
    """One step's tasks here."""

    def __init__(self, line: Line, order: dict[str, Any], root: str) -> None:
        self._line = line
        self._order = order
        self._root = root
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._waiting: list[threading.Thread] = []

    def run(self) -> None:
        """Start them and follow the connection to its end."""
        try:
            for task in self._order["tasks"]:
                self._start(task)
            threading.Thread(target=self._finish, daemon=True).start()
            self._follow()
        finally:
            self._signal(signal.SIGKILL)

    def _start(self, task: dict[str, Any]) -> None:
        own = dict(os.environ)
        rank = task["rank"]
        try:
            process = subprocess.Popen(
                self._order["argv"],
                cwd=self._folder(),
                env=task_variables(self._order, task, own),
                stdin=subprocess.PIPE if self._order["stdin"] else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            code = 127 if isinstance(error, FileNotFoundError) else 126
            told = "srun: error: %s: %s\n" % (self._order["argv"][0], error.strerror)
            self._line.send_data(ERR, rank, told.encode())
            self._line.send(ended=rank, code=code)
            return
        self._running[rank] = process
        waiter = threading.Thread(target=self._attend, args=(rank, process), daemon=True)
        self._waiting.append(waiter)
        waiter.start()

    def _folder(self) -> str:
        """Where srun was started; a node that does not see that folder has its own copy."""
        folder: str = self._order["cwd"]
        return folder if os.path.isdir(folder) else self._root

    def _attend(self, rank: int, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        readers = [
            threading.Thread(target=self._carry, args=(tag, rank, stream, process), daemon=True)
            for tag, stream in ((OUT, process.stdout), (ERR, process.stderr))
        ]
        for reader in readers:
            reader.start()
        code = process.wait()
        _kill_group(process.pid, signal.SIGKILL)
        for reader in readers:
            reader.join()
        with contextlib.suppress(*BROKEN):
            self._line.send(ended=rank, code=code)

    def _carry(
        self, tag: bytes, rank: int, stream: BinaryIO, process: subprocess.Popen[bytes]
    ) -> None:
        handle = stream.fileno()
        with contextlib.suppress(*BROKEN):
            while True:
                if not select.select([handle], [], [], LOOK_S)[0]:
                    if process.returncode is not None:
                        break  # somebody who left the group holds on to it
                    continue
                chunk = os.read(handle, CHUNK_BYTES)
                if not chunk:
                    break
                self._line.send_data(tag, rank, chunk)
            self._line.send_data(tag, rank, b"")

    def _finish(self) -> None:
        for waiter in self._waiting:
            waiter.join()
        with contextlib.suppress(*BROKEN):
            self._line.send(done=True)

    def _follow(self) -> None:
        """Signals and input for the tasks, until srun is gone."""
        while True:
            try:
                message = self._line.receive()
            except BROKEN:
                return
            if isinstance(message, Data):
                if message.tag == IN:
                    self._feed(message.content)
            elif "signal" in message:
                self._signal(message["signal"])

    def _feed(self, content: bytes) -> None:
        for process in self._running.values():
            stream = process.stdin
            if stream is None or stream.closed:
                continue
            with contextlib.suppress(OSError, ValueError):
                if content:
                    stream.write(content)
                    stream.flush()
                else:
                    stream.close()

    def _signal(self, number: int) -> None:
        for process in self._running.values():
            if process.returncode is None:
                _kill_group(process.pid, number)


def _kill_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
