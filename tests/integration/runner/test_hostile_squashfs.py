"""Squashfs images that say what enroot is to do: attack 15 of docs/security/attacks.md.

Enroot mounts what an image's /etc/fstab names, fills in /etc/environment what its own environment
has, runs /etc/rc, and opens /.lock to write, wherever these lead.
"""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from quarterdeck.runner.enroot import name_container
from tests.enroot import Enroot, write_file
from tests.integration.runner.ground import Ground
from tests.podman import write_busybox

pytestmark = pytest.mark.needs_enroot
SIGN = "the trap was sprung"
TRAP = f'echo "{SIGN}"; exec "$@"\n'.encode()


@pytest.fixture
def yard(ground: Ground, enroot: Enroot) -> Ground:
    """A ground, and beside it a secret of the account that no image may reach."""
    ground.extra = {**enroot.environment, "http_proxy": "http://user:secret@proxy"}
    (ground.root.parent / "secret").write_text("SECRET=of the node\n")
    return ground


def link(name: str, target: str | Path) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, str(target)
    return info


def run(yard: Ground, image: str, line: str) -> tuple[str, dict[str, object]]:
    folder, end = yard.run_to_end(line, image=image)
    log = folder / "log"
    return log.read_text() if log.exists() else "", end


def test_what_an_image_says_of_its_start_is_not_done(
    yard: Ground, enroot: Enroot, tmp_path: Path
) -> None:
    tar = write_busybox(tmp_path / "a.tar")
    for name in ("etc/rc", "etc/rc.local", "etc/profile"):
        write_file(tar, name, TRAP)
    mounts = f"{tmp_path} /mnt none x-create=dir,rbind\n/ /host none x-create=dir,rbind\n"
    write_file(tar, "etc/fstab", mounts.encode())
    write_file(
        tar, "etc/environment", b"A=${http_proxy}${HOME}\nENROOT_LOGIN_SHELL=yes\nQD_RESULTS=/\n"
    )
    image = enroot.import_tar(tar, "start")
    log, end = run(yard, image, "pwd; env; cat /proc/self/mounts; ls /mnt /host; echo over")
    assert end["reason"] == "completed"
    assert log.splitlines()[0] == f"{yard.root}/attempts/j1/1/0/work"
    assert SIGN not in log
    assert "secret" not in log
    assert " /mnt " not in log
    assert " /host " not in log
    assert f"QD_RESULTS={yard.root}" in log
    assert log.endswith("over\n")


def test_enroot_alone_would_do_it(enroot: Enroot, tmp_path: Path) -> None:
    """So that the absence of its doing proves something."""
    tar = write_busybox(tmp_path / "a.tar")
    write_file(tar, "etc/rc", TRAP)
    write_file(tar, "etc/fstab", f"{tmp_path} /mnt none x-create=dir,rbind\n".encode())
    image = enroot.import_tar(tar, "start")
    environment = {**os.environ, **enroot.environment, "ENROOT_RUNTIME_PATH": f"{tmp_path}/run"}

    def ask(*words: str) -> str:
        done = subprocess.run(
            ["enroot", *words], check=True, capture_output=True, text=True, env=environment
        )
        return done.stdout

    ask("create", "--name", "plain", image)
    assert ask("start", "plain", "ls", "/mnt").startswith(f"{SIGN}\na.tar\n")


@pytest.mark.parametrize("name", [".lock", "etc/environment", "etc/fstab", "etc/passwd", "etc"])
def test_links_in_place_of_what_enroot_reads_lead_nowhere(
    yard: Ground, enroot: Enroot, tmp_path: Path, name: str
) -> None:
    own = tmp_path / "own"
    own.mkdir()
    for file in ("environment", "fstab", "passwd", "group"):
        (own / file).write_text("SECRET=of the node\n")
    target = own if name == "etc" else own / "environment"
    image = enroot.import_tar(write_busybox(tmp_path / "a.tar", link(name, target)), "links")
    log, end = run(yard, image, "env; cat /etc/passwd; echo over")
    assert end["reason"] == "completed", log
    assert "of the node" not in log
    assert {file.read_text() for file in own.iterdir()} == {"SECRET=of the node\n"}
    assert log.endswith("over\n")


def test_a_bundle_in_an_image_is_taken_out(yard: Ground, enroot: Enroot, tmp_path: Path) -> None:
    image = enroot.import_tar(
        write_busybox(tmp_path / "a.tar", link(".enroot", tmp_path)), "bundle"
    )
    log, _ = run(yard, image, "ls -a /; echo over")
    assert ".enroot" not in log
    assert log.endswith("over\n")


def test_an_image_in_which_our_folders_would_lie_behind_a_link_is_refused(
    yard: Ground, enroot: Enroot, tmp_path: Path
) -> None:
    first = yard.root.parts[1]
    parts = "/".join(yard.root.parts[1:-1])
    for number, name in enumerate((first, parts)):
        tar = write_busybox(tmp_path / "a.tar", link(name, "/etc"))
        folder, end = yard.run_to_end(
            "x", image=enroot.import_tar(tar, f"l{number}"), name=f"j{number}"
        )
        assert end["reason"] == "setup_failed"
        assert f"/{name} is a link in the image" in end["message"]
        assert not (folder / "log").exists() or (folder / "log").read_text() == ""


def test_no_hook_of_the_node_or_the_account_runs(
    yard: Ground, enroot: Enroot, tmp_path: Path
) -> None:
    """Enroot's own write into files of the image as the account, through links too."""
    config = tmp_path / "config"
    (config / "hooks.d").mkdir(parents=True)
    hook = config / "hooks.d" / "10.sh"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    hook.chmod(0o755)
    yard.extra["ENROOT_CONFIG_PATH"] = str(config)
    yard.extra["ENROOT_SYSCONF_PATH"] = str(config)
    image = enroot.import_tar(write_busybox(tmp_path / "a.tar"), "plain")
    _, end = run(yard, image, "true")
    assert end["reason"] == "completed"
    assert not (tmp_path / "sprung").exists()


def test_jobs_with_one_image_see_nothing_of_each_other_in_it(
    yard: Ground, enroot: Enroot, tmp_path: Path
) -> None:
    image = enroot.import_tar(write_busybox(tmp_path / "a.tar"), "shared")
    for name in ("j1", "j2"):
        line = (
            f"ls {yard.root}/* /tmp /run; echo mine > /tmp/x; echo mine > /dev/shm/x; ls /dev/shm"
        )
        folder, end = yard.run_to_end(line, image=image, name=name)
        assert end["ranks"][0]["code"] == 0
    log = (folder / "log").read_text()
    assert "j2" in log
    assert "j1" not in log
    assert log.count("x\n") == 1
    (container,) = enroot.unpacked()
    started = yard.fact(folder, "started")["image"]
    assert container == name_container(started)
    below = [path for path in (enroot.folder / "data" / container).rglob("*") if "j1" in path.name]
    assert below == []
