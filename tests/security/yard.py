"""A server's account, two people's accounts and the launcher between them, without systemd.

`Yard` plays systemd's socket: it accepts connections and starts the real launcher, as root, with
each of them. The accounts are some that every system has; nothing is made that would stay behind.
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

import quarterdeck

RUNNER = Path(quarterdeck.__file__).parent / "runner"
SERVER, ALICE, BOB = "daemon", "games", "man"
TOKEN = "the-token-of-the-owner"
ASK = """
import array, json, os, socket, sys
path, request, order = sys.argv[1:]
connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
connection.settimeout(30)
connection.connect(path)
files = []
if order:
    handle = os.memfd_create("order")
    os.write(handle, order.encode())
    os.lseek(handle, 0, os.SEEK_SET)
    files = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [handle, 2]))]
connection.sendmsg([request.encode()], files)
while True:
    word = connection.recv(65536)
    print(word.decode(), flush=True)
    if not word or b"ended" in word or b"refused" in word:
        break
"""


@cache
def find_python() -> str | None:
    """A Python that other accounts can execute: ours may lie in a folder that is root's alone."""
    for python in (sys.executable, shutil.which("python3", path="/usr/bin:/usr/local/bin")):
        if python is None:
            continue
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                [python, "-I", "-c", ""],
                check=True,
                cwd="/",
                user=SERVER,
                group="daemon",
                extra_groups=[],
                capture_output=True,
            )
            return python
    return None


class Yard:
    """See the module."""

    def __init__(self) -> None:
        python = find_python()
        assert python is not None
        self.python = python
        self.server = pwd.getpwnam(SERVER)
        self.root = Path(tempfile.mkdtemp(prefix="qd-yard-", dir="/var/tmp"))
        self.root.chmod(0o755)
        self.socket = self.root / "launcher.sock"
        self.config = self.root / "launcher.json"
        for name in ("qd_launcher.py", "qd_rank.py"):
            shutil.copy(RUNNER / name, self.root)
        shutil.copytree(RUNNER, self.root / "runner", ignore=shutil.ignore_patterns("__pycache__"))
        self.home = self._folder("home", 0o700)
        self.token = self.home / "token"
        self.jobs = self._folder("jobs", 0o711)
        for name in ("run", "attempts", "results", "checkpoints"):
            self._folder(f"jobs/{name}", 0o711)
        self._give(self.token, 0o600, TOKEN)
        self.configure()
        self.environment: dict[str, str] = {"PATH": os.environ["PATH"]}
        self.keepers: list[subprocess.Popen[bytes]] = []
        self.processes: list[subprocess.Popen[Any]] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(str(self.socket))
        os.chown(self.socket, 0, self.server.pw_gid)
        self.socket.chmod(0o660)
        self._listener.listen(16)
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def configure(self, **changes: Any) -> None:
        """Write the launcher's settings, as root would."""
        accounts = {"alice": ALICE, "bob": BOB, "root": "root", "server": SERVER}
        content = {"server": SERVER, "folder": str(self.jobs), "min_uid": 2, "accounts": accounts}
        self.config.write_text(json.dumps(content | changes))
        self.config.chmod(0o644)

    def ask(
        self, request: Any, order: Any = None, *, user: str = SERVER
    ) -> tuple[list[dict[str, Any]], str]:
        """Ask the launcher as an account; its words, and what the rank wrote."""
        text = request if isinstance(request, str) else json.dumps(request)
        given = json.dumps(order) if order is not None else ""
        account = pwd.getpwnam(user)
        done = subprocess.run(
            [self.python, "-I", "-c", ASK, str(self.socket), text, given],
            cwd="/",
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[self.server.pw_gid],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return [json.loads(line) for line in done.stdout.splitlines() if line], done.stderr

    def start(self, line: str, *, owner: str = "alice", **env: str) -> tuple[Any, str]:
        """Have a shell line run in a folder of its own; the launcher's words and the output."""
        folder = self.work(f"w{os.urandom(4).hex()}")
        order = {"command": ["sh", "-c", line], "env": env}
        return self.ask({"do": "start", "owner": owner, "folders": [str(folder)]}, order)

    def work(self, name: str) -> Path:
        """A folder of the server's that all may use."""
        return self._folder(f"jobs/{name}", 0o777)

    def order(self, line: str, *, name: str = "j1", attempt: int = 1, **changes: Any) -> Path:
        """Write a replica's order, as the engine does; its folder."""
        folder = self.jobs / "attempts" / name / str(attempt) / "0"
        for place in (folder.parent.parent, folder.parent, folder):
            self._folder(str(place.relative_to(self.root)), 0o700)
        content = {
            "version": 1, "home_id": "yard", "site": "local", "job_id": name, "attempt": attempt,
            "node_rank": 0, "nnodes": 1, "ranks_per_node": 1, "node": "n", "address": "127.0.0.1",
            "command": ["sh", "-c", line], "env": {}, "devices": [],
            "results_dir": str(self.jobs / "results" / name / str(attempt) / "0"),
            "checkpoint_dir": str(self.jobs / "checkpoints" / name),
            "snapshot": None, "blobs_dir": str(self.home), "stop_signal": "TERM", "grace_s": 5.0,
            "barrier": False, "inbox": str(self.jobs / "run" / "inbox.fifo"),
            "account": {
                "launcher": str(self.socket), "owner": "alice", "root": str(self.jobs),
            },
        }  # fmt: skip
        self._give(folder / "order.json", 0o600, json.dumps(content | changes))
        return folder

    def spawn_runner(self, folder: Path, **environment: str) -> subprocess.Popen[Any]:
        """Start the replica's runner, as the server."""
        process = self.spawn(
            [self.python, "-I", "-S", str(self.root / "runner"), "replica", str(folder)],
            **environment,
        )
        self.processes.append(process)
        return process

    def spawn(self, command: list[str], **environment: str) -> subprocess.Popen[Any]:
        """Start something as the server's account."""
        return subprocess.Popen(
            command,
            cwd="/",
            env={"PATH": os.environ["PATH"], **environment},
            user=self.server.pw_uid,
            group=self.server.pw_gid,
            extra_groups=[],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )

    def run(self, folder: Path, **environment: str) -> dict[str, Any]:
        """Run a replica to its end; its last fact."""
        assert self.spawn_runner(folder, **environment).wait(60) == 0
        return self.facts(folder)[-1]

    def facts(self, folder: Path) -> list[dict[str, Any]]:
        """What its runner has said."""
        path = folder / "status.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_text().splitlines()]

    def as_server(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command as the server's account."""
        return subprocess.run(
            command,
            cwd="/",
            user=self.server.pw_uid,
            group=self.server.pw_gid,
            extra_groups=[],
            capture_output=True,
            text=True,
            check=False,
        )

    def end(self) -> None:
        """Leave nothing."""
        for process in self.processes:
            process.kill()
            process.wait()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for keeper in self.keepers:
            keeper.wait(60)
        shutil.rmtree(self.root)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            command = [self.python, "-I", "-S", str(self.root / "qd_launcher.py")]
            with connection:
                self.keepers.append(
                    subprocess.Popen(
                        [*command, str(self.config)],
                        stdin=connection.fileno(),
                        env=self.environment,
                        cwd="/",
                    )
                )

    def _folder(self, name: str, mode: int) -> Path:
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        os.chown(folder, self.server.pw_uid, self.server.pw_gid)
        folder.chmod(mode)
        return folder

    def _give(self, path: Path, mode: int, text: str) -> None:
        path.write_text(text)
        os.chown(path, self.server.pw_uid, self.server.pw_gid)
        path.chmod(mode)
