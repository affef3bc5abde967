"""Commands in images: what they find in there, how they end, and that nothing is left of them."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.runner.lodging import check_alike
from quarterdeck.runner.refusals import NotEnclosed
from tests.integration.runner.ground import RUNNER, Ground, kill, until
from tests.podman import Podman, write_busybox

pytestmark = pytest.mark.needs_podman
IMAGE = "localhost/busybox:1"


@pytest.fixture(scope="session")
def busybox(podman: Podman, tmp_path_factory: pytest.TempPathFactory) -> str:
    """An image with a variable of its own; its reference by digest."""
    tar = write_busybox(tmp_path_factory.mktemp("images") / "busybox.tar")
    return podman.import_tar(tar, IMAGE, "ENV OF_IMAGE=yes", "ENV PYTHONPATH=/opt/image")


@pytest.fixture
def yard(ground: Ground, podman: Podman, busybox: str) -> Ground:
    """A ground whose orders may name the image."""
    assert busybox
    ground.extra = podman.environment
    return ground


def run(yard: Ground, line: str, **changes: Any) -> tuple[Path, dict[str, Any], str]:
    """The folder, the end, and the log."""
    folder, end = yard.run_to_end(line, **{"image": IMAGE, **changes})
    log = folder / "log"
    return folder, end, log.read_text() if log.exists() else ""


def variables(log: str) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in log.splitlines() if "=" in line)


def test_a_command_finds_its_folders_and_its_variables(yard: Ground, busybox: str) -> None:
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
    assert yard.fact(folder, "started")["image"] == busybox
    assert "pull_s" not in yard.fact(folder, "started")


def test_a_container_has_no_rights_and_nothing_of_the_node(yard: Ground) -> None:
    (yard.root / "secret").write_text("x")
    lines = [
        "id -u; cat /proc/self/status; cat /proc/self/mounts; ls /proc",
        f"ls {yard.root} {yard.root}/attempts/j1/1/0",
        "touch /x /etc/x /bin/x; ls /run /var/run; echo > /proc/sys/kernel/panic; echo over",
    ]
    folder, _, log = run(yard, "; ".join(lines))
    assert log.splitlines()[0] == "65534"
    status = dict(line.split(":\t") for line in log.splitlines() if ":\t" in line)
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0, kind
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    mounts = {
        line.split()[1]: line.split()[3] for line in log.splitlines() if line.endswith(" 0 0")
    }
    own = {path for path in mounts if path.startswith(str(yard.root))}
    work, site = str(folder), str(yard.root)
    assert own == {
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
    assert str(os.getpid()) not in log.split()
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
        (["false"], 127),
        (["sleep", "0"], 0),
    ],
)
def test_codes_are_those_of_the_command(yard: Ground, command: list[str], code: int) -> None:
    _, end, log = run(yard, "", command=command)
    assert (end["reason"], end["ranks"][0]["code"]) == ("completed", code), log


def test_several_ranks_have_a_container_each_and_one_log(yard: Ground) -> None:
    folder, end, log = run(yard, "echo $RANK of $WORLD_SIZE; sleep 0.2", ranks_per_node=3)
    assert [rank["code"] for rank in end["ranks"]] == [0, 0, 0]
    assert sorted(log.splitlines()) == ["0 of 3", "1 of 3", "2 of 3"]
    assert len((folder / "containers").read_text().split()) == 3


def begin(yard: Ground, line: str, **changes: Any) -> Path:
    folder = yard.order(line, **{"image": IMAGE, **changes})
    if not yard.launchers:
        yard.start_launcher()
    yard.launch(folder)
    yard.fact(folder, "started")
    until(lambda: "ready" in (folder / "log").read_text())
    return folder


def is_gone(yard: Ground, podman: Podman, folder: Path) -> None:
    """Neither processes nor containers, also by their name for one that hides its mark."""
    assert yard.processes() == []
    assert podman.containers() == []
    for name in (folder / "containers").read_text().split():
        assert all(name.encode() not in read(pid) for pid in all_pids())


def all_pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def read(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def test_a_warned_command_uses_its_grace(yard: Ground, podman: Podman) -> None:
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
    is_gone(yard, podman, folder)


def test_a_shell_dies_last_so_that_what_it_started_uses_its_grace(
    yard: Ground, podman: Podman
) -> None:
    inner = 'trap "sleep 0.3; echo saved; exit 0" TERM; echo ready; while :; do sleep 0.05; done'
    folder = begin(yard, f"sh -c '{inner}'; echo never")
    yard.ask_to_stop(folder, 20)
    end = yard.fact(folder, "exited")
    log = (folder / "log").read_text()
    assert "saved" in log
    assert "never" not in log
    assert end["ranks"] == [{"rank": 0, "code": 143, "signal": None, "stopped": True}]
    is_gone(yard, podman, folder)


def test_who_does_not_listen_is_killed_when_the_grace_is_over(yard: Ground, podman: Podman) -> None:
    folder = begin(yard, 'trap "" TERM; echo ready; while :; do sleep 0.05; done')
    yard.ask_to_stop(folder, 0.3)
    end = yard.fact(folder, "exited")
    (rank,) = end["ranks"]
    # Podman may tell of the kill, or be killed itself before it can.
    assert (end["reason"], rank["code"] or 128 + rank["signal"]) == ("stopped", 137)
    is_gone(yard, podman, folder)


def test_a_stop_that_comes_early_reaches_the_command(yard: Ground, podman: Podman) -> None:
    folder = yard.order("sleep 1000", image=IMAGE)
    yard.start_launcher()
    yard.launch(folder)
    until((folder / "containers").exists)
    yard.ask_to_stop(folder, 20)
    end = yard.fact(folder, "exited")
    assert end["reason"] == "stopped"
    is_gone(yard, podman, folder)


def test_a_time_limit_holds_in_an_image(yard: Ground, podman: Podman) -> None:
    folder, end, _ = run(yard, "sleep 1000", time_limit_s=0.5)
    assert end["reason"] == "timed_out"
    is_gone(yard, podman, folder)


ESCAPES = {
    "a daemon": "(sleep 1000 &) ; echo ready",
    "one without its mark": "env -i /bin/sh -c 'sleep 1000 & sleep 1000' & echo ready; sleep 1000",
    "a command that drops its mark": "echo ready; exec env -i /bin/sleep 1000",
}


@pytest.mark.parametrize("escape", ESCAPES)
def test_nothing_outlives_a_killed_runner(yard: Ground, podman: Podman, escape: str) -> None:
    folder = begin(yard, ESCAPES[escape])
    kill(yard.fact(folder, "started")["pid"])
    until(lambda: any(fact["kind"] == "exited" for fact in yard.facts(folder)))
    is_gone(yard, podman, folder)


@pytest.mark.parametrize("escape", ESCAPES)
def test_nothing_outlives_a_killed_runner_and_its_launcher_once_it_is_reaped(
    yard: Ground, podman: Podman, escape: str
) -> None:
    folder = begin(yard, ESCAPES[escape])
    launcher = yard.launchers[-1]
    launcher.kill()
    launcher.wait()
    kill(yard.fact(folder, "started")["pid"])
    command = [sys.executable, "-I", "-S", str(RUNNER), "reap"]
    command += ["--marker", f"{yard.home_id}/j1/1/0", "--folder", str(folder)]
    environment = {"PATH": os.environ["PATH"], **podman.environment}
    subprocess.run(command, check=True, env=environment)
    is_gone(yard, podman, folder)


@pytest.mark.needs_cgroup
def test_more_memory_than_was_asked_for_ends_it_and_is_told(yard: Ground) -> None:
    line = "x=aaaaaaaaaaaaaaaa; while :; do x=$x$x; done"
    _, end, log = run(yard, line, limits={"cpus": 1, "memory_bytes": 64 * 2**20})
    assert end["reason"] == "out_of_memory", (end, log)
    assert "the 64MiB that" in end["message"]


def test_an_image_that_nobody_has_is_told_with_what_to_do(yard: Ground) -> None:
    folder, end, _ = run(yard, "x", image="localhost/nosuch:1")
    assert (end["reason"], end["ranks"]) == ("setup_failed", [])
    assert "no image localhost/nosuch:1: build or load it there" in end["message"]
    assert [fact["kind"] for fact in yard.facts(folder)] == ["exited"]


class SilentRegistry:
    """A registry that takes connections and never answers."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.image = f"127.0.0.1:{self._socket.getsockname()[1]}/ours/image:1"

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def registry() -> Any:
    made = SilentRegistry()
    yield made
    made.close()


