"""The examples do what their README says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.deck import Deck


@pytest.fixture
def deck_with_python(deck: Deck) -> Deck:
    """A deck whose jobs find the Python of these tests."""
    folder = Path(sys.executable).parent
    deck.environment["PATH"] = f"{folder}{os.pathsep}{deck.environment['PATH']}"
    deck.up("--pretend", "dgx-a100:2")
    return deck


def run_example(deck: Deck, file: Path, out: Path) -> None:
    done = deck.qd("submit", str(file), "-o", "name")
    assert done.returncode == 0, done.stderr
    job_id = done.stdout.strip()
    ended = deck.qd("wait", job_id, within_s=180)
    if ended.returncode != 0:
        told = [deck.qd("show", job_id).stdout]
        told += [deck.qd("logs", job_id, "--rank", str(rank)).stdout for rank in (0, 1)]
        pytest.fail("\n".join(told))
    assert deck.qd("results", job_id, "-o", str(out)).returncode == 0


def check(script: Path, out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(script), str(out)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.needs_torch
def test_four_ranks_on_two_nodes_train_as_one_process_does_unless_they_are_not_synchronised(
    deck_with_python: Deck, root: Path, tmp_path: Path
) -> None:
    example = root / "examples" / "torchrun"
    run_example(deck_with_python, example / "job.yaml", tmp_path / "out")
    good = check(example / "check.py", tmp_path / "out")
    assert "disjoint parts of 2048 samples: 512, 512, 512, 512" in good.stdout
    assert good.returncode == 0, good.stdout

    folder = tmp_path / "torchrun"
    shutil.copytree(example, folder)
    text = (folder / "job.yaml").read_text()
    (folder / "job.yaml").write_text(text.replace("--epochs 5", "--epochs 2 --no-sync"))
    run_example(deck_with_python, folder / "job.yaml", tmp_path / "apart")
    bad = check(example / "check.py", tmp_path / "apart")
    assert "disjoint parts of 2048 samples" in bad.stdout
    assert bad.returncode == 1, bad.stdout


def test_digits_goes_on_where_its_time_limit_stopped_it(
    deck_with_python: Deck, root: Path, tmp_path: Path
) -> None:
    """Warned, checkpointed, stopped, put back into the queue, resumed: one job, one curve."""
    deck = deck_with_python
    folder = tmp_path / "digits"
    shutil.copytree(root / "examples" / "digits", folder)
    text = (
        (folder / "job.yaml")
        .read_text()
        .replace("--epochs 20 --pause 0.15", "--epochs 30 --pause 0.2")
    )
    limits = "time_limit: 5s\nretry: {limit: 9, on: [timed_out]}\ncheckpoint: {grace: 20s}\n"
    (folder / "job.yaml").write_text(text + limits)
    run_example(deck, folder / "job.yaml", tmp_path / "out")
    (job,) = deck.client().list_jobs(states=["succeeded"]).jobs
    ends = [attempt.reason for attempt in job.attempts]
    assert len(ends) > 1
    assert set(ends[:-1]) == {"timed_out"}
    assert ends[-1] == "completed"
    logs = [deck.qd("logs", job.id, "--attempt", str(n + 1)).stdout for n in range(len(ends))]
    saved = {
        n: int(log.split("warned: leaving after epoch ")[1].split(",")[0])
        for n, log in enumerate(logs)
        if "warned" in log
    }
    # On a slow machine an attempt may spend its time on imports; then it has nothing to save.
    assert saved
    for n, epoch in saved.items():
        assert f"resuming after epoch {epoch}\n" in logs[n + 1]
    told = deck.qd_json("metrics", job.id, "loss")["series"][0]
    assert [point["step"] for point in told["points"]] == list(range(1, 31))
    assert [point["attempt"] for point in told["points"]] == sorted(
        point["attempt"] for point in told["points"]
    )
    assert {point["attempt"] for point in told["points"]} >= {n + 1 for n in saved}
    assert "another attempt began" in deck.qd("metrics", job.id, "--plot", "loss").stdout


def test_the_best_of_a_sweep_is_found(deck_with_python: Deck, root: Path, tmp_path: Path) -> None:
    example = root / "examples" / "array-sweep"
    run_example(deck_with_python, example / "job.yaml", tmp_path / "out")
    best = check(example / "best.py", tmp_path / "out")
    assert best.returncode == 0
    assert best.stdout.splitlines()[0].split()[:4] == ["task", "7", "rate", "0.128"]
