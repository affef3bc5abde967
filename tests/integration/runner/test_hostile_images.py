"""Images that try to reach the node: attack 15 of docs/security/attacks.md."""

from __future__ import annotations

import json
import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.runner.ground import Ground, until
from tests.means import Means
from tests.podman import Podman, write_busybox

SIGN = "the trap was sprung"
HOSTILE = (
    *("LD_PRELOAD=/trap.so", "LD_LIBRARY_PATH=/", "BASH_ENV=/trap", "ENV=/trap", "PATH=/bin:/evil"),
    *("PYTHONPATH=/evil", "PYTHONSTARTUP=/trap", "NVIDIA_VISIBLE_DEVICES=all"),
    *("QD_REPLICA=stolen", "QD_JOB_ID=stolen", "QD_RESULTS=/etc", "CONTAINERS_CONF=/trap"),
)
TRAP = f'#!/bin/sh\necho "{SIGN}"; echo "{SIGN}" > /sprung\nexec "$@"\n'.encode()


@pytest.fixture
def yard(ground: Ground, request: pytest.FixtureRequest) -> Iterator[Ground]:
    """A ground, and beside it a secret of the node that nobody may reach."""
    is_for_all = "means" in request.fixturenames
    ground.extra = request.getfixturevalue("means" if is_for_all else "podman").environment
    (ground.root.parent / "secret").write_text("of the node")
    yield ground
    if not is_for_all:
        request.getfixturevalue("podman").ask("rm", "--all", "--force", "--time", "0")


def link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def run(yard: Ground, image: str, line: str) -> tuple[str, dict[str, object]]:
    folder, end = yard.run_to_end(line, image=image)
    log = folder / "log"
    return log.read_text() if log.exists() else "", end


@pytest.mark.needs_podman
def test_what_an_image_says_of_its_start_is_not_done(
    yard: Ground, podman: Podman, tmp_path: Path
) -> None:
    """Entrypoint, command, work folder on a leaked handle (CVE-2024-21626), user, volumes, labels
    and stop signal."""
    tar = write_busybox(tmp_path / "a.tar", files={"trap": TRAP})
    image = podman.import_tar(
        tar,
        "localhost/start:1",
        'ENTRYPOINT ["/trap"]',
        'CMD ["/trap"]',
        "WORKDIR /proc/self/fd/8",
        "USER root",
        "VOLUME /data /etc",
        "LABEL io.podman.annotations.privileged=TRUE run=--privileged",
        "STOPSIGNAL SIGKILL",
    )
    log, end = run(
        yard, image, "id -u; pwd; cat /proc/self/mounts ../../../../../../secret; echo over"
    )
    lines = log.splitlines()
    assert lines[0] == "65534"
    assert lines[1] == f"{yard.root}/attempts/j1/1/0/work"
    assert SIGN not in log
    assert "of the node" not in log
    assert lines[-1] == "over"
    assert end["reason"] == "completed"
    assert " /proc " in log
    assert " /data " not in log
    assert " /etc " not in log


def test_the_environment_of_an_image_stays_inside(
    yard: Ground, means: Means, tmp_path: Path
) -> None:
    tar = write_busybox(tmp_path / "a.tar", files={"trap": TRAP, "trap.so": TRAP})
    image = means.import_tar(
        tar,
        "localhost/env:1",
        *(f"ENV {pair}" for pair in HOSTILE),
    )
    log, end = run(yard, image, "env; sleep 0.5")
    assert end["reason"] == "completed"
    assert {"LD_PRELOAD=/trap.so", "PATH=/bin:/evil", "CONTAINERS_CONF=/trap"} < {*log.split()}
    assert "ld.so" not in log, "a program of the node was to load it"
    assert f"QD_REPLICA={yard.home_id}/j1/1/0" in log
    assert "QD_JOB_ID=j1" in log
    assert f"QD_RESULTS={yard.root}" in log
    assert SIGN not in log


def test_the_environment_of_a_job_reaches_nothing_outside(
    yard: Ground, means: Means, busybox: str
) -> None:
    """What starts the container must not load what the job names: the file would be the node's."""
    trap = {"LD_PRELOAD": "/nowhere/trap.so", "PATH": "/bin", "BASH_ENV": "/nowhere"}
    trap |= {"CONTAINERS_CONF": "/nowhere", "ENROOT_ROOTFS_WRITABLE": "y"}
    env = {**trap, "ODD": "a b\nc"}
    folder = yard.order("env; touch /x; echo ready; sleep 1000", image=busybox, env=env)
    yard.start_launcher()
    yard.launch(folder)
    pid = yard.fact(folder, "started")["pids"][0]
    until(lambda: "ready" in (folder / "log").read_text())
    log = (folder / "log").read_text()
    assert "LD_PRELOAD=/nowhere/trap.so" in log
    assert "ld.so" not in log, "a program of the node was to load it"
    assert "/x: Read-only" in log
    environ = Path(f"/proc/{pid}/environ").read_bytes()
    starts = {b"podman", b"enroot"} & set(Path(f"/proc/{pid}/cmdline").read_bytes().split(b"/"))
    if starts or not hasattr(means, "folder"):
        assert b"trap.so" not in environ
        assert b"CONTAINERS_CONF=/nowhere" not in environ
    files = [*folder.glob("container-0.env"), *folder.glob("enclosure-0/*/10.env")]
    files += folder.glob("enclosure-0/rc")
    assert files
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    yard.ask_to_stop(folder, 0)
    yard.fact(folder, "exited")


