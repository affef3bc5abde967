"""Blobs as files: `<root>/<first two hex digits>/<digest>`, each written once and synced.

A blob is written under another name, checked, synced and renamed, so that a file under its digest
is always whole; what a crash leaves behind lies in `<root>/incoming` and is cleared at the start.
A file's time of modification is the time of its last use: its bytes never change.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
import threading
import time
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final

from quarterdeck.basics.errors import NotFound, Unavailable
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.ports.blobs import UnusedBlob, check_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

TOUCH_S: Final = 60.0


class FilesystemBlobs:
    """A `Blobs` on a local file system; one server at a time."""

    def __init__(self, root: Path, now_ns: Callable[[], int] = time.time_ns) -> None:
        self.root = root
        self._now_ns = now_ns
        self._lock = threading.Lock()
        self._incoming = root / "incoming"
        shutil.rmtree(self._incoming, ignore_errors=True)
        self._incoming.mkdir(parents=True)

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those without a file, each once; the files of the others are touched."""
        return [digest for digest in dict.fromkeys(digests) if not self._use(digest)]

    def put(self, digest: str, chunks: Iterable[bytes]) -> None:
        """Write, check, sync, rename."""
        path = self._path(digest)
        if self._use(digest):
            return
        with _disk_of(digest):
            handle, name = tempfile.mkstemp(dir=self._incoming)
        try:
            with os.fdopen(handle, "wb", buffering=0) as stream:
                hasher = hashlib.sha256()
                for chunk in chunks:
                    hasher.update(chunk)
                    with _disk_of(digest):
                        _write_whole(stream, chunk)
                check_digest(digest, hasher.hexdigest())
                with _disk_of(digest):
                    os.fsync(stream.fileno())
            with _disk_of(digest):
                path.parent.mkdir(exist_ok=True)
                os.utime(name, ns=(self._now_ns(),) * 2)
                Path(name).rename(path)
                _sync_folder(path.parent)
        finally:
            Path(name).unlink(missing_ok=True)

    def open(self, digest: str) -> BinaryIO:
        """The file."""
        try:
            return self._path(digest).open("rb")
        except FileNotFoundError:
            raise NotFound(f"there is no blob {digest}", hint="upload it first") from None

    def list_unused(self, keep_s: float) -> Iterator[UnusedBlob]:
        """Those whose last use is longer ago than that."""
        for folder in sorted(self.root.glob("[0-9a-f][0-9a-f]")):
            with os.scandir(folder) as entries:
                for entry in entries:
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if self._is_unused(status.st_mtime_ns, keep_s):
                        size_bytes = status.st_blocks * 512
                        yield UnusedBlob(entry.name, size_bytes, status.st_mtime_ns)

    def drop_unused(self, digest: str, keep_s: float) -> bool:
        """Delete its file, unless it was used within that time."""
        path = self._path(digest)
        with self._lock:
            try:
                if not self._is_unused(path.stat().st_mtime_ns, keep_s):
                    return False
                path.unlink()
            except FileNotFoundError:
                return False
        return True

    def _is_unused(self, used_ns: int, keep_s: float) -> bool:
        return self._now_ns() - used_ns > keep_s * NS_PER_S

    def _use(self, digest: str) -> bool:
        """Whether it is there; then it is in use now. The lock makes one step of the two. A time
        that is a moment old is left as it is: setting it is a write."""
        path = self._path(digest)
        with self._lock:
            try:
                used_ns = path.stat().st_mtime_ns
            except FileNotFoundError:
                return False
            if not 0 <= self._now_ns() - used_ns < TOUCH_S * NS_PER_S:
                with _disk_of(digest):
                    os.utime(path, ns=(self._now_ns(),) * 2)
        return True

    def _path(self, digest: str) -> Path:
        return self.root / digest[:2] / digest


def _write_whole(stream: FileIO, chunk: bytes) -> None:
    left = memoryview(chunk)
    while left:
        left = left[stream.write(left) :]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _disk_of(digest: str) -> Iterator[None]:
    """Errors of our disk, told apart from those of whoever sends the bytes."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Unavailable(
                f"blob {digest} was not kept: the server's disk is full",
                code="disk_full",
                hint="free some space where QD_HOME is, then try again",
            ) from error
        raise Unavailable(
            f"blob {digest} was not kept: {error}", hint="look at the server's disk"
        ) from error
