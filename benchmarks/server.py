"""A server of its own for one measurement, on a home that is thrown away."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from quarterdeck.sdk import Client

if TYPE_CHECKING:
    from collections.abc import Iterator

QD = (sys.executable, "-m", "quarterdeck.wiring.entry")


@contextmanager
def running_server(*options: str) -> Iterator[Client]:
    """A detached server, and a client of it; ended with all its jobs."""
    with tempfile.TemporaryDirectory(prefix="qd-bench-") as folder:
        home = Path(folder)
        environment = {**os.environ, "QD_HOME": folder}
        up = [*QD, "up", "--home", folder, "--port", "0", "--detach", *options]
        subprocess.run(up, check=True, env=environment, stdout=subprocess.DEVNULL)
        try:
            server = json.loads((home / "server.json").read_text())
            token = (home / "token").read_text().strip()
            with Client(url=server["url"], token=token) as client:
                yield client
        finally:
            down = [*QD, "down", "--home", folder, "--stop-jobs"]
            subprocess.run(down, check=True, env=environment, stdout=subprocess.DEVNULL)
