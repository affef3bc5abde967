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
def running_server(
    *options: str, home: Path | None = None, stop_jobs: bool = True
) -> Iterator[Client]:
    """A detached server, and a client of it; ended with all its jobs, unless they are to go on."""
    with tempfile.TemporaryDirectory(prefix="qd-bench-") as folder:
        root = home or Path(folder)
        environment = {**os.environ, "QD_HOME": str(root)}
        up = [*QD, "up", "--home", str(root), "--port", "0", "--detach", *options]
        subprocess.run(up, check=True, env=environment, stdout=subprocess.DEVNULL)
        try:
            token = (root / "token").read_text().strip()
            with Client(url=read_server(root)["url"], token=token) as client:
                yield client
        finally:
            down = [*QD, "down", "--home", str(root), *(["--stop-jobs"] if stop_jobs else [])]
            subprocess.run(down, check=True, env=environment, stdout=subprocess.DEVNULL)


def read_server(home: Path) -> dict[str, str]:
    """What the home's server says of itself."""
    told: dict[str, str] = json.loads((home / "server.json").read_text())
    return told
