"""The simulator passes, with every fault and every check counted, and repeats itself exactly."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from quarterdeck.adapters.blobs.memory import MemoryBlobs
from quarterdeck.adapters.stores.memory import MemoryStore
from quarterdeck.sim.checks import Check
from quarterdeck.sim.faults import Fault
from quarterdeck.sim.run import simulate

JOBS = 150


def run_sim(hash_seed: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "quarterdeck.wiring.entry", "sim", *arguments],
        env={
            **os.environ,
            "PYTHONHASHSEED": str(hash_seed),
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
        capture_output=True,
        text=True,
        check=False,
    )


def counts_of(text: str) -> dict[str, int]:
    """The tables' lines."""
    rows = [line.strip().rsplit(None, 1) for line in text.splitlines() if line.startswith("  ")]
    return {name: int(number.replace(",", "")) for name, number in rows}


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_everything_holds_and_every_fault_and_check_comes_up(seed: int) -> None:
    outcome = simulate(seed, JOBS, MemoryStore, MemoryBlobs)
    assert outcome.is_ok, outcome.text
    counts = counts_of(outcome.text)
    assert min(counts[fault.value] for fault in Fault) > 0
    assert min(counts[check.value] for check in Check) > 0
    assert outcome.text.splitlines()[-1].startswith(f"sim: OK seed={seed} jobs={JOBS} ")


def test_the_same_seed_gives_the_same_output_whatever_the_hash_seed() -> None:
    first, second = (run_sim(hash_seed, "--seed", "5", "--jobs", "150") for hash_seed in (0, 4711))
    assert first.returncode == 0, first.stdout
    assert first.stdout == second.stdout
    assert "digest: " in first.stdout


def test_another_seed_gives_another_history() -> None:
    texts = {simulate(seed, 20, MemoryStore, MemoryBlobs).text for seed in (1, 2)}
    assert len(texts) == 2


def test_a_failure_exits_with_1_and_tells_how_to_repeat_it(tmp_path: Path) -> None:
    """A store that forgets who has which reply makes two jobs of one key."""
    script = tmp_path / "broken.py"
    script.write_text(
        "import sys\n"
        "from quarterdeck.adapters.stores import memory\n"
        "memory._Buffer.find_reply = lambda self, key: None\n"
        "memory._Buffer.keep_reply = lambda self, reply: None\n"
        "from quarterdeck.wiring.simulate.command import command\n"
        "command(sys.argv[1:])\n"
    )
    done = subprocess.run(
        [sys.executable, str(script), "--seed", "9", "--jobs", "40"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert Check.ONE_PER_KEY.value in done.stdout
    assert "the log of j" in done.stdout
    assert "Submitted" in done.stdout
    assert done.stdout.splitlines()[-1] == "sim: FAILED seed=9 jobs=40"
