"""A runner on a node whose clock is minutes off runs nothing, and says why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runner.ground import RUNNER, Ground

OFF = """\
import sys, time
right = time.time
time.time = lambda: right() + float(sys.argv[1])
sys.path.insert(0, sys.argv[2])
from runner.__main__ import main
sys.exit(main(["replica", sys.argv[3]]))
"""


def run_off(ground: Ground, folder: Path, off_s: float) -> list[dict[str, Any]]:
    """A real runner whose clock is so far off that of the file system; its facts."""
    command = [sys.executable, "-I", "-S", "-c", OFF, str(off_s), str(RUNNER.parent), str(folder)]
    assert subprocess.run(command, check=False, timeout=60).returncode == 0
    return ground.facts(folder)


@pytest.mark.parametrize(("off_s", "words"), [(600, "ahead of"), (-600, "behind")])
def test_ten_minutes_off_nothing_is_run(
    ground: Ground, tmp_path: Path, off_s: float, words: str
) -> None:
    folder = ground.order(f"touch {tmp_path}/ran", skew_s_max=60.0)
    (fact,) = run_off(ground, folder, off_s)
    assert (fact["kind"], fact["reason"], fact["ranks"]) == ("exited", "setup_failed", [])
    assert f"s {words} that of the site's folder: set both by NTP" in fact["message"]
    assert not (tmp_path / "ran").exists()
    assert not (folder / "started").exists()


def test_a_little_off_it_runs(ground: Ground, tmp_path: Path) -> None:
    folder = ground.order(f"touch {tmp_path}/ran", skew_s_max=60.0)
    assert run_off(ground, folder, 20)[-1]["reason"] == "completed"
    assert (tmp_path / "ran").exists()
