"""Images for tests, made without a registry in a podman storage of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

BUSYBOX = ("/bin/busybox", "/usr/bin/busybox")
TOOLS = (
    "sh",
    "true",
    "cat",
    "echo",
    "env",
    "head",
    "id",
    "kill",
    "ls",
    "mkdir",
    "pwd",
    "sleep",
    "tail",
    "touch",
)
RUNTIMES = ("runc", "crun")


def find_busybox() -> Path | None:
    """A busybox that needs no library."""
    for path in map(Path, BUSYBOX):
        if path.is_file() and b"ld-linux" not in path.read_bytes()[:4096]:
            return path
    return None


class Podman:
    """A storage in a folder; `environment` leads podman to it, whoever starts it."""

    user = 65534
    has_processes = True

    def __init__(self, folder: Path, runtime: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        (folder / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\n'
            f'graphroot = "{folder}/root"\nrunroot = "{folder}/run"\n'
        )
        (folder / "containers.conf").write_text(
            f'[engine]\nruntime = "{runtime}"\ncgroup_manager = "cgroupfs"\n'
            f'events_logger = "none"\ntmp_dir = "{folder}/tmp"\n'
        )
        self.environment = {
            "CONTAINERS_STORAGE_CONF": str(folder / "storage.conf"),
            "CONTAINERS_CONF": str(folder / "containers.conf"),
        }

    def ask(self, *arguments: str, check: bool = True, **changes: str) -> str:
        """What podman prints."""
        done = subprocess.run(
            ["podman", *arguments],
            check=False,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **self.environment, **changes},
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout.strip()

    def import_tar(self, tar: Path, name: str, *changes: str) -> str:
        """An image of one layer; its reference by digest. `changes` are lines of a Dockerfile."""
        options = [part for change in changes for part in ("--change", change)]
        self.ask("import", "--quiet", *options, str(tar), name)
        return self.digest(name)

    def save(self, name: str, path: Path, kind: str) -> Path:
        """An image as an archive of this kind."""
        self.ask("save", "--quiet", "--format", kind, "--output", str(path), name)
        return path

    def digest(self, name: str) -> str:
        """The reference by digest."""
        found: Any = json.loads(self.ask("image", "inspect", name))
        return f"{name.rpartition(':')[0]}@{found[0]['Digest']}"

    def containers(self) -> list[str]:
        """The names of all containers, whatever their state."""
        return self.ask("ps", "--all", "--format", "{{.Names}}").split()

    def close(self) -> None:
        """Remove everything, so that the folder can be deleted."""
        self.ask("rm", "--all", "--force", "--time", "0", check=False)
        self.ask("image", "rm", "--all", "--force", check=False)
        self.ask("system", "reset", "--force", check=False)
        subprocess.run(["umount", f"{self._folder}/root/overlay"], check=False, capture_output=True)


def write_busybox(
    path: Path, *extra: tarfile.TarInfo, files: dict[str, bytes] | None = None
) -> Path:
    """A tar file with a root file system of 2 MB, and what is to be beside that in it."""
    busybox = find_busybox()
    assert busybox is not None
    with tarfile.open(path, "w") as tar:
        for name in ("bin", "etc", "tmp", "proc", "dev", "sys"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            if name not in {one.name for one in extra}:
                tar.addfile(folder)
        content = {"bin/busybox": busybox.read_bytes(), **(files or {})}
        for name, data in content.items():
            info = tarfile.TarInfo(name)
            info.mode, info.size = 0o755, len(data)
            tar.addfile(info, BytesIO(data))
        for tool in TOOLS:
            link = tarfile.TarInfo(f"bin/{tool}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        for info in extra:
            tar.addfile(info)
    return path


def why_no_podman() -> str | None:
    """None when a container of an image that we made runs here."""
    if os.geteuid() != 0:
        return "only root is tried"
    if shutil.which("podman") is None:
        return "no podman"
    if find_busybox() is None:
        return "no static busybox to make images of"
    return None if find_runtime() else "no runtime starts a container here"


@cache
def find_runtime() -> str | None:
    """One that starts a container on this machine: crun does not with every mix of cgroups."""
    limits = ("--ulimit=nofile=256:256", "--ulimit=nproc=4096:4096", "--network=host")
    for runtime in filter(shutil.which, RUNTIMES):
        with opened(runtime) as podman, tempfile.TemporaryDirectory() as folder:
            podman.import_tar(write_busybox(Path(folder) / "trial.tar"), "localhost/trial:1")
            run = ("run", "--rm", *limits, "localhost/trial:1", "echo", "it runs")
            if podman.ask(*run, check=False) == "it runs":
                return runtime
    return None


@contextmanager
def opened(runtime: str | None = None) -> Iterator[Podman]:
    """A storage for a while."""
    with tempfile.TemporaryDirectory(prefix="qd-podman-", ignore_cleanup_errors=True) as folder:
        podman = Podman(Path(folder), runtime or find_runtime() or RUNTIMES[0])
        try:
            yield podman
        finally:
            podman.close()
