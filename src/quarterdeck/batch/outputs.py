"""What the script prints goes into the job's log, and where it names files (`--output`, `--error`),
into these too: they are results of the attempt."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any

from .patterns import fill, inside, script_values

CHUNK_BYTES = 1 << 16
DRAIN_S = 5.0


class Outputs:
    """Where the script reads and writes."""

    def __init__(self, facts: dict[str, Any], variables: dict[str, str], results: str) -> None:
        given = facts["given"]
        self._values = script_values(variables, facts["name"])
        self._results = results
        self._input = given.get("input")
        self._pipes: list[tuple[int, int, str]] = []
        self._writers: list[int] = []
        self._threads: list[threading.Thread] = []
        self.stdout: int | None = None
        self.stderr: int | None = None
        if given.get("output") not in (None, "/dev/null"):
            self.stdout = self._pipe(1, given["output"])
            self.stderr = self.stdout
        if given.get("error") not in (None, "/dev/null"):
            self.stderr = self._pipe(2, given["error"])
        elif given.get("error") == "/dev/null":
            self.stderr = None

    def open_input(self, folder: str) -> Any:  # noqa: ANN401 - a file or a constant
        """What the script reads: nothing, unless --input names a file."""
        if self._input in (None, "/dev/null"):
            return subprocess.DEVNULL
        return open(os.path.join(folder, fill(self._input, self._values)), "rb")

    def begin(self) -> None:
        """The script has its ends; carry what comes out of ours."""
        for writer in self._writers:
            os.close(writer)
        for pipe in self._pipes:
            thread = threading.Thread(target=_carry, args=pipe, daemon=True)
            thread.start()
            self._threads.append(thread)

    def end(self) -> None:
        """Wait for the last byte; not for what the script left behind."""
        for thread in self._threads:
            thread.join(DRAIN_S)

    def _pipe(self, log: int, pattern: str) -> int:
        path = inside(self._results, fill(pattern, self._values))
        reader, writer = os.pipe()
        self._pipes.append((reader, log, path))
        self._writers.append(writer)
        return writer


def _carry(reader: int, log: int, path: str) -> None:
    """Into the log and the file. A file that cannot be written leaves the log as it is."""
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        handle: int | None = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        print("qd: the output file %s: %s" % (path, error.strerror), file=sys.stderr, flush=True)
        handle = None
    while True:
        chunk = os.read(reader, CHUNK_BYTES)
        if not chunk:
            break
        _write_all(log, chunk)
        if handle is not None:
            try:
                _write_all(handle, chunk)
            except OSError as error:
                told = "qd: the output file %s ends here: %s\n" % (path, error.strerror)
                _write_all(log, told.encode())
                os.close(handle)
                handle = None
    os.close(reader)
    if handle is not None:
        os.close(handle)


def _write_all(handle: int, content: bytes) -> None:
    while content:
        content = content[os.write(handle, content) :]
