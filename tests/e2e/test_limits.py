"""Limits of memory and time, from the job file to what is shown of the job."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.e2e.deck import Deck, kill_and_wait, until

GREEDY = "held = [bytearray(2**20) for _ in range(300)]"


def submit(deck: Deck, folder: Path, **keys: object) -> str:
    path = folder / "job.yaml"
    path.write_text(json.dumps(keys))
    done = deck.qd("submit", "-o", "json", str(path))
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["id"])


@pytest.mark.needs_cgroup
def test_a_job_that_takes_too_much_memory_is_told_so(deck: Deck, tmp_path: Path) -> None:
    deck.up()
    command = f"{sys.executable} -S -c '{GREEDY}'"
    job_id = submit(deck, tmp_path, run=command, resources={"memory": "100MiB"})
    assert deck.qd("wait", job_id).returncode == 1
    job = deck.show(job_id)
    assert (job["state"], job["reason"]) == ("failed", "out_of_memory")
    assert "100MiB" in job["message"]
    assert "limits: A job that uses more memory than it asked for is ended" in deck.server_log()


def test_a_checkpoint_folder_outlives_a_time_limit(deck: Deck, tmp_path: Path) -> None:
    deck.up("--pretend", "dgx-a100:1")
    command = (
        "cat ckpt/n 2>/dev/null; n=$(cat ckpt/n 2>/dev/null || echo 0); "
        '[ "$n" = 2 ] && exit 0; '
        "trap 'echo $((n + 1)) > ckpt/n; exit 0' TERM; while :; do sleep 0.1; done"
    )
    job_id = submit(
        deck,
        tmp_path,
        run=command,
        time_limit="1s",
        checkpoint={"path": "ckpt", "grace": "10s"},
        retry={"limit": 3, "on": ["timed_out"]},
    )
    assert deck.qd("wait", job_id).returncode == 0
    attempts = deck.show(job_id)["attempts"]
    assert [attempt["reason"] for attempt in attempts] == ["timed_out", "timed_out", "completed"]


@pytest.mark.needs_cgroup
def test_no_group_is_left_when_server_launcher_and_runner_are_killed(deck: Deck) -> None:
    deck.up("--pretend", "dgx-a100:1")
    job_id = deck.run("sleep 1000")
    until(lambda: deck.show(job_id)["state"] == "running")
    (record,) = deck.site.glob(f"attempts/{job_id}/1/0/cgroups")
    groups = [Path(line) for line in record.read_text().split()]
    assert groups
    assert all(group.exists() for group in groups)
    deck.kill_server()
    for pid in [*deck.launcher_pids(), *deck.runner_pids()]:
        kill_and_wait(pid)
    assert all(group.exists() for group in groups)
    deck.up_again()
    assert deck.qd("wait", job_id, "--timeout", "60").returncode == 1
    assert not any(group.exists() for group in groups)
