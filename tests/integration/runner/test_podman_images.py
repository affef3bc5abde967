"""What holds for images by podman alone: memory, registries, tags, and what a trial says."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.runner.ground import RUNNER, Ground
from tests.podman import Podman, write_busybox

pytestmark = pytest.mark.needs_podman
IMAGE = "localhost/alone:1"


@pytest.fixture
def yard(ground: Ground, podman: Podman, tmp_path: Path) -> Ground:
    """A ground whose orders may name the image."""
    ground.extra = podman.environment
    podman.import_tar(write_busybox(tmp_path / "busybox.tar"), IMAGE)
    return ground


def run(yard: Ground, line: str, **changes: Any) -> tuple[Path, dict[str, Any], str]:
    """The folder, the end, and the log."""
    folder, end = yard.run_to_end(line, **{"image": IMAGE, **changes})
    log = folder / "log"
    return folder, end, log.read_text() if log.exists() else ""


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


def test_what_a_trial_says_is_what_jobs_meet(podman: Podman, tmp_path: Path) -> None:
    """`qd doctor` asks by this; here with the storage of these tests, and with none."""

    def look(**changes: str) -> Any:
        environment = {"PATH": os.environ["PATH"], **podman.environment, **changes}
        command = [sys.executable, "-I", "-S", str(RUNNER), "enclosures"]
        done = subprocess.run(command, check=True, env=environment, capture_output=True)
        return json.loads(done.stdout)

    found = look()["image"]
    assert found["works"]
    assert found["text"].startswith("podman starts containers as root")
    (tmp_path / "broken.conf").write_text('[engine]\nruntime = "nosuch"\n')
    broken = look(CONTAINERS_CONF=str(tmp_path / "broken.conf"))["image"]
    assert not broken["works"]
    assert "podman starts no container as root: " in broken["text"]
    assert podman.containers() == []
