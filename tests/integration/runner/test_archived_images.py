"""Images in archives: that they run, that they move no tag, and that they lead to no other."""

from __future__ import annotations

import io
import json
import os
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from quarterdeck.runner.lodging import clear_enclosures
from tests.integration.runner.ground import Ground
from tests.podman import Podman, opened, write_busybox

pytestmark = pytest.mark.needs_podman
IMAGE = "localhost/archived:1"


@pytest.fixture
def yard(ground: Ground, podman: Podman, tmp_path: Path) -> Ground:
    """A ground, and an image on the node."""
    podman.import_tar(write_busybox(tmp_path / "busybox.tar"), IMAGE)
    ground.extra = podman.environment
    return ground


def run(yard: Ground, line: str, **changes: Any) -> tuple[Path, dict[str, Any], str]:
    """The folder, the end, and the log."""
    folder, end = yard.run_to_end(line, **changes)
    log = folder / "log"
    return folder, end, log.read_text() if log.exists() else ""


@pytest.mark.parametrize("kind", ["oci-archive", "docker-archive"])
def test_an_image_in_an_archive_runs_and_moves_no_tag(
    yard: Ground, podman: Podman, tmp_path: Path, kind: str
) -> None:
    """The archive says that it is the image which the node has under this name."""
    tar = write_busybox(tmp_path / "a.tar", files={"etc/which": b"of the archive\n"})
    with opened() as other:
        other.import_tar(tar, IMAGE, "ENV OF_IMAGE=archived")
        archive = other.save(IMAGE, tmp_path / "saved.tar", kind)
    before = podman.digest(IMAGE)
    name = f"{kind}:{archive}"
    folder, end, log = run(yard, "cat /etc/which; echo $OF_IMAGE", image=name)
    assert (end["reason"], log) == ("completed", "of the archive\narchived\n")
    assert podman.digest(IMAGE) == before
    started = yard.fact(folder, "started")
    assert started["pull_s"] > 0
    assert yard.fact(folder, "pulling")["image"] == name
    pinned = started["image"]
    assert re.fullmatch(re.escape(name) + "@sha256:[0-9a-f]{64}", pinned)
    assert not (folder / "image.tar").exists()
    folder, _, log = run(yard, "cat /etc/which", image=pinned, name="j2")
    assert log == "of the archive\n"
    assert [fact["kind"] for fact in yard.facts(folder)] == ["started", "exited"]
    podman.ask("image", "rm", pinned.rpartition(":")[2])
    assert run(yard, "cat /etc/which", image=pinned, name="j3")[2] == "of the archive\n"
    _, end, _ = run(yard, "x", image=f"{name}@sha256:{'0' * 64}", name="j4")
    assert end["reason"] == "setup_failed"
    assert "is another one now: sha256:" in end["message"]
    podman.ask("image", "rm", pinned.rpartition(":")[2])


def test_an_archive_leads_to_no_other_image_of_the_node(
    yard: Ground, podman: Podman, tmp_path: Path
) -> None:
    """It may say that its image has another id, but not bring it."""
    secret = json.loads(podman.ask("image", "inspect", IMAGE))[0]["Id"]
    members: dict[str, dict[str, Any]] = {
        "docker-archive": {"manifest.json": [{"Config": f"{secret}.json", "Layers": []}]},
        "oci-archive": {
            "index.json": {"manifests": [{"digest": "sha256:1"}]},
            "blobs/sha256/1": {"config": {"digest": f"sha256:{secret}"}},
        },
    }
    for kind, content in members.items():
        path = write_members(tmp_path / f"{kind}.tar", content)
        claims = {f"{secret}.json": b"{}", f"blobs/sha256/{secret}": b"{}"}
        for number, claim in enumerate(({}, claims)):
            write_members(path, {**content, **claim})
            for pin in ("", f"@sha256:{secret}"):
                name = f"{kind}{number}{len(pin)}"
                _, end, log = run(yard, "echo in", image=f"{kind}:{path}{pin}", name=name)
                assert (end["reason"], log) == ("setup_failed", ""), name


def write_members(path: Path, content: dict[str, Any]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, text in content.items():
            data = text if isinstance(text, bytes) else json.dumps(text).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def test_what_is_no_archive_is_told_with_what_to_do(yard: Ground, tmp_path: Path) -> None:
    (tmp_path / "noise.tar").write_bytes(b"noise" * 1000)
    write_members(tmp_path / "other.tar", {"index.txt": {}})
    write_members(tmp_path / "two.tar", {"manifest.json": [{}, {}]})
    write_members(tmp_path / "list.tar", {"index.json": [], "manifest.json": "x"})
    write_members(tmp_path / "large.tar", {"index.json": b" " * (5 * 2**20)})
    os.mkfifo(tmp_path / "pipe.tar")
    told = {
        "oci-archive:nosuch.tar": "No such file or directory",
        "oci-archive:noise.tar": "invalid header",
        "docker-archive:other.tar": "it is none",
        "docker-archive:two.tar": "there are 2 images in",
        "docker-archive:list.tar": "cannot be read",
        "oci-archive:list.tar": "cannot be read",
        "oci-archive:large.tar": "too large",
        "oci-archive:pipe.tar": "it is no file",
    }
    for number, (name, text) in enumerate(told.items()):
        kind, _, path = name.partition(":")
        _, end, _ = run(yard, "x", image=f"{kind}:{tmp_path}/{path}", name=f"j{number}")
        assert end["reason"] == "setup_failed"
        assert text in end["message"], name


def test_no_copy_of_an_archive_is_left(yard: Ground, podman: Podman, tmp_path: Path) -> None:
    """Whoever loads it may be killed meanwhile: here what it would leave lies there already."""
    archive = podman.save(IMAGE, tmp_path / "saved.tar", "oci-archive")
    for name, image in (("j1", f"oci-archive:{archive}"), ("j2", "oci-archive:/nosuch")):
        folder = yard.order("true", image=image, name=name)
        (folder / "image.tar").touch()
        if not yard.launchers:
            yard.start_launcher()
        yard.launch(folder)
        yard.fact(folder, "exited")
        assert not (folder / "image.tar").exists()
    (folder / "image.tar").touch()
    clear_enclosures(str(folder))
    assert not (folder / "image.tar").exists()
