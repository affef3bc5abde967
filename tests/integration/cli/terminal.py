"""Types `qd` commands in a process of their own, against a scripted server or none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.integration.sdk.scripted import TOKEN

QD = (sys.executable, "-c", "from quarterdeck.cli.main import build_cli; build_cli({})()")


def environment(url: str | None, home: Path | None = None) -> dict[str, str]:
    clean = {name: text for name, text in os.environ.items() if not name.startswith("QD_")}
    if url is not None:
        clean |= {"QD_URL": url, "QD_TOKEN": TOKEN}
    if home is not None:
        clean["QD_HOME"] = str(home)
    return clean


def qd(
    *arguments: str, url: str | None = None, home: Path | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end."""
    return subprocess.run(
        [*QD, *arguments],
        env=environment(url, home),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def spawn(*arguments: str, url: str) -> subprocess.Popen[bytes]:
    """Start it."""
    return subprocess.Popen(
        [*QD, *arguments],
        env=environment(url),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
