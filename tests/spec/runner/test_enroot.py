"""What enroot is told, and what is taken out of an image before: no enroot is needed for it."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from quarterdeck.runner import means, unpacked
from quarterdeck.runner.enroot import (
    check_same,
    find_unpacked,
    make_uri,
    name_container,
    pin,
    tame,
    unpack,
)
from quarterdeck.runner.refusals import NotEnclosed

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("reference", "uri"),
    [
        ("nvcr.io/nvidia/pytorch:24.01-py3", "docker://nvcr.io#nvidia/pytorch:24.01-py3"),
        (f"nvcr.io/nvidia/pytorch@{DIGEST}", f"docker://nvcr.io#nvidia/pytorch@{DIGEST}"),
        (f"ghcr.io/ours/a:1@{DIGEST}", f"docker://ghcr.io#ours/a@{DIGEST}"),
        ("registry:5000/ours", "docker://registry:5000#ours:latest"),
        ("docker.io/library/python:3.12", "docker://registry-1.docker.io#library/python:3.12"),
    ],
)
def test_a_reference_is_what_enroot_calls_it(reference: str, uri: str) -> None:
    assert make_uri(reference) == uri


def test_an_image_is_called_by_its_repository_and_its_content() -> None:
    assert pin("ghcr.io/ours/a:1", HEX) == f"ghcr.io/ours/a@{DIGEST}"
    assert pin("registry:5000/a", HEX) == f"registry:5000/a@{DIGEST}"
    assert pin("/shared/a.sqsh", HEX) == pin(f"/shared/a.sqsh@{DIGEST}", HEX)
    names = {f"ghcr.io/ours/a@{DIGEST}", f"ghcr.io/ours/b@{DIGEST}", f"/shared/a.sqsh@{DIGEST}"}
    assert len({name_container(one) for one in names}) == 3
    assert name_container(f"/a.sqsh@{DIGEST}") == name_container(f"/b.sqsh@{DIGEST}")
    with pytest.raises(NotEnclosed, match="is another one now"):
        check_same(f"/a.sqsh@{DIGEST}", "f" * 64)


def test_what_a_tag_means_only_its_registry_knows(tmp_path: Path) -> None:
    pinned = f"ghcr.io/ours/a@{DIGEST}"
    assert find_unpacked(str(tmp_path), pinned) is None
    (tmp_path / name_container(pinned)).mkdir()
    assert find_unpacked(str(tmp_path), pinned) == (pinned, name_container(pinned))
    tagged = pinned.replace("@", ":1@")
    assert find_unpacked(str(tmp_path), tagged) == (pinned, name_container(pinned))
    assert find_unpacked(str(tmp_path), "ghcr.io/ours/a:1") is None
    assert find_unpacked(str(tmp_path), f"ghcr.io/ours/b@{DIGEST}") is None


def test_what_enroot_would_do_for_an_image_is_taken_out(tmp_path: Path) -> None:
    root, ours = tmp_path / "root", tmp_path / "own"
    ours.write_text("mine\n")
    (root / "etc").mkdir(parents=True)
    for name in ("fstab", "rc", "rc.local"):
        (root / "etc" / name).write_text("x")
    (root / "etc" / "environment").write_text("A=1\n")
    (root / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh")
    (root / "etc" / "group").symlink_to(ours)
    (root / ".lock").symlink_to(ours)
    (root / ".enroot").mkdir()
    (root / ".enroot" / "link").symlink_to(tmp_path)
    for _ in range(2):
        tame(str(root))
    assert ours.read_text() == "mine\n"
    assert sorted(path.name for path in (root / "etc").iterdir()) == [
        *("environment", "group", "passwd"),
    ]
    assert (root / "etc" / "environment").read_text() == "A=1\n"
    lines = (root / "etc" / "passwd").read_text().splitlines()
    assert lines[0] == "root:x:0:0::/root:/bin/sh"
    own = f"user:x:{os.geteuid()}:{os.getegid()}::/:/bin/sh"
    assert lines[1:] == ([] if os.geteuid() == 0 else [own])
    assert (root / ".lock").read_text() == ""
    assert not (root / ".lock").is_symlink()
    assert not (root / ".enroot").exists()


@pytest.mark.parametrize("etc", ["link", "file", "nothing"])
def test_an_image_has_a_folder_of_its_own_for_what_enroot_reads(tmp_path: Path, etc: str) -> None:
    root, own = tmp_path / "root", tmp_path / "own"
    for folder in (root, own):
        folder.mkdir()
    (own / "fstab").write_text("mine\n")
    if etc == "link":
        (root / "etc").symlink_to(own)
    elif etc == "file":
        (root / "etc").write_text("x")
    tame(str(root))
    assert (root / "etc").is_dir()
    assert not (root / "etc").is_symlink()
    assert [path.name for path in own.iterdir()] == ["fstab"]


def test_a_pipe_or_an_endless_file_in_place_of_variables_is_removed(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    etc.mkdir()
    os.mkfifo(etc / "environment")
    (etc / "passwd").write_text("x" * (2**20 + 1))
    tame(str(tmp_path))
    assert not (etc / "environment").exists()
    assert (etc / "passwd").read_text().startswith("user:x:")


def test_variables_go_by_a_file_where_its_form_allows_and_by_the_script_else(
    tmp_path: Path,
) -> None:
    odd = "two\nlines 'and' $(more)"
    given = {"A": "plain", "B": odd, "HOME": "/server", "PYTHONPATH": "/in"}
    folder = tmp_path / "it's"
    folder.mkdir()
    plain, script = unpacked.split_variables(given, {"A": "plain"}, str(folder))
    assert plain == "A=plain\n"
    show = 'printf "%s|" "$PWD" "$HOME" "$PYTHONPATH" "$B" "$@"'
    for around, home, path in (
        ({}, folder, "/in"),
        ({"HOME": "/of/image", "PYTHONPATH": "/opt"}, "/of/image", "/opt:/in"),
    ):
        command = ["/bin/sh", "-c", script, "sh", "/bin/sh", "-c", show, "sh", "a b"]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=around)
        assert done.stdout == f"{folder}|{home}|{path}|{odd}|a b|"
    asked = {"HOME": "/mine", "PYTHONPATH": "/p"}
    plain, script = unpacked.split_variables(asked, asked, "/w")
    assert plain == "HOME=/mine\nPYTHONPATH=/p\n"
    assert "export" not in script


def test_enroot_gets_settings_of_ours_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    around = {"ENROOT_REMAP_ROOT": "y", "ENROOT_DATA_PATH": "/raid", "ENROOT_CONFIG_PATH": "/home"}
    around |= {"http_proxy": "http://user:secret@proxy", "NVIDIA_VISIBLE_DEVICES": "all"}
    for name, text in around.items():
        monkeypatch.setenv(name, text)
    found = unpacked.make_settings("/own", "mark", "")
    assert found["ENROOT_DATA_PATH"] == "/raid"
    assert found["QD_REPLICA"] == "mark"
    assert {found[f"ENROOT_{name}_PATH"] for name in ("SYSCONF", "CONFIG")} == {"/own"}
    for name in ("REMAP_ROOT", "ROOTFS_WRITABLE", "MOUNT_HOME", "ALLOW_SUPERUSER", "LOGIN_SHELL"):
        assert found[f"ENROOT_{name}"] == "no"
    assert not {"http_proxy", "NVIDIA_VISIBLE_DEVICES"} & set(found)
    with_gpus = unpacked.make_settings("/own", "mark", "GPU-1,GPU-2")
    assert with_gpus["NVIDIA_VISIBLE_DEVICES"] == "GPU-1,GPU-2"
    assert with_gpus["NVIDIA_MIG_CONFIG_DEVICES"] == ""


def test_our_folders_lie_in_file_systems_of_their_own() -> None:
    site = ["/site/attempts/j/1/0/work", "/site/results/j/0", "/site/checkpoints/j"]
    assert unpacked.find_bases(site) == ["/site"]
    assert unpacked.find_bases([*site, "/data/x/y"]) == ["/site", "/data/x"]
    assert unpacked.find_bases(["/results"]) == []
    text = unpacked.make_mounts("/own", {"/site/a": True, "/site/b": False}, 4096)
    ours = [line.split()[:4] for line in text.splitlines() if "/site" in line]
    assert [(one[0], one[1]) for one in ours] == [
        ("tmpfs", "/site"),
        ("/site/a", "/site/a"),
        ("/site/b", "/site/b"),
        ("none", "/site"),
    ]
    ways = [set(one[3].split(",")) for one in ours]
    assert all({"nosuid", "nodev"} <= way for way in ways)
    assert [("ro" in way) for way in ways] == [False, False, True, True]
    assert "size=4096" in text
    for line in text.splitlines():
        assert line.split()[5] == ("0" if "/site" in line or "remount" in line else "-1")
    with pytest.raises(NotEnclosed, match="move the data folder"):
        unpacked.check_places({"/si te": True})


@pytest.mark.parametrize(
    ("reference", "here", "wish", "found"),
    [
        ("docker.io/a/b:1", "podman enroot", "", "podman"),
        ("docker.io/a/b:1", "podman enroot", "no ranges", "enroot"),
        ("docker.io/a/b:1", "podman enroot", "enroot", "enroot"),
        ("docker.io/a/b:1", "podman", "enroot", "podman"),
        ("docker.io/a/b:1", "podman", "no ranges", "podman"),
        ("docker.io/a/b:1", "enroot", "", "enroot"),
        ("docker.io/a/b:1", "", "", "install podman"),
        ("/a.sqsh", "podman enroot", "", "enroot"),
        ("/a.sqsh", "podman", "", "only enroot reads"),
        ("oci-archive:/a.tar", "podman enroot", "enroot", "podman"),
        ("docker-archive:/a.tar", "enroot", "", "only podman reads"),
        ("localhost/a:1", "enroot", "", "an image of podman"),
        ("/a.sqsh", "enroot", "root", "a server that is root"),
        ("docker.io/a/b:1", "enroot", "root", "a server that is root"),
        ("docker.io/a/b:1", "podman enroot", "root", "podman"),
    ],
)
def test_what_gives_the_image_depends_on_what_is_there(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    reference: str,
    here: str,
    wish: str,
    found: str,
) -> None:
    for name in ("podman", "enroot"):
        place = f"/bin/{name}" if name in here else None
        monkeypatch.setattr(means, f"find_{name}", lambda place=place: place)
    monkeypatch.setattr(os, "geteuid", lambda: 0 if wish == "root" else 1234567)
    (tmp_path / "subuid").write_text("" if wish == "no ranges" else "1234567:100000:65536\n")
    monkeypatch.setattr(means, "RANGES", str(tmp_path / "subuid"))
    monkeypatch.setattr(means, "SERVICES", str(tmp_path / "nosuch"))
    monkeypatch.setenv("QD_IMAGES", wish)
    if " " not in found:
        assert means.find_means(reference) == f"/bin/{found}"
        return
    with pytest.raises(NotEnclosed, match=found):
        means.find_means(reference)


FAKE = """\
#!/bin/bash
ENROOT_VERSION=4.1.2 ENROOT_DATA_PATH=%(folder)s/data ENROOT_SYSCONF_PATH=/etc/enroot
[ "$1" = create ] || exit 0
[ "${2}${3}" = --force--name ] || exit 2
echo "$5" >> %(folder)s/created
mkdir -p "$ENROOT_DATA_PATH/$4/etc"
%(more)s
"""
"""As much of enroot as unpacking a file asks of it; the real one is asked the same in
tests/integration/runner/test_enroot_images.py."""


def fake(folder: Path, more: str = "") -> str:
    program = folder / "enroot"
    program.write_text(FAKE % {"folder": folder, "more": more})
    program.chmod(0o755)
    return str(program)


def test_a_file_is_unpacked_once_and_called_by_its_content(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    enroot, image = fake(tmp_path), tmp_path / "a.sqsh"
    image.write_bytes(b"an image")
    pinned = pin(str(image), hashlib.sha256(b"an image").hexdigest())
    for reference in (str(image), pinned, str(image)):
        assert unpack(enroot, reference) == 0
        assert capfd.readouterr().out == f"{pinned}\n"
    assert (tmp_path / "created").read_text() == f"{image}\n"
    assert find_unpacked(str(tmp_path / "data"), str(image)) == (pinned, name_container(pinned))
    image.write_bytes(b"other one")
    assert find_unpacked(str(tmp_path / "data"), str(image)) is None
    assert unpack(enroot, pinned) == 1
    assert "is another one now" in capfd.readouterr().err


def test_a_file_that_changes_while_it_is_read_is_not_taken(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Others with the same content would be given what it was changed into."""
    image = tmp_path / "a.sqsh"
    image.write_bytes(b"an image")
    assert unpack(fake(tmp_path, f"echo more >> {image}"), str(image)) == 1
    assert "was changed while it was read" in capfd.readouterr().err
    pinned = pin(str(image), hashlib.sha256(b"an image").hexdigest())
    assert not (tmp_path / "data" / name_container(pinned)).exists()


def test_an_old_enroot_is_told_of_where_digests_are_needed(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    program = fake(tmp_path)
    Path(program).write_text(Path(program).read_text().replace("4.1.2", "3.5.0"))
    assert unpack(program, "docker.io/a/b:1") == 1
    assert "enroot 3.5.0 does not know digests" in capfd.readouterr().err
