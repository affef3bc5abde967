"""Small file systems of their own for tests that fill a disk."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

FILL_BYTES = 1 << 20


@contextmanager
def mounted(size_mib: int) -> Iterator[Path]:
    """An ext4 in a file, or a file system in memory where there are no loop devices. No block of it
    is kept back for root."""
    folder = Path(tempfile.mkdtemp(prefix="qd-mount-"))
    point = folder / "mnt"
    point.mkdir()
    try:
        if not _mount_ext4(folder / "image", point, size_mib):
            _run("mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=700", "none", str(point))
        try:
            yield point
        finally:
            _run("umount", "--lazy", str(point))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fill(path: Path) -> None:
    """Write to the file until not one block is free any more."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    size_bytes = FILL_BYTES
    try:
        while size_bytes:
            try:
                if os.write(handle, b"\1" * size_bytes) < size_bytes:
                    size_bytes //= 2
                os.fsync(handle)
            except OSError:
                size_bytes //= 2
    finally:
        os.close(handle)


def _mount_ext4(image: Path, point: Path, size_mib: int) -> bool:
    if size_mib < 8 or shutil.which("mkfs.ext4") is None:
        return False
    with image.open("wb") as stream:
        stream.truncate(size_mib << 20)
    try:
        _run("mkfs.ext4", "-q", "-m", "0", str(image))
        _run("mount", "-o", "loop", str(image), str(point))
    except subprocess.CalledProcessError:
        image.unlink()
        return False
    return True


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
