"""What a runner loads to run a plain command. On a cluster one is started for each job and node,
and its start is most of what it costs there."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from quarterdeck.adapters.spool.carried import carry_runner, start_words
from quarterdeck.adapters.spool.paths import SitePaths
from tests.integration.runner.ground import RUNNER, Ground

SLOW = (
    *("argparse", "random", "shutil", "socket", "subprocess", "tempfile", "threading", "typing"),
    *("contextlib", "collections", "ctypes", "enum", "functools", "json", "re", "runpy", "signal"),
    "warnings",
)
"""What the standard library takes milliseconds to load, and a plain command needs nothing of."""
MODULES_MAX = 60
"""Of all kinds; `python -I -S -c pass` has about 30."""


def test_a_plain_command_needs_few_modules(ground: Ground) -> None:
    paths = SitePaths(ground.root)
    folder = ground.order("true", is_kept=True, look_s=0.5, limits={"cpus": 1, "memory_bytes": 0})
    (folder.parent / "nodes.json").write_text(json.dumps({"n1": [0]}))
    words = ("node", str(folder.parent), "--name", "n1")
    python, *command = start_words(sys.executable, carry_runner(paths), words)
    done = subprocess.run(
        [python, "-X", "importtime", *command],
        check=True,
        capture_output=True,
        text=True,
    )
    assert ground.fact(folder, "exited")["reason"] == "completed"
    loaded = [line.rpartition("|")[2].strip() for line in done.stderr.splitlines()]
    assert (folder / "log").read_bytes() == b""  # Nor does what becomes the command.
    assert "runner.replica" in loaded
    assert sorted(set(SLOW) & set(loaded)) == []
    assert len(loaded) < MODULES_MAX


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("replicas",),
        ("replica",),
        ("replica", "a", "b"),
        ("node", "a"),
        ("reap", "--folder", "a"),
    ],
)
def test_words_that_it_does_not_know_run_nothing(words: tuple[str, ...]) -> None:
    command = [sys.executable, "-I", "-S", str(RUNNER), *words]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert "node ATTEMPT --name NODE" in done.stderr
