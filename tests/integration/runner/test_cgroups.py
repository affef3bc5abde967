"""A replica is held to the memory and the CPUs that it asked for, where the system allows it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from quarterdeck.adapters.engines.local import confinement
from quarterdeck.runner import cgroups
from tests.integration.runner.ground import Ground, kill, until

GREEDY = "held = [bytearray(2**20) for _ in range({mib})]; print(len(held), flush=True)"
LIMITS = {"memory_bytes": 64 * 2**20, "cpus": 2}


def groups_of(folder: Path) -> list[Path]:
    return [Path(line) for line in (folder / "cgroups").read_text().split()]


@pytest.mark.needs_cgroup
def test_more_memory_than_asked_for_ends_the_command_and_is_told(ground: Ground) -> None:
    folder, exited = ground.run_to_end(
        "", command=[sys.executable, "-S", "-c", GREEDY.format(mib=200)], limits=LIMITS
    )
    assert exited["reason"] == "out_of_memory"
    assert "64MiB" in exited["message"]
    assert exited["ranks"][0]["signal"] == 9
    assert groups_of(folder)
    assert not any(group.exists() for group in groups_of(folder))


@pytest.mark.needs_cgroup
def test_a_child_that_the_kernel_ended_is_told_too(ground: Ground) -> None:
    program = GREEDY.format(mib=200)
    _, exited = ground.run_to_end(f"{sys.executable} -S -c '{program}' || exit 3", limits=LIMITS)
    assert (exited["reason"], exited["ranks"][0]["code"]) == ("out_of_memory", 3)


@pytest.mark.needs_cgroup
def test_what_was_asked_for_may_be_used(ground: Ground) -> None:
    folder, exited = ground.run_to_end(
        "", command=[sys.executable, "-S", "-c", GREEDY.format(mib=40)], limits=LIMITS
    )
    assert exited["reason"] == "completed"
    assert (folder / "log").read_text() == "40\n"


@pytest.mark.needs_cgroup
def test_the_share_of_the_cpus_is_what_was_asked_for(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order("exec sleep 1000", limits={"memory_bytes": 0, "cpus": 3})
    ground.launch(folder)
    pids = ground.fact(folder, "started")["pids"]
    (group,) = groups_of(folder)
    assert (group / "cgroup.procs").read_text().split() == [str(pid) for pid in pids]
    shares, weight = group / "cpu.shares", group / "cpu.weight"
    assert (shares.exists() and shares.read_text() == "3072\n") or weight.read_text() == "300\n"


@pytest.mark.needs_cgroup
def test_a_killed_runner_leaves_no_group(ground: Ground) -> None:
    ground.start_launcher()
    folder = ground.order("sleep 1000", limits=LIMITS)
    ground.launch(folder)
    runner = ground.fact(folder, "started")["pid"]
    assert all(group.exists() for group in groups_of(folder))
    kill(runner)
    ground.fact(folder, "exited")
    until(lambda: not any(group.exists() for group in groups_of(folder)))


@pytest.mark.needs_cgroup
def test_what_is_possible_is_said_in_words() -> None:
    found = confinement.describe_confinement()
    assert (found.memory, found.cpu) == (True, True)
    assert "is ended, and told so (cgroup v" in found.why
    assert not [name for group in Path("/sys/fs/cgroup").glob("*/qd-trial-*") for name in [group]]


def test_without_a_cgroup_file_system_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = "25 30 0:23 / /proc rw - proc proc rw\n"
    for home in cgroups.understand_homes(mounts, "0::/\n").values():
        assert isinstance(home, str)
        assert home.startswith("no cgroup file system")


def tree(root: Path, *, switched_on: str) -> tuple[str, str]:
    """A version 2 tree in which this process lives in user.slice/app.scope."""
    own = root / "user.slice" / "app.scope"
    own.mkdir(parents=True)
    (root / "cgroup.controllers").write_text("cpu memory pids\n")
    for folder, controllers in ((root, "cpu memory"), (own.parent, switched_on), (own, "")):
        (folder / "cgroup.subtree_control").write_text(f"{controllers}\n")
        (folder / "cgroup.procs").touch()
    return f"30 23 0:26 / {root} rw - cgroup2 cgroup2 rw\n", "0::/user.slice/app.scope\n"


def test_version_2_makes_the_group_beside_its_own(tmp_path: Path) -> None:
    homes = cgroups.understand_homes(*tree(tmp_path, switched_on="memory"))
    memory = homes["memory"]
    assert isinstance(memory, cgroups.Home)
    assert (memory.version, memory.folder) == (2, str(tmp_path / "user.slice"))
    assert isinstance(homes["cpu"], str)
    assert "systemd-run" in homes["cpu"]


def test_version_2_is_set_up_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = cgroups.understand_homes(*tree(tmp_path, switched_on="cpu memory"))
    monkeypatch.setattr(cgroups, "find_homes", lambda: homes)
    group = tmp_path / "user.slice" / "qd-x"
    group.mkdir()
    for name in ("memory.max", "memory.swap.max", "memory.oom.group", "cpu.weight", "memory.peak"):
        (group / name).touch()
    made = cgroups.Cgroups("qd-x", 4, 2**30)
    assert made.folders == (str(group),)
    assert (group / "memory.max").read_text() == str(2**30)
    assert (group / "memory.oom.group").read_text() == "1"
    assert (group / "cpu.weight").read_text() == "400"
    (group / "memory.events").write_text("low 0\nhigh 0\nmax 9\noom 1\noom_kill 2\n")
    (group / "memory.peak").write_text(f"{2**30}\n")
    assert "1GiB" in made.describe_overrun()
    assert "2 of its processes" in made.describe_overrun()


def test_a_part_of_a_tree_that_a_container_shows_is_understood(tmp_path: Path) -> None:
    mounts = f"30 23 0:26 /docker/abc {tmp_path} rw - cgroup cgroup rw,memory\n"
    memberships = "4:memory:/docker/abc/inner\n"
    (tmp_path / "inner").mkdir()
    home = cgroups.understand_homes(mounts, memberships)["memory"]
    assert isinstance(home, cgroups.Home)
    assert home.folder == str(tmp_path / "inner")
    assert os.access(home.folder, os.W_OK)