def test_fetching_is_told_while_it_lasts_and_not_waited_for_for_ever(
    yard: Ground, registry: SilentRegistry
) -> None:
    folder, end, _ = run(yard, "x", image=registry.image, pull_s_max=0.5)
    assert [fact["kind"] for fact in yard.facts(folder)] == ["pulling", "exited"]
    assert yard.fact(folder, "pulling")["image"] == registry.image
    assert end["reason"] == "setup_failed"
    assert "was not here after" in end["message"]
    assert yard.processes() == []


def test_fetching_ends_with_a_stop(yard: Ground, registry: SilentRegistry) -> None:
    folder = yard.order("x", image=registry.image)
    yard.start_launcher()
    yard.launch(folder)
    yard.fact(folder, "pulling")
    yard.ask_to_stop(folder, 5)
    assert yard.fact(folder, "exited")["reason"] == "stopped"
    assert yard.processes() == []


def test_a_registry_that_is_not_there_is_told(yard: Ground) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    _, end, _ = run(yard, "x", image=f"127.0.0.1:{port}/ours/image:1")
    assert end["reason"] == "setup_failed"
    assert "cannot be fetched" in end["message"]
    assert "connection refused" in end["message"]


def test_a_digest_means_the_same_when_its_tag_has_moved(
    yard: Ground, podman: Podman, tmp_path: Path
) -> None:
    name = "localhost/moving:1"
    tars = [tmp_path / "one.tar", tmp_path / "two.tar"]
    one, two = (
        podman.import_tar(write_busybox(tar, files={"etc/which": tar.name.encode()}), name)
        for tar in tars
    )
    assert one != two
    assert run(yard, "cat /etc/which", image=one)[2] == "one.tar"
    folder, _, log = run(yard, "cat /etc/which", image=name, name="j2")
    assert log == "two.tar"
    assert yard.fact(folder, "started")["image"] == two
    tagged = one.replace("@", ":1@")
    assert run(yard, "cat /etc/which", image=tagged, name="j3")[2] == "one.tar"


