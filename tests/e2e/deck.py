"""One home: start its server, kill it, ask it, and look at the processes that it started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Any, TypeVar

from quarterdeck.sdk import Client

T = TypeVar("T")
QD = (sys.executable, "-m", "quarterdeck.wiring.entry")


def until(look: Callable[[], T | None], *, within_s: float = 30.0, every_s: float = 0.02) -> T:
    """What `look` finds, as soon as it finds something."""
    deadline = monotonic() + within_s
    pause = threading.Event()
    while True:
        found = look()
        if found:
            return found
        assert monotonic() < deadline, f"not within {within_s:g}s: {look}"
        pause.wait(every_s)


class Deck:
    """See the module."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.site = home / "sites" / "local"
        self.environment = {
            **{name: text for name, text in os.environ.items() if not name.startswith("QD_")},
            "QD_HOME": str(home),
        }
        self.options: tuple[str, ...] = ()

    def up(self, *options: str) -> None:
        """Start the server and wait until it is ready."""
        self.options = options
        done = self.qd("up", "--detach", *options)
        assert done.returncode == 0, done.stderr + self.server_log()

    def up_again(self) -> None:
        """Start it as it was started before."""
        self.up(*self.options)

    def spawn_up(self) -> subprocess.Popen[bytes]:
        """Start it as before, without waiting for anything."""
        with (self.home / "server.log").open("ab") as output:
            return subprocess.Popen(
                [*QD, "up", *self.options],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def qd(
        self, *arguments: str, within_s: float = 120.0, cwd: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a `qd` command to its end."""
        return subprocess.run(
            [*QD, *arguments],
            check=False,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=within_s,
            cwd=cwd or self.home.parent,
            stdin=subprocess.DEVNULL,
        )

    def qd_json(self, *arguments: str) -> Any:
        """What a `qd` command printed with `-o json`."""
        done = self.qd(*arguments, "-o", "json")
        assert done.returncode == 0, done.stderr + self.server_log()
        return json.loads(done.stdout)

    def run(self, *arguments: str) -> str:
        """Submit a shell line, the last argument, with `qd run --detach`; the id."""
        options, line = arguments[:-1], arguments[-1]
        command = ("--workdir", "none", *options, "-o", "json", "--", "sh", "-c", line)
        done = self.qd("run", "--detach", *command)
        assert done.returncode == 0, done.stderr + self.server_log()
        return str(json.loads(done.stdout)["id"])

    def show(self, job_id: str) -> Any:
        """The job as `qd show` has it."""
        return self.qd_json("show", job_id)

    def client(self) -> Client:
        """A client of the server as it is now."""
        server = json.loads((self.home / "server.json").read_text())
        token = (self.home / "token").read_text().strip()
        return Client(url=server["url"], token=token)

    def server_pid(self) -> int:
        """The server's process."""
        return int(json.loads((self.home / "server.json").read_text())["pid"])

    def server_pids(self) -> list[int]:
        """Servers of this home, ready or still starting: by their environment and command."""
        mark = f"QD_HOME={self.home}".encode()
        return [
            pid
            for pid in _all_pids()
            if b"quarterdeck.wiring.entry" in _read(pid, "cmdline")
            and b"up" in _read(pid, "cmdline").split(b"\0")
            and mark in _read(pid, "environ").split(b"\0")
        ]

    def kill_server(self) -> None:
        """As a power cut would, for the server alone."""
        kill_and_wait(self.server_pid())

    def server_log(self) -> str:
        """What the server had to say."""
        path = self.home / "server.log"
        return path.read_text() if path.exists() else ""

    def runner_pids(self) -> list[int]:
        """Runners that say they stand and have not exited."""
        pids = []
        for status in self.site.glob("attempts/*/*/*/status.jsonl"):
            facts = [json.loads(line) for line in status.read_text().splitlines()]
            if facts and facts[-1]["kind"] != "exited":
                pids += [fact["pid"] for fact in facts if "pid" in fact][:1]
        return [pid for pid in pids if _is_alive(pid)]

    def launcher_pids(self) -> list[int]:
        """Launchers of this home's site."""
        wanted = str(self.site).encode()
        runners = set(self.runner_pids())
        return [
            pid
            for pid in _all_pids()
            if pid not in runners
            and wanted in _read(pid, "cmdline").split(b"\0")
            and b"launcher" in _read(pid, "cmdline").split(b"\0")
        ]

    def processes_of(self, job_id: str = "") -> list[tuple[int, str]]:
        """Every process that carries this home's mark: its id and `job/attempt/node_rank`."""
        prefix = f"QD_REPLICA={(self.home / 'home_id').read_text().strip()}/{job_id}".encode()
        return [
            (pid, variable.decode().partition("/")[2])
            for pid in _all_pids()
            for variable in _read(pid, "environ").split(b"\0")
            if variable.startswith(prefix)
        ]

    def end(self) -> None:
        """End the server, its launcher, its runners and everything they started."""
        for pid in self.server_pids():
            kill_and_wait(pid)
        if not (self.home / "home_id").exists():
            return
        for pid in [*self.launcher_pids(), *self.runner_pids()]:
            kill_and_wait(pid)
        for pid, _ in self.processes_of():
            kill_and_wait(pid)


def kill_and_wait(pid: int) -> None:
    """SIGKILL, and wait until the process is gone."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        os.close(handle)
    until(lambda: not _is_alive(pid))


def _is_alive(pid: int) -> bool:
    stat = _read(pid, "stat")
    return bool(stat) and stat.rpartition(b")")[2].split()[0] != b"Z"


def _all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
