"""The engine's end of the warm launcher: one process that forks a runner per replica.

A fork of a process that has imported everything costs milliseconds, a fresh Python twenty times
that. The launcher outlives the server, as the runners do; a server that starts again finds it by
its lock and speaks to it through the same FIFO.
"""

from __future__ import annotations

import errno
import os
import select
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Final

import quarterdeck
from quarterdeck.adapters.spool.locks import is_held
from quarterdeck.adapters.spool.orders import site_disk
from quarterdeck.basics.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quarterdeck.adapters.spool.paths import SitePaths

START_S_MAX: Final = 20.0
REAP_S_MAX: Final = 60.0
POLL_S: Final = 0.005
RUNNER: Final = Path(quarterdeck.__file__).parent / "runner"


class Launcher:
    """Starts the launcher process where there is none, and hands it replica folders."""

    def __init__(self, paths: SitePaths) -> None:
        self._paths = paths
        self._fifo = paths.run / "launcher.fifo"
        self._lock = paths.run / "launcher.lock"
        self._process: subprocess.Popen[bytes] | None = None

    def start_runners(self, folders: Iterable[Path]) -> None:
        """Ask for one runner per folder. A folder that has one already is left alone.

        Raises `Unavailable` when the launcher does not come up or does not read.
        """
        lines = [f"{folder}\n".encode() for folder in folders]
        if not lines:
            return
        handle = self._open()
        try:
            for line in lines:
                _write_whole(handle, line)
        finally:
            os.close(handle)

    def ensure_started(self) -> None:
        """Have it ready before the first job needs it."""
        os.close(self._open())

    def reap(self, folders: Mapping[str, Path]) -> None:
        """Kill whatever still carries these markers in its environment, whoever started it, and
        remove the containers that are noted in the replicas' folders."""
        arguments = [part for marker in folders for part in ("--marker", marker)]
        arguments += [part for folder in folders.values() for part in ("--folder", str(folder))]
        done = subprocess.run(
            [*_PYTHON, str(RUNNER), "reap", *arguments],
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=REAP_S_MAX,
        )
        if done.returncode != 0:
            raise Unavailable(
                f"leftover processes could not be ended: {done.stderr.decode(errors='replace')}",
                hint="look at the server's processes",
            )

    def _open(self) -> int:
        deadline = monotonic() + START_S_MAX
        while True:
            handle = self._try_open()
            if handle is not None:
                return handle
            if not self._is_running():
                self._spawn()
            if monotonic() > deadline:
                raise Unavailable(
                    f"the launcher did not start within {START_S_MAX:g}s",
                    hint=f"see {self._paths.run / 'launcher.log'}",
                )
            select.select([], [], [], POLL_S)

    def _try_open(self) -> int | None:
        """The FIFO, if somebody reads it."""
        try:
            return os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):
                return None
            raise

    def _is_running(self) -> bool:
        if self._process is not None and self._process.poll() is None:
            return True
        return is_held(self._lock)

    def _spawn(self) -> None:
        with site_disk(), (self._paths.run / "launcher.log").open("ab") as output:
            self._process = subprocess.Popen(
                [*_PYTHON, str(RUNNER), "launcher", "--site", str(self._paths.root)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                start_new_session=True,
            )


_PYTHON: Final = (sys.executable, "-I", "-S")


def _write_whole(handle: int, line: bytes) -> None:
    """Lines are shorter than PIPE_BUF, so each is written whole; a full FIFO is waited for."""
    while True:
        try:
            os.write(handle, line)
        except BlockingIOError:
            if not select.select([], [handle], [], START_S_MAX)[1]:
                raise Unavailable("the launcher does not read", hint="try again") from None
        except BrokenPipeError:
            raise Unavailable("the launcher has just ended", hint="try again") from None
        else:
            return
