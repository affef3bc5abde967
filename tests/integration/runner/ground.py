"""A site's folder with a real launcher, and orders to put into it."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import quarterdeck
from quarterdeck.adapters.engines.local.confinement import remove_groups
from quarterdeck.adapters.spool.doors import make_door

RUNNER = Path(quarterdeck.__file__).parent / "runner"


def until(holds: Callable[[], Any], within_s: float = 20.0) -> Any:
    """What `holds` gives as soon as it gives something."""
    deadline = monotonic() + within_s
    pause = threading.Event()
    while not (found := holds()):
        assert monotonic() < deadline, f"not within {within_s:g}s"
        pause.wait(0.005)
    return found


class Ground:
    """See the module."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.home_id = secrets.token_hex(8)
        self.run = root / "run"
        self.blobs = root / "blobs"
        self.run.mkdir(parents=True)
        self.blobs.mkdir()
        os.mkfifo(self.run / "inbox.fifo")
        self._inbox: int | None = os.open(self.run / "inbox.fifo", os.O_RDWR | os.O_NONBLOCK)
        self.launchers: list[subprocess.Popen[bytes]] = []
        self.extra: dict[str, str] = {}
        self.image = ""

    def start_launcher(self, *, idle_s: float = 1000.0) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-I", "-S", str(RUNNER), "launcher"]
        process = subprocess.Popen(
            [*command, "--site", str(self.root), "--idle-s", str(idle_s)],
            env={"PATH": os.environ["PATH"], "QD_HOME": "/nowhere", "KEPT": "yes", **self.extra},
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.launchers.append(process)
        return process

    def order(self, line: str, *, name: str = "j1", rank: int = 0, **changes: Any) -> Path:
        """Write an order; its folder."""
        folder = self.root / "attempts" / name / "1" / str(rank)
        folder.mkdir(parents=True)
        content = {
            "version": 1,
            "home_id": self.home_id,
            "site": "local",
            "job_id": name,
            "attempt": 1,
            "node_rank": rank,
            "nnodes": 1,
            "ranks_per_node": 1,
            "node": f"node-{rank}",
            "address": "127.0.0.1",
            "command": ["sh", "-c", line],
            "env": {},
            "devices": [],
            "results_dir": str(self.root / "results" / name / str(rank)),
            "checkpoint_dir": str(self.root / "checkpoints" / name),
            "snapshot": None,
            "blobs_dir": str(self.blobs),
            "stop_signal": "TERM",
            "grace_s": 5.0,
            "barrier": False,
            "inbox": str(self.run / "inbox.fifo"),
        }
        (folder / "order.json").write_text(json.dumps(content | changes))
        return folder

    def order_behind_door(self, line: str, **changes: Any) -> Path:
        """As engines write one whose results and checkpoints can be shut off (adapters/spool)."""
        folder = self.order(line, **changes)
        order = json.loads((folder / "order.json").read_text())
        (folder / "order.json").write_text(json.dumps(make_door(folder, order)))
        return folder

    def blob(self, content: bytes) -> str:
        digest = hashlib.sha256(content).hexdigest()
        (self.blobs / digest[:2]).mkdir(exist_ok=True)
        (self.blobs / digest[:2] / digest).write_bytes(content)
        return digest

    def launch(self, *folders: Path) -> None:
        """Hand folders to the launcher that runs."""

        def try_open() -> int | None:
            try:
                return os.open(self.run / "launcher.fifo", os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                return None

        handle = until(try_open)
        for folder in folders:
            os.write(handle, f"{folder}\n".encode())
        os.close(handle)

    def ask_to_stop(self, folder: Path, grace_s: float, *, poke: bool = True) -> None:
        new = folder / "stop.new"
        new.write_text(json.dumps({"grace_s": grace_s, "signal": "TERM"}))
        new.rename(folder / "stop.json")
        if poke:
            self.poke(folder, b"stop\n")

    def poke(self, folder: Path, word: bytes) -> None:
        handle = os.open(folder / "control.fifo", os.O_WRONLY | os.O_NONBLOCK)
        os.write(handle, word)
        os.close(handle)

    def facts(self, folder: Path) -> list[dict[str, Any]]:
        """Whole lines only: the last one may still be on its way."""
        path = folder / "status.jsonl"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def fact(self, folder: Path, kind: str) -> dict[str, Any]:
        """Wait for a fact."""

        def find() -> dict[str, Any] | None:
            return next((fact for fact in self.facts(folder) if fact["kind"] == kind), None)

        found: dict[str, Any] = until(find)
        return found

    def run_to_end(self, line: str, **changes: Any) -> tuple[Path, dict[str, Any]]:
        folder = self.order(line, **changes)
        if not self.launchers:
            self.start_launcher()
        self.launch(folder)
        return folder, self.fact(folder, "exited")

    def processes(self, name: str = "j1") -> list[int]:
        """Living processes with the mark of a job."""
        mark = f"QD_REPLICA={self.home_id}/{name}/".encode()
        found = []
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    if mark in (process / "environ").read_bytes():
                        found.append(int(process.name))
                except OSError:
                    continue
        return found

    def _is_empty(self, name: str) -> bool:
        return not self.processes(name)

    def stop_listening(self) -> None:
        if self._inbox is not None:
            os.close(self._inbox)
            self._inbox = None

    def read_inbox(self) -> bytes:
        assert self._inbox is not None
        try:
            return os.read(self._inbox, 65536)
        except BlockingIOError:
            return b""

    def close(self) -> None:
        for process in self.launchers:
            process.kill()
            process.wait()
        for folder in self.root.glob("attempts/*/*/*"):
            for fact in self.facts(folder):
                if "pid" in fact and not any(f["kind"] == "exited" for f in self.facts(folder)):
                    kill(fact["pid"])
        for folder in (self.root / "attempts").glob("*"):
            for pid in self.processes(folder.name):
                kill(pid)
            until(partial(self._is_empty, folder.name))
        for folder in self.root.glob("attempts/*/*/*"):
            remove_groups(folder)
        self.stop_listening()


def kill(pid: int) -> None:
    """SIGKILL, if it is still there."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
