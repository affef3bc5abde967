"""What holds for images by enroot alone: registries, files that change, what a trial says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.enroot import Enroot
from tests.integration.runner.ground import RUNNER, Ground
from tests.podman import write_busybox
from tests.registry import Registry, running_registry

pytestmark = pytest.mark.needs_enroot


@pytest.fixture
def yard(ground: Ground, enroot: Enroot) -> Ground:
    """A ground whose server wishes enroot for all images."""
    ground.extra = {**enroot.environment, "ENROOT_ALLOW_HTTP": "yes", "QD_IMAGES": "enroot"}
    return ground


@pytest.fixture
def registry() -> Iterator[Registry]:
    """One with no image yet."""
    with running_registry() as made:
        yield made


def run(yard: Ground, line: str, **changes: Any) -> tuple[Path, dict[str, Any], str]:
    """The folder, the end, and the log."""
    folder, end = yard.run_to_end(line, **changes)
    log = folder / "log"
    return folder, end, log.read_text() if log.exists() else ""


def test_a_tag_is_looked_up_and_its_content_is_fetched_once(
    yard: Ground, enroot: Enroot, registry: Registry, tmp_path: Path
) -> None:
    tar = write_busybox(tmp_path / "a.tar", files={"etc/which": b"one\n"})
    one = registry.push(tar, "ours/busybox", "1", "OF_IMAGE=yes", "PATH=/bin")
    tag = f"{registry.host}/ours/busybox:1"
    line = "cat /etc/which; pwd; echo $OF_IMAGE"
    folder, end, log = run(yard, line, image=tag)
    assert end["reason"] == "completed", end
    assert log == f"one\n{folder}/work\nyes\n"
    assert yard.fact(folder, "pulling")["image"] == tag
    assert yard.fact(folder, "started")["image"] == one
    assert yard.fact(folder, "started")["pull_s"] > 0
    registry.asked.clear()
    folder, _, log = run(yard, "cat /etc/which", image=one, name="j2")
    assert (log, registry.asked) == ("one\n", [])
    assert [fact["kind"] for fact in yard.facts(folder)] == ["started", "exited"]
    moved = write_busybox(tmp_path / "b.tar", files={"etc/which": b"two\n"})
    two = registry.push(moved, "ours/busybox", "1")
    assert run(yard, "cat /etc/which", image=tag, name="j3")[2] == "two\n"
    assert run(yard, "cat /etc/which", image=one, name="j4")[2] == "one\n"
    assert one != two
    assert len(enroot.unpacked()) == 2


def test_what_lies_here_is_no_image_of_another_repository(
    yard: Ground, registry: Registry, tmp_path: Path
) -> None:
    """A team that may use `ours/*` gets nothing else by naming its digest."""
    secret = registry.push(write_busybox(tmp_path / "a.tar"), "theirs/secret", "1")
    assert run(yard, "true", image=secret)[1]["reason"] == "completed"
    other = secret.replace("theirs/secret", "ours/busybox")
    _, end, _ = run(yard, "true", image=other, name="j2")
    assert end["reason"] == "setup_failed"
    assert "error code: 404" in end["message"]
    file = f"/nosuch.sqsh@{secret.partition('@')[2]}"
    _, end, _ = run(yard, "true", image=file, name="j3")
    assert "cannot be read on this node: No such file" in end["message"]


def test_a_registry_that_is_not_there_is_told(yard: Ground, registry: Registry) -> None:
    for image in (f"{registry.host}/ours/nosuch:1", "127.0.0.1:1/ours/x:1"):
        name = "j" + str(len(image))
        _, end, _ = run(yard, "x", image=image, name=name)
        assert end["reason"] == "setup_failed"
        assert f"the image {image} cannot be fetched: " in end["message"]
    folder, end, _ = run(yard, "x", image="localhost/ours:1", name="local")
    assert "an image of podman, and this node uses enroot" in end["message"]
    assert [fact["kind"] for fact in yard.facts(folder)] == ["exited"]


def test_a_file_that_holds_another_image_is_not_taken_for_the_first(
    yard: Ground, enroot: Enroot, tmp_path: Path
) -> None:
    def make(text: bytes) -> str:
        tar = write_busybox(tmp_path / "a.tar", files={"etc/which": text})
        return enroot.import_tar(tar, "moving")

    image = make(b"one\n")
    folder, _, log = run(yard, "cat /etc/which", image=image)
    assert log == "one\n"
    pinned = yard.fact(folder, "started")["image"]
    assert make(b"two\n") == image
    folder, _, log = run(yard, "cat /etc/which", image=image, name="j2")
    assert log == "two\n"
    assert yard.fact(folder, "started")["image"] != pinned
    for name in ("j3", "j4"):
        _, end, _ = run(yard, "cat /etc/which", image=pinned, name=name)
        assert end["reason"] == "setup_failed"
        assert "is another one now: sha256:" in end["message"]
    (tmp_path / "noise.sqsh").write_bytes(b"noise")
    _, end, _ = run(yard, "x", image=f"{tmp_path}/noise.sqsh", name="j5")
    assert "Invalid image format" in end["message"]


def test_several_jobs_at_once_unpack_an_image_once(
    yard: Ground, enroot: Enroot, tmp_path: Path
) -> None:
    image = enroot.import_tar(write_busybox(tmp_path / "a.tar"), "busy")
    folders = [yard.order("echo in", image=image, name=f"j{number}") for number in range(4)]
    yard.start_launcher()
    yard.launch(*folders)
    for folder in folders:
        assert yard.fact(folder, "exited")["ranks"][0]["code"] == 0
    assert len(enroot.unpacked()) == 1
    logs = [(folder / "pull.log").read_text() for folder in folders]
    assert sum("Extracting squashfs" in log for log in logs) == 1


def test_an_image_without_a_shell_is_told(yard: Ground, enroot: Enroot, tmp_path: Path) -> None:
    tar = tmp_path / "a.tar"
    subprocess.run(["tar", "-cf", str(tar), "-T", "/dev/null"], check=True)
    _, end, log = run(yard, "true", image=enroot.import_tar(tar, "empty"))
    assert end["reason"] == "setup_failed"
    assert (
        "enroot says why in the job's log: enroot-switchroot: failed to execute" in end["message"]
    )
    assert "/bin/sh" in log


def test_a_trial_tells_of_enroot(enroot: Enroot) -> None:
    def look(**changes: str) -> Any:
        environment = {"PATH": os.environ["PATH"], **enroot.environment, **changes}
        command = [sys.executable, "-I", "-S", str(RUNNER), "enclosures"]
        done = subprocess.run(command, check=True, env=environment, capture_output=True)
        return json.loads(done.stdout)["image"]

    found = look()
    assert found["works"], found
    assert "enroot 4." in found["text"]
    assert "starts containers" in found["text"]
    broken = look(ENROOT_LIBRARY_PATH="/nowhere")
    assert "enroot does not work on this node: " in broken["text"]
