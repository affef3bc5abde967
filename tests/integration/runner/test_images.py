"""Commands in images: what they find in there, how they end, and that nothing is left of them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.runner.lodging import check_alike
from quarterdeck.runner.refusals import NotEnclosed
from tests.integration.runner.ground import RUNNER, Ground, kill, until
from tests.means import Means


@pytest.fixture
def yard(ground: Ground, means: Means, busybox: str) -> Ground:
    """A ground whose orders may name the image."""
    ground.extra = means.environment
    ground.image = busybox
    return ground


def run(yard: Ground, line: str, **changes: Any) -> tuple[Path, dict[str, Any], str]:
    """The folder, the end, and the log."""
    folder, end = yard.run_to_end(line, **{"image": yard.image, **changes})
    log = folder / "log"
    return folder, end, log.read_text() if log.exists() else ""


def variables(log: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in log.splitlines() if "=" in line)


def test_a_command_finds_its_folders_and_its_variables(yard: Ground, means: Means) -> None:
    inside = yard.run / "inside"
    inside.mkdir()
    (inside / "module.py").touch()
    line = (
        "env; cat $QD_HOSTFILE given; echo result > $QD_RESULTS/r; echo kept > $QD_CHECKPOINT/c;"
        "echo 1 > $QD_METRICS/m; ls $PYTHONPATH_END; ls -l /proc/self/cwd; exit 7"
    )
    digest = yard.blob(b"what was given\n")
    file = {"path": "given", "mode": 0o644, "size": 15, "digest": digest}
    folder, end, log = run(
        yard,
        line,
        snapshot={"files": [file]},
        inside=str(inside),
        env={"A": "two\nlines 'and' \"quotes\"", "B": "x*", "PYTHONPATH_END": str(inside)},
    )
    assert (end["reason"], end["ranks"][0]["code"]) == ("completed", 7)
    found = variables(log)
    assert found["OF_IMAGE"] == "yes"
    assert "KEPT" not in found, "what the launcher has in its environment came in"
    assert (found["QD_JOB_ID"], found["RANK"], found["MASTER_ADDR"]) == ("j1", "0", "127.0.0.1")
    assert found["PYTHONPATH"] == f"/opt/image:{inside}"
    assert found["HOME"] == str(folder / "work")
    assert "two\nlines 'and' \"quotes\"\n" in log
    assert found["B"] == "x*"
    assert "node-0 slots=1\nwhat was given\nmodule.py\n" in log
    assert log.rstrip().endswith(f"-> {folder}/work")
    assert (yard.root / "results/j1/0/r").read_text() == "result\n"
    assert (yard.root / "checkpoints/j1/c").read_text() == "kept\n"
    assert (folder / "metrics/m").read_text() == "1\n"
    pinned = yard.fact(folder, "started")["image"]
    assert re.fullmatch(r".*@sha256:[0-9a-f]{64}", pinned)
    _, _, log = run(yard, "id -u; tail -n1 /etc/passwd", image=pinned, name="j2")
    assert log.splitlines()[0] == str(means.user)
    assert "pull_s" not in yard.fact(yard.root / "attempts/j2/1/0", "started")


def test_a_container_has_no_rights_and_nothing_of_the_node(yard: Ground, means: Means) -> None:
    (yard.root / "secret").write_text("x")
    lines = [
        "id -u; cat /proc/self/status; cat /proc/self/mounts; ls /proc",
        f"ls {yard.root} {yard.root}/attempts/j1/1/0",
        "touch /x /etc/x /bin/x; ls /run /var/run; echo > /proc/sys/kernel/panic; echo over",
    ]
    folder, _, log = run(yard, "; ".join(lines))
    assert log.splitlines()[0] == str(means.user)
    status = dict(line.split(":\t") for line in log.splitlines() if ":\t" in line)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    mounts = {
        line.split()[1]: line.split()[3] for line in log.splitlines() if line.endswith(" 0 0")
    }
    own = {path for path in mounts if path.startswith(str(yard.root))}
    work, site = str(folder), str(yard.root)
    assert mounts.get(site, "ro").split(",")[0] == "ro", "what holds our folders"
    assert own - {site} == {
        f"{work}/work",
        f"{work}/metrics",
        f"{work}/shown",
        f"{site}/results/j1/0",
        f"{site}/checkpoints/j1",
    }
    assert mounts["/"].split(",")[0] == "ro"
    assert mounts[f"{work}/shown"].split(",")[0] == "ro"
    assert all({"nosuid", "nodev"} <= set(mounts[path].split(",")) for path in own)
    assert "secret" not in log
    assert "order.json" not in log
    assert log.count("Read-only file system") + log.count("Permission denied") >= 4
    assert ".sock" not in log
    assert (str(os.getpid()) in log.split()) is not means.has_processes
    assert log.endswith("over\n")


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["sh", "-c", "nosuch"], 127),
        (["nosuch"], 127),
        (["/etc"], 126),
        (["sh", "-c", "kill -KILL $$"], 137),
        (["sh", "-c", "kill -TERM $$; sleep 9"], 143),
        (["sh", "-c", "exit 1"], 1),
        (["sh", "-c", "exit 125"], 125),
        (["/bin/nosuch"], 127),
        (["sleep", "0"], 0),
    ],
)
def test_codes_are_those_of_the_command(yard: Ground, command: list[str], code: int) -> None:
    _, end, log = run(yard, "", command=command)
    rank = end["ranks"][0]
    assert (end["reason"], rank["code"] or 128 + (rank["signal"] or -128)) == ("completed", code), (
        log
    )


def test_several_ranks_have_a_container_each_and_one_log(yard: Ground) -> None:
    _, end, log = run(yard, "echo $RANK of $WORLD_SIZE; sleep 0.2", ranks_per_node=3)
    assert [rank["code"] for rank in end["ranks"]] == [0, 0, 0]
    assert sorted(log.splitlines()) == ["0 of 3", "1 of 3", "2 of 3"]


def begin(yard: Ground, line: str, **changes: Any) -> Path:
    folder = yard.order(line, **{"image": yard.image, **changes})
    if not yard.launchers:
        yard.start_launcher()
    yard.launch(folder)
    yard.fact(folder, "started")
    until(lambda: "ready" in (folder / "log").read_text())
    return folder


def is_gone(yard: Ground, means: Means, folder: Path) -> None:
    """Neither processes nor containers, also by their name for one that hides its mark."""
    assert yard.processes() == []
    assert means.containers() == []
    noted = folder / "containers"
    for name in noted.read_text().split() if noted.exists() else ():
        assert all(name.encode() not in read(pid) for pid in all_pids())


def all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def read(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_warned_command_uses_its_grace(yard: Ground, means: Means) -> None:
    line = (
        'trap "echo warned; ls $QD_STOP; sleep 0.3; echo saved; exit 0" TERM;'
        "echo ready; while :; do sleep 0.05; done"
    )
    folder = begin(yard, line)
    yard.ask_to_stop(folder, 20)
    end = yard.fact(folder, "exited")
    assert (end["reason"], end["ranks"][0]["code"]) == ("stopped", 0)
    log = (folder / "log").read_text()
    assert f"warned\n{folder}/shown/stopping\nsaved\n" in log
    is_gone(yard, means, folder)


def test_a_shell_dies_last_so_that_what_it_started_uses_its_grace(
    yard: Ground, means: Means
) -> None:
    inner = 'trap "sleep 0.3; echo saved; exit 0" TERM; echo ready; while :; do sleep 0.05; done'
    folder = begin(yard, f"sh -c '{inner}'; echo never")
    yard.ask_to_stop(folder, 20)
    end = yard.fact(folder, "exited")
    log = (folder / "log").read_text()
    assert "saved" in log
    assert "never" not in log
    (rank,) = end["ranks"]
    assert (rank["code"] or 128 + rank["signal"], rank["stopped"]) == (143, True)
    is_gone(yard, means, folder)


def test_who_does_not_listen_is_killed_when_the_grace_is_over(yard: Ground, means: Means) -> None:
    folder = begin(yard, 'trap "" TERM; echo ready; while :; do sleep 0.05; done')
    yard.ask_to_stop(folder, 0.3)
    end = yard.fact(folder, "exited")
    (rank,) = end["ranks"]
    # Podman may tell of the kill, or be killed itself before it can.
    assert (end["reason"], rank["code"] or 128 + rank["signal"]) == ("stopped", 137)
    is_gone(yard, means, folder)


def test_a_stop_that_comes_early_reaches_the_command(yard: Ground, means: Means) -> None:
    folder = yard.order("sleep 1000", image=yard.image)
    yard.start_launcher()
    yard.launch(folder)
    until(lambda: (folder / "containers").exists() or (folder / "enclosure-0").exists())
    yard.ask_to_stop(folder, 20)
    end = yard.fact(folder, "exited")
    assert end["reason"] == "stopped"
    is_gone(yard, means, folder)


def test_a_time_limit_holds_in_an_image(yard: Ground, means: Means) -> None:
    folder, end, _ = run(yard, "sleep 1000", time_limit_s=0.5)
    assert end["reason"] == "timed_out"
    is_gone(yard, means, folder)


ESCAPES = {
    "a daemon": "(sleep 1000 &) ; echo ready",
    "one without its mark": "env -i /bin/sh -c 'sleep 1000 & sleep 1000' & echo ready; sleep 1000",
    "a command that drops its mark": "echo ready; exec env -i /bin/sleep 1000",
}


@pytest.mark.parametrize("escape", ESCAPES)
def test_nothing_outlives_a_killed_runner(yard: Ground, means: Means, escape: str) -> None:
    folder = begin(yard, ESCAPES[escape])
    kill(yard.fact(folder, "started")["pid"])
    until(lambda: any(fact["kind"] == "exited" for fact in yard.facts(folder)))
    is_gone(yard, means, folder)


@pytest.mark.parametrize("escape", ESCAPES)
def test_nothing_outlives_a_killed_runner_and_its_launcher_once_it_is_reaped(
    yard: Ground, means: Means, escape: str
) -> None:
    folder = begin(yard, ESCAPES[escape])
    launcher = yard.launchers[-1]
    launcher.kill()
    launcher.wait()
    kill(yard.fact(folder, "started")["pid"])
    command = [sys.executable, "-I", "-S", str(RUNNER), "reap"]
    command += ["--marker", f"{yard.home_id}/j1/1/0", "--folder", str(folder)]
    environment = {"PATH": os.environ["PATH"], **means.environment}
    subprocess.run(command, check=True, env=environment)
    is_gone(yard, means, folder)


def test_a_gang_whose_nodes_know_different_images_does_not_start() -> None:
    peers = [{"host": host, "image": f"x@{host}"} for host in ("a", "b", "c")]
    with pytest.raises(NotEnclosed, match="is x@a on a and x@b on b: name a digest"):
        check_alike(peers)
    check_alike([{"host": "a", "image": "x@a"}, {"host": "b", "image": "x@a"}])
    check_alike([{"host": "a"}, {"host": "b", "image": None}])


def test_credentials_that_are_written_anew_are_seen_inside(yard: Ground) -> None:
    line = "echo ready; until cat $QD_CREDENTIALS | busybox grep second; do sleep 0.1; done"
    line = "cat $QD_CREDENTIALS; " + line.replace("busybox", "/bin/busybox")
    folder = yard.order(line, image=yard.image)
    (folder / "credentials.json").write_text('{"token": "first"}')
    yard.start_launcher()
    yard.launch(folder)
    until(lambda: (folder / "log").exists() and "ready" in (folder / "log").read_text())
    new = folder / "credentials.new"
    new.write_text('{"token": "second"}')
    new.rename(folder / "credentials.json")
    end = yard.fact(folder, "exited")
    assert end["ranks"][0]["code"] == 0
    assert (folder / "log").read_text().startswith('{"token": "first"}')


def test_an_account_of_its_own_and_an_image_do_not_go_together(yard: Ground) -> None:
    account = {"launcher": "/nowhere", "owner": "ada", "root": str(yard.root)}
    _, end, _ = run(yard, "x", account=account)
    assert end["reason"] == "setup_failed"
    assert "leave them out" in end["message"]


def test_results_and_checkpoints_behind_a_door_are_reached(yard: Ground) -> None:
    line = "echo r > $QD_RESULTS/r; echo c > $QD_CHECKPOINT/c; echo d > ckpt/d"
    folder = yard.order_behind_door(line, checkpoint_path="ckpt", image=yard.image)
    yard.start_launcher()
    yard.launch(folder)
    assert yard.fact(folder, "exited")["ranks"][0]["code"] == 0, (folder / "log").read_text()
    assert (yard.root / "results/j1/0/r").read_text() == "r\n"
    kept = yard.root / "checkpoints/j1"
    assert sorted(one.name for one in kept.iterdir()) == ["c", "d"]
