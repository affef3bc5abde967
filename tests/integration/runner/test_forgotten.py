"""A runner of which nobody knows any more: its folder was moved away while it was out of reach."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.integration.runner.ground import RUNNER, Ground


@pytest.fixture
def runner(ground: Ground) -> Iterator[subprocess.Popen[bytes]]:
    """Of one replica, as on a cluster's node."""
    (ground.root / "news").mkdir()
    folder = ground.order("sleep 1000", look_s=0.1, news=str(ground.root / "news"))
    words = (sys.executable, "-I", "-S", str(RUNNER), "node", str(folder.parent))
    (folder.parent / "nodes.json").write_text('{"n1": [0]}')
    made = subprocess.Popen([*words, "--name", "n1"], stderr=subprocess.PIPE)
    ground.fact(folder, "started")
    yield made
    made.kill()
    made.wait()


def test_it_ends_what_it_runs(ground: Ground, runner: subprocess.Popen[bytes]) -> None:
    (ground.root / "attempts" / "j1").rename(ground.root / "ended")
    _, said = runner.communicate(timeout=20)
    assert (runner.returncode, said) == (0, b"")
    assert ground.processes() == []


def test_it_goes_on_while_the_whole_site_is_out_of_sight(
    ground: Ground, runner: subprocess.Popen[bytes]
) -> None:
    """As when an automounter has let go of it for a moment."""
    away = ground.root.with_name("away")
    ground.root.rename(away)
    with pytest.raises(subprocess.TimeoutExpired):
        runner.wait(1.0)
    away.rename(ground.root)
    assert ground.processes() != []
    ground.ask_to_stop(ground.root / "attempts" / "j1" / "1" / "0", 5.0, poke=False)
    assert runner.wait(20) == 0