@pytest.mark.needs_podman
def test_no_hook_of_the_node_runs_for_what_an_image_says(
    yard: Ground, podman: Podman, tmp_path: Path
) -> None:
    """A hook that believes an image's environment was NVIDIA's CVE-2025-23266."""
    hook = tmp_path / "hook"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    hook.chmod(0o755)
    (tmp_path / "hooks").mkdir()
    said = {"version": "1.0.0", "hook": {"path": str(hook)}, "stages": ["prestart"]}
    (tmp_path / "hooks/a.json").write_text(json.dumps({**said, "when": {"always": True}}))
    conf = tmp_path / "containers.conf"
    known = Path(podman.environment["CONTAINERS_CONF"]).read_text()
    conf.write_text(f'{known}hooks_dir = ["{tmp_path}/hooks"]\n')
    image = podman.import_tar(write_busybox(tmp_path / "a.tar"), "localhost/plain:1")
    limits = ("--ulimit=nofile=256:256", "--ulimit=nproc=4096:4096", "--network=host")
    podman.ask("run", "--rm", *limits, image, "true", CONTAINERS_CONF=str(conf))
    assert (tmp_path / "sprung").exists(), "then its absence proves nothing"
    (tmp_path / "sprung").unlink()
    yard.extra = {**podman.environment, "CONTAINERS_CONF": str(conf)}
    _, end = run(yard, image, "true")
    assert end["reason"] == "completed"
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("target", ["/etc", "../../../../../../../../tmp", "/proc/self/fd/8", "/"])
def test_links_in_place_of_our_folders_lead_nowhere(
    yard: Ground, means: Means, tmp_path: Path, target: str
) -> None:
    """The first folder of the path at which ours are mounted is a link, and so is /tmp."""
    first = yard.root.parts[1]
    image = means.import_tar(
        write_busybox(tmp_path / "a.tar", link(first, target), link("var", target)),
        "localhost/links:1",
    )
    places = [Path("/etc"), Path("/"), Path("/var")]
    before = [set(place.iterdir()) for place in places]
    log, end = run(yard, image, "pwd; echo mine > written; cat /secret ../../../../../../secret")
    assert [set(place.iterdir()) for place in places] == before
    assert "of the node" not in log
    written = yard.root / "attempts/j1/1/0/work/written"
    if end["reason"] == "completed":
        assert written.read_text() == "mine\n"
    else:
        assert end["reason"] == "setup_failed"


@pytest.mark.needs_podman
def test_a_device_in_an_image_cannot_be_opened(
    yard: Ground, podman: Podman, tmp_path: Path
) -> None:
    """/dev/fuse stands for a disk: on the node everybody may open it."""
    status = Path("/dev/fuse").stat()
    device = tarfile.TarInfo("device")
    device.type, device.mode = tarfile.CHRTYPE, 0o666
    device.devmajor, device.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    tar = write_busybox(tmp_path / "a.tar", device)
    image = podman.import_tar(tar, "localhost/device:1")
    log, _ = run(yard, image, "ls -l /device; (exec 3<>/device && echo opened); echo over")
    assert log.startswith("crw-rw-rw-")
    assert "opened" not in log
    assert "Operation not permitted" in log
    assert log.endswith("over\n")


@pytest.mark.needs_podman
def test_links_that_a_job_left_in_its_checkpoint_give_nobody_a_file(
    yard: Ground, podman: Podman, tmp_path: Path
) -> None:
    """The runner makes folders the command's own, as root: only what lies in there."""
    image = podman.import_tar(write_busybox(tmp_path / "a.tar"), "localhost/plain:1")
    secret = yard.root.parent / "secret"
    owner = secret.stat().st_uid
    kept = yard.root / "checkpoints" / "j1"
    kept.mkdir(parents=True)
    (kept / "link").symlink_to(secret)
    (kept / "folder").symlink_to(secret.parent)
    (kept / "own").write_text("1")
    _, end = run(yard, image, "echo 2 > $QD_CHECKPOINT/own; cat $QD_CHECKPOINT/link")
    assert end["reason"] == "completed"
    assert (secret.stat().st_uid, secret.parent.stat().st_uid) == (owner, owner)
    assert (kept / "own").read_text() == "2\n"
