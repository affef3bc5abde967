"""Commands without an image in a file system of their own, by bubblewrap."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.runner import bubbles, devices
from quarterdeck.runner.environment import visible_devices
from quarterdeck.runner.refusals import NotEnclosed
from quarterdeck.runner.spool import Spool
from tests.integration.runner.ground import RUNNER, Ground, kill, until

pytestmark = pytest.mark.needs_bubblewrap


def run(ground: Ground, line: str, **changes: Any) -> tuple[Path, dict[str, Any], str]:
    home = str(ground.root.parent)
    given = {"isolate": True, "hidden": [home], **changes}
    folder, end = ground.run_to_end(line, **given)
    log = folder / "log"
    return folder, end, log.read_text() if log.exists() else ""


def test_only_its_own_folders_can_be_written_and_others_are_not_there(ground: Ground) -> None:
    home = ground.root.parent
    (home / "token").write_text("secret")
    (ground.root / "attempts" / "j9").mkdir(parents=True)
    lines = [
        f"ls -A {home} {ground.root} {ground.root}/attempts; cat {home}/token",
        "echo a > x; echo b > $QD_RESULTS/r; echo c > $QD_CHECKPOINT/c; echo d > $QD_METRICS/m",
        "cat $QD_HOSTFILE; touch /usr/x /etc/x; ls -A /tmp /run; echo t > /tmp/own; cat /tmp/own",
        "touch $QD_HOSTFILE; exit 4",
    ]
    folder, end, log = run(ground, "; ".join(lines))
    assert (end["reason"], end["ranks"][0]["code"]) == ("completed", 4)
    assert "secret" not in log
    assert "j9" not in log
    assert log.count("Read-only file system") == 3
    assert "node-0 slots=1" in log
    assert (folder / "work/x").read_text() == "a\n"
    assert (ground.root / "results/j1/0/r").read_text() == "b\n"
    assert (ground.root / "checkpoints/j1/c").read_text() == "c\n"
    assert (folder / "metrics/m").read_text() == "d\n"
    assert not Path("/tmp/own").exists()


def test_a_folder_that_is_hidden_is_empty_wherever_it_lies(ground: Ground) -> None:
    with tempfile.TemporaryDirectory(dir=Path.home()) as home:
        Path(home, "token").write_text("secret")
        line = f"ls -A {home}; cat {home}/token; echo over"
        assert "secret" in run(ground, line, hidden=[])[2], "then hiding it proves nothing"
        log = run(ground, line, hidden=[home], name="j2")[2]
    assert "secret" not in log
    assert [one for one in log.splitlines() if "No such file" not in one] == ["over"]


def test_it_sees_no_process_of_others_has_no_rights_and_cannot_set_up_the_kernel(
    ground: Ground,
) -> None:
    lines = [
        "cat /proc/self/status; ls /proc; mount -o remount,rw / 2>&1",
        "echo 1 > /proc/sys/kernel/panic; echo h > /proc/sysrq-trigger; echo over",
    ]
    _, _, log = run(ground, "; ".join(lines))
    status = dict(line.split(":\t") for line in log.splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert str(os.getpid()) not in log.split()
    assert "/proc/sys/kernel/panic" in log
    assert log.endswith("over\n")


def test_its_variables_are_those_of_any_job_and_reach_nothing_outside(ground: Ground) -> None:
    odd = {"ODD": "a b\n'c'", "LD_PRELOAD": "/nowhere/trap.so", "EMPTY": ""}
    folder = ground.order("env; echo ready; sleep 1000", isolate=True, env=odd)
    ground.start_launcher()
    ground.launch(folder)
    until(lambda: (folder / "log").exists() and "ready" in (folder / "log").read_text())
    log = (folder / "log").read_text()
    assert "KEPT=yes" in log, "what the site has in its environment is not there"
    assert "ODD=a b\n'c'\n" in log
    assert "EMPTY=\n" in log
    assert "QD_JOB_ID=j1" in log
    pid = ground.fact(folder, "started")["pids"][0]
    assert b"bwrap" in Path(f"/proc/{pid}/cmdline").read_bytes()
    assert b"ODD" not in Path(f"/proc/{pid}/environ").read_bytes()
    assert b"trap" not in Path(f"/proc/{pid}/cmdline").read_bytes()
    ground.ask_to_stop(folder, 0)
    ground.fact(folder, "exited")


@pytest.mark.parametrize(
    ("command", "code", "number"),
    [
        (["sh", "-c", "exit 3"], 3, None),
        (["nosuch"], 127, None),
        (["/etc"], 126, None),
        (["sh", "-c", "kill -KILL $$"], 137, None),
    ],
)
def test_codes_are_those_of_the_command(
    ground: Ground, command: list[str], code: int, number: int | None
) -> None:
    _, end, _ = run(ground, "", command=command)
    assert (end["ranks"][0]["code"], end["ranks"][0]["signal"]) == (code, number)


def begin(ground: Ground, line: str) -> Path:
    folder = ground.order(line, isolate=True, hidden=[str(ground.root.parent)])
    ground.start_launcher()
    ground.launch(folder)
    ground.fact(folder, "started")
    until(lambda: (folder / "log").exists() and "ready" in (folder / "log").read_text())
    return folder


def test_a_warned_command_uses_its_grace_and_keeps_its_code(ground: Ground) -> None:
    line = 'trap "ls $QD_STOP; sleep 0.3; exit 5" TERM; echo ready; while :; do sleep 0.05; done'
    folder = begin(ground, line)
    ground.ask_to_stop(folder, 20)
    end = ground.fact(folder, "exited")
    assert (end["reason"], end["ranks"][0]["code"]) == ("stopped", 5)
    assert "shown/stopping\n" in (folder / "log").read_text()
    assert ground.processes() == []


def test_a_shell_may_die_while_what_it_started_uses_its_grace(ground: Ground) -> None:
    inner = 'trap "sleep 0.3; echo saved; exit 0" TERM; echo ready; while :; do sleep 0.05; done'
    folder = begin(ground, f"sh -c '{inner}'; echo never")
    ground.ask_to_stop(folder, 20)
    ground.fact(folder, "exited")
    log = (folder / "log").read_text()
    assert "saved" in log
    assert "never" not in log
    assert ground.processes() == []


ESCAPES = [
    "(setsid sleep 1000 &) ; echo ready; sleep 1000",
    "env -i setsid sleep 1000 & echo ready; sleep 1000",
    "echo ready; exec env -i sleep 1000",
]


@pytest.mark.parametrize("line", ESCAPES)
@pytest.mark.parametrize("with_launcher", [False, True])
def test_nothing_outlives_a_killed_runner(ground: Ground, line: str, with_launcher: bool) -> None:
    folder = begin(ground, line)
    first = find_inside(ground.fact(folder, "started")["pids"][0])
    assert first
    if with_launcher:
        ground.launchers[-1].kill()
        ground.launchers[-1].wait()
    kill(ground.fact(folder, "started")["pid"])
    if with_launcher:
        command = [sys.executable, "-I", "-S", str(RUNNER), "reap"]
        subprocess.run([*command, "--marker", f"{ground.home_id}/j1/1/0"], check=True)
    else:
        until(lambda: any(fact["kind"] == "exited" for fact in ground.facts(folder)))
    # Who is below a dying first process of a namespace is the kernel's to end, in its own time.
    until(lambda: not ground.processes() and not any(is_alive(pid) for pid in first))


def find_inside(pid: int) -> set[int]:
    """All that is below a process."""
    from quarterdeck.runner.processes import find_descendants, read_parents

    return find_descendants(pid, read_parents())


def is_alive(pid: int) -> bool:
    from quarterdeck.runner.processes import read_parent

    return read_parent(pid) is not None


def test_a_node_without_bubblewrap_is_told_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bubbles, "PATH", str(tmp_path))
    with pytest.raises(NotEnclosed, match="install bubblewrap there, or name an `image`"):
        bubbles.find_bubblewrap()


def test_what_bubblewrap_cannot_do_is_told_before_the_command_runs() -> None:
    with pytest.raises(NotEnclosed, match="does not work on this node: bwrap: "):
        bubbles.try_out(bubbles.find_bubblewrap(), ["--ro-bind", "/nowhere", "/"])


def test_results_and_checkpoints_behind_a_door_are_reached(ground: Ground) -> None:
    line = "echo r > $QD_RESULTS/r; echo c > $QD_CHECKPOINT/c; echo d > ckpt/d"
    folder = ground.order_behind_door(
        line, checkpoint_path="ckpt", isolate=True, hidden=[str(ground.root.parent)]
    )
    ground.start_launcher()
    ground.launch(folder)
    assert ground.fact(folder, "exited")["ranks"][0]["code"] == 0, (folder / "log").read_text()
    assert (ground.root / "results/j1/0/r").read_text() == "r\n"
    kept = ground.root / "checkpoints/j1"
    assert sorted(one.name for one in kept.iterdir()) == ["c", "d"]


@pytest.mark.parametrize(
    ("absent", "places", "given", "expected"),
    [
        (None, None, "1,2", ["1", "2"]),
        (0, None, "0,1", ["1", "2"]),
        (None, [1], "1,2", ["2"]),
        (None, None, "GPU-2", ["2"]),
    ],
)
def test_what_a_cluster_gave_is_there_and_is_counted_anew(
    monkeypatch: pytest.MonkeyPatch,
    ground: Ground,
    absent: int | None,
    places: list[int] | None,
    given: str,
    expected: list[str],
) -> None:
    """The order has the plan's names for them, which no driver knows. One that is `absent` stands
    for one that a cgroup keeps from us: the cluster counts the others."""
    with tempfile.TemporaryDirectory(dir=Path.home()) as name:
        root = Path(name)
        for number in range(3):
            (root / f"{number}.information").write_text(
                f"GPU UUID: \t GPU-{number}\nDevice Minor: \t {number}\n"
            )
            if number != absent:
                (root / f"nvidia{number}").touch()
        monkeypatch.setattr(devices, "INFORMATION", f"{root}/*.information")
        monkeypatch.setattr(devices, "DEVICE", f"{root}/nvidia")
        monkeypatch.setattr(devices, "SHARED", ())
        monkeypatch.setenv("SLURM_GIVES", given)
        changes: dict[str, Any] = {"devices_from": "SLURM_GIVES", "device_places": places}
        folder = ground.order("", isolate=True, devices=["n1-gpu4", "n1-gpu5"], **changes)
        spool = Spool(str(folder))
        spool.read_order()
        visible = ",".join(visible_devices(spool.order))
        ranks = bubbles.BubbleRanks(0, spool.order, spool, [])
        line = "grep -o 'nvidia[0-9] ' /proc/self/mountinfo; echo seen $CUDA_VISIBLE_DEVICES"
        with (folder / "log").open("wb") as log:
            environment = {"PATH": "/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": visible}
            os.waitpid(ranks.start(["sh", "-c", line], environment, "/", log.fileno()), 0)
        *bound, seen = (folder / "log").read_text().splitlines()
    assert sorted({one.strip()[-1] for one in bound}) == expected
    counted = ",".join("01"[: len(expected)])
    assert seen == f"seen {given if 'GPU' in given else counted}"