def test_a_gang_whose_nodes_know_different_images_does_not_start() -> None:
    peers = [{"host": host, "image": f"x@{host}"} for host in ("a", "b", "c")]
    with pytest.raises(NotEnclosed, match="is x@a on a and x@b on b: name a digest"):
        check_alike(peers)
    check_alike([{"host": "a", "image": "x@a"}, {"host": "b", "image": "x@a"}])
    check_alike([{"host": "a"}, {"host": "b", "image": None}])


def test_credentials_that_are_written_anew_are_seen_inside(yard: Ground) -> None:
    line = "echo ready; until cat $QD_CREDENTIALS | busybox grep second; do sleep 0.1; done"
    line = "cat $QD_CREDENTIALS; " + line.replace("busybox", "/bin/busybox")
    folder = yard.order(line, image=IMAGE)
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


def test_no_podman_is_told_with_what_to_do(yard: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    from quarterdeck.runner import podman

    monkeypatch.setattr(podman, "PATH", str(yard.root))
    with pytest.raises(NotEnclosed, match="install podman, crun and catatonit"):
        podman.find_podman()


def test_an_account_of_its_own_and_an_image_do_not_go_together(yard: Ground) -> None:
    account = {"launcher": "/nowhere", "owner": "ada", "root": str(yard.root)}
    _, end, _ = run(yard, "x", account=account)
    assert end["reason"] == "setup_failed"
    assert "leave them out" in end["message"]


def test_what_a_trial_says_is_what_jobs_meet(podman: Podman, tmp_path: Path) -> None:
    """`qd doctor` asks by this; here with the storage of these tests, and with none."""

    def look(**changes: str) -> Any:
        environment = {"PATH": os.environ["PATH"], **podman.environment, **changes}
        command = [sys.executable, "-I", "-S", str(RUNNER), "enclosures"]
        done = subprocess.run(command, check=True, env=environment, capture_output=True)
        return json.loads(done.stdout)

    assert look()["image"] == {"works": True, "text": "podman starts containers as root"}
    (tmp_path / "broken.conf").write_text('[engine]\nruntime = "nosuch"\n')
    broken = look(CONTAINERS_CONF=str(tmp_path / "broken.conf"))["image"]
    assert not broken["works"]
    assert "podman starts no container as root: " in broken["text"]
    assert podman.containers() == []


def test_results_and_checkpoints_behind_a_door_are_reached(yard: Ground) -> None:
    line = "echo r > $QD_RESULTS/r; echo c > $QD_CHECKPOINT/c; echo d > ckpt/d"
    folder = yard.order_behind_door(line, checkpoint_path="ckpt", image=IMAGE)
    yard.start_launcher()
    yard.launch(folder)
    assert yard.fact(folder, "exited")["ranks"][0]["code"] == 0, (folder / "log").read_text()
    assert (yard.root / "results/j1/0/r").read_text() == "r\n"
    kept = yard.root / "checkpoints/j1"
    assert sorted(one.name for one in kept.iterdir()) == ["c", "d"]
