"""The launcher comes, stays while it is needed, and goes."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

from tests.integration.runner.ground import RUNNER, Ground, kill, until


def test_a_site_has_one_launcher(ground: Ground) -> None:
    first = ground.start_launcher()
    until((ground.run / "launcher.fifo").exists)
    second = ground.start_launcher()
    assert second.wait(20) == 0
    assert first.poll() is None


def test_a_launcher_without_work_or_listeners_ends(ground: Ground) -> None:
    ground.stop_listening()
    assert ground.start_launcher(idle_s=0.1).wait(20) == 0


def test_a_launcher_outlives_its_listeners_while_a_replica_runs(
    ground: Ground, tmp_path: Path
) -> None:
    launcher = ground.start_launcher(idle_s=0.1)
    go_on = tmp_path / "go-on"
    folder = ground.order(f"until [ -e {go_on} ]; do sleep 0.02; done; echo end")
    ground.launch(folder)
    ground.fact(folder, "started")
    ground.stop_listening()
    assert launcher.poll() is None
    go_on.touch()
    ground.fact(folder, "exited")
    assert (folder / "log").read_text() == "end\n"
    assert launcher.wait(20) == 0


def test_replicas_go_on_when_the_launcher_is_killed(ground: Ground, tmp_path: Path) -> None:
    launcher = ground.start_launcher()
    go_on = tmp_path / "go-on"
    folder = ground.order(f"until [ -e {go_on} ]; do sleep 0.02; done; exit 4")
    ground.launch(folder)
    ground.fact(folder, "started")
    launcher.kill()
    launcher.wait()
    again = ground.start_launcher()
    other = ground.order("true", name="j2")
    ground.launch(other)
    ground.fact(other, "exited")
    go_on.touch()
    assert ground.fact(folder, "exited")["ranks"][0]["code"] == 4
    assert again.poll() is None


def test_the_reaper_ends_what_carries_the_mark_and_nothing_else(ground: Ground) -> None:
    ground.start_launcher()
    folders = [
        ground.order("(setsid sleep 1000 &); sleep 1000", name=name) for name in ("j1", "j2")
    ]
    ground.launch(*folders)
    runners = [ground.fact(folder, "started")["pid"] for folder in folders]
    for name in ("j1", "j2"):
        until(partial(_has_three, ground, name))
    ground.launchers[0].kill()
    kill(runners[0])
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(RUNNER), "reap", "--marker", f"{ground.home_id}/j1/1/0"],
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert ground.processes("j1") == []
    assert len(ground.processes("j2")) >= 3


def _has_three(ground: Ground, name: str) -> bool:
    return len(ground.processes(name)) >= 3


def test_a_folder_without_an_order_does_not_end_the_launcher(ground: Ground) -> None:
    ground.start_launcher()
    empty = ground.root / "attempts" / "j0" / "1" / "0"
    empty.mkdir(parents=True)
    ground.launch(empty, ground.root / "nowhere")
    _, exited = ground.run_to_end("true")
    assert exited["reason"] == "completed"


def test_nobody_reads_the_inbox_and_nothing_is_lost(ground: Ground) -> None:
    launcher = ground.start_launcher()
    folder = ground.order("sleep 0.2; echo said")
    ground.launch(folder)
    ground.stop_listening()
    (ground.run / "inbox.fifo").unlink()
    assert ground.fact(folder, "exited")["reason"] == "completed"
    assert launcher.poll() is None


def test_a_stop_whose_poke_was_lost_is_seen_with_the_next_beat(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order("sleep 1000")
    ground.launch(folder)
    ground.fact(folder, "started")
    until(ground.processes)
    ground.ask_to_stop(folder, 0.0, poke=False)
    assert until(
        lambda: next((f for f in ground.facts(folder) if f["kind"] == "exited"), None), 30.0
    )
