"""Squashfs images for tests, unpacked by a real enroot into folders of their own.

Enroot is in no distribution; docs/testing.md says how it is built.
"""

from __future__ import annotations

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

from quarterdeck.runner.programs import PATH
from quarterdeck.runner.refusals import NotEnclosed
from tests.podman import find_busybox


class Enroot:
    """Folders for enroot; `environment` leads it to them, whoever starts it."""

    user = os.geteuid()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.has_processes = knows_namespaces()
        self.environment = {
            "HOME": str(folder),
            "ENROOT_DATA_PATH": str(folder / "data"),
            "ENROOT_CACHE_PATH": str(folder / "cache"),
            "ENROOT_TEMP_PATH": str(folder),
        }

    def import_tar(self, tar: Path, name: str, *changes: str) -> str:
        """A file with an image; what a job calls it. `changes` are lines of a Dockerfile, of which
        those of variables count: for the others a squashfs file has no place."""
        lines = [one.partition(" ")[2] for one in changes if one.startswith("ENV ")]
        if lines:
            write_file(tar, "etc/environment", "".join(f"{line}\n" for line in lines).encode())
        path = self.folder / f"{name.replace('/', '+')}.sqsh"
        command = ["mksquashfs", "-", str(path), "-tar", "-noappend", "-quiet", "-no-progress"]
        with tar.open("rb") as stream:
            subprocess.run(command, check=True, stdin=stream, capture_output=True)
        return str(path)

    def containers(self) -> list[str]:
        """Processes that have a file system of one of these images, by what is mounted there."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                first = (folder / "mountinfo").read_text().splitlines()[0]
            except (OSError, IndexError):
                continue
            if f"{self.folder}/data/" in first:
                found.append(folder.name)
        return found

    def unpacked(self) -> list[str]:
        """Images that lie there now."""
        data = self.folder / "data"
        return sorted(one.name for one in data.glob("[!.]*")) if data.exists() else []


@cache
def knows_namespaces() -> bool:
    """Whether it gives containers processes of their own: newer ones than 4.1.2 do."""
    program = shutil.which("enroot-nsenter", path=PATH)
    return program is not None and b"--pid" in Path(program).read_bytes()


def write_file(tar: Path, name: str, data: bytes) -> None:
    """Put a file behind what is in the tar file."""
    with tarfile.open(tar, "a") as stream:
        info = tarfile.TarInfo(name)
        info.mode, info.size = 0o644, len(data)
        stream.addfile(info, BytesIO(data))


def why_no_enroot() -> str | None:
    """None when an image that we made can be started here."""
    from quarterdeck.runner.enroot import find_enroot
    from quarterdeck.runner.means import check_user
    from quarterdeck.runner.trials import try_enroot

    if find_enroot() is None:
        return "no enroot"
    if find_busybox() is None or shutil.which("mksquashfs") is None:
        return "no static busybox or no mksquashfs to make images with"
    try:
        check_user()
        try_enroot()
    except NotEnclosed as error:
        return str(error)
    return None


@contextmanager
def opened() -> Iterator[Enroot]:
    """Folders for a while."""
    with tempfile.TemporaryDirectory(prefix="qd-enroot-", ignore_cleanup_errors=True) as folder:
        yield Enroot(Path(folder))
