"""A pilot takes orders from its folder, runs them, and gives its node back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runner.ground import RUNNER, Ground, kill, until

KEEPER = (
    "import subprocess, sys\n"
    "done = subprocess.Popen(sys.argv[1:])\n"
    "print(done.pid, flush=True)\n"
    "sys.exit(done.wait())\n"
)


class Pilot:
    """A pilot below a process that stands for slurmstepd."""

    def __init__(self, ground: Ground, **plan: Any) -> None:
        self.ground = ground
        self.folder = ground.root / "pilots" / "n1" / "1"
        self.orders = self.folder / "orders"
        self.orders.mkdir(parents=True)
        content = {"node": "n1", "hold_s": 1000.0, "margin_s": 1.0} | plan
        (self.folder / "plan.json").write_text(json.dumps(content))
        words = (sys.executable, "-I", "-S", str(RUNNER), "pilot", str(self.folder))
        self.keeper = subprocess.Popen(
            [sys.executable, "-c", KEEPER, *words, "--name", "n1"],
            env={"PATH": os.environ["PATH"], "CUDA_VISIBLE_DEVICES": "4,6,7"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.keeper.stdout
        self.pid = int(self.keeper.stdout.readline())
        self._given = 0

    def give(self, folder: Path, grace_s: float = 5.0) -> None:
        self._given += 1
        new = self.folder / "new"
        new.write_text(json.dumps({"folder": str(folder), "grace_s": grace_s}))
        new.rename(self.orders / f"j.1.{self._given}")

    def ask_to_end(self) -> None:
        (self.orders / "end").touch()

    def last(self) -> str:
        """Wait for its last word."""
        path = self.folder / "last.json"
        until(path.exists)
        assert self.keeper.wait(20) == 0
        return str(json.loads(path.read_text())["why"])

    def close(self) -> None:
        kill(self.pid)
        self.keeper.kill()
        self.keeper.wait()


@pytest.fixture
def pilot(ground: Ground) -> Iterator[Pilot]:
    made = Pilot(ground)
    yield made
    made.close()


def lasting(ground: Ground, name: str = "j1", **changes: Any) -> Path:
    return ground.order("sleep 1000", name=name, is_kept=True, look_s=0.1, **changes)


def test_what_it_is_given_runs_on_the_places_of_its_grant(ground: Ground, pilot: Pilot) -> None:
    given: dict[str, Any] = {"devices_from": "CUDA_VISIBLE_DEVICES", "devices": ["a", "b"]}
    folder = ground.order("echo $CUDA_VISIBLE_DEVICES", device_places=[0, 2], **given)
    pilot.give(folder)
    assert ground.fact(folder, "exited")["reason"] == "completed"
    assert (folder / "log").read_text() == "4,7\n"
    assert list(pilot.orders.iterdir()) == []


def test_a_place_that_was_not_given_is_no_other_one(ground: Ground, pilot: Pilot) -> None:
    given: dict[str, Any] = {"devices_from": "CUDA_VISIBLE_DEVICES", "devices": ["a"]}
    folder = ground.order("true", device_places=[3], **given)
    pilot.give(folder)
    exited = ground.fact(folder, "exited")
    assert exited["reason"] == "setup_failed"
    assert "GPU 3" in exited["message"]
    assert "4,6,7" in exited["message"]


def test_given_twice_it_runs_once(ground: Ground, pilot: Pilot) -> None:
    folder = lasting(ground)
    pilot.give(folder)
    ground.fact(folder, "started")
    pilot.give(folder)
    until(lambda: list(pilot.orders.iterdir()) == [])
    other = ground.order("true", name="j2")
    pilot.give(other)
    ground.fact(other, "exited")
    assert [fact["kind"] for fact in ground.facts(folder)] == ["started"]


def test_it_ends_when_it_is_told_to_and_takes_nothing_after(pilot: Pilot) -> None:
    pilot.ask_to_end()
    assert pilot.last() == "told"
    with pytest.raises(FileNotFoundError):
        pilot.ask_to_end()


def test_with_work_it_does_not_end(ground: Ground, pilot: Pilot) -> None:
    folder = lasting(ground)
    pilot.give(folder)
    ground.fact(folder, "started")
    pilot.ask_to_end()
    until(lambda: list(pilot.orders.iterdir()) == [])
    other = ground.order("true", name="j2")
    pilot.give(other)
    assert ground.fact(other, "exited")["reason"] == "completed"
    assert ground.processes()
    assert not (pilot.folder / "last.json").exists()


def test_told_by_the_cluster_it_warns_what_runs_and_waits_for_it(
    ground: Ground, pilot: Pilot
) -> None:
    line = "trap 'echo warned; sleep 2; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    folder = ground.order(line, is_kept=True)
    pilot.give(folder)
    until(lambda: "up" in ((folder / "log").read_text() if (folder / "log").exists() else ""))
    # Slurm tells some of them, or all, and more than once.
    for pid in (ground.fact(folder, "started")["pid"], pilot.pid):
        os.kill(pid, signal.SIGTERM)
    assert pilot.last() == "signal"
    assert "warned" in (folder / "log").read_text()
    assert ground.fact(folder, "exited")["reason"] == "stopped_at_site"
    assert not pilot.orders.exists()


def test_a_rank_that_the_cluster_ends_before_its_runner_was_stopped_there(
    ground: Ground, pilot: Pilot
) -> None:
    folder = lasting(ground)
    pilot.give(folder)
    started = ground.fact(folder, "started")
    until(ground.processes)
    os.kill(started["pids"][0], signal.SIGTERM)
    until(lambda: not _lives(started["pids"][0]))
    os.kill(started["pid"], signal.SIGTERM)
    assert ground.fact(folder, "exited")["reason"] == "stopped_at_site"


def test_so_was_a_shell_whose_command_the_cluster_ends_first(ground: Ground, pilot: Pilot) -> None:
    folder = ground.order("sleep 1000; exit $?", is_kept=True)
    pilot.give(folder)
    started = ground.fact(folder, "started")
    (command,) = until(lambda: _children(started["pids"][0]))
    os.kill(command, signal.SIGTERM)
    until(lambda: not _lives(started["pids"][0]))
    os.kill(started["pid"], signal.SIGTERM)
    exited = ground.fact(folder, "exited")
    assert (exited["ranks"][0]["code"], exited["reason"]) == (143, "stopped_at_site")


def test_so_was_the_first_of_several_ranks(ground: Ground, pilot: Pilot) -> None:
    folder = lasting(ground, ranks_per_node=2)
    pilot.give(folder)
    started = ground.fact(folder, "started")
    first, other = started["pids"]
    os.kill(first, signal.SIGTERM)
    until(lambda: not _lives(first))
    assert _lives(other)
    os.kill(started["pid"], signal.SIGTERM)
    assert ground.fact(folder, "exited")["reason"] == "stopped_at_site"


def test_before_its_time_is_over_its_jobs_have_had_their_grace(ground: Ground) -> None:
    pilot = Pilot(ground, hold_s=6.0, margin_s=1.0)
    try:
        folder = lasting(ground)
        pilot.give(folder, grace_s=3.0)
        assert pilot.last() == "time"
        exited, started = ground.fact(folder, "exited"), ground.fact(folder, "started")
        assert exited["reason"] == "stopped_at_site"
        assert (exited["at_ns"] - started["at_ns"]) / 1e9 < 4.0
    finally:
        pilot.close()


def test_without_its_keeper_nothing_of_it_lives(ground: Ground, pilot: Pilot) -> None:
    folder = lasting(ground)
    pilot.give(folder)
    ground.fact(folder, "started")
    pilot.keeper.kill()
    assert ground.fact(folder, "exited")["reason"] == "killed"
    assert ground.processes() == []


def test_a_runner_that_is_killed_is_spoken_for(ground: Ground, pilot: Pilot) -> None:
    folder = lasting(ground)
    pilot.give(folder)
    kill(ground.fact(folder, "started")["pid"])
    assert ground.fact(folder, "exited")["reason"] == "killed"
    assert ground.processes() == []


def _lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def _children(pid: int) -> list[int]:
    content = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in content.split()]


def test_a_folder_has_one_pilot(pilot: Pilot) -> None:
    until((pilot.folder / "lives.json").exists)
    words = (sys.executable, "-I", "-S", str(RUNNER), "pilot", str(pilot.folder), "--name", "n1")
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert "started" in done.stderr
