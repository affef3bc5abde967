"""Blobs as files: `<root>/<first two hex digits>/<digest>`, each written once and synced.

A blob is written under another name, checked, synced and renamed, so that a file under its digest
is always whole; what a crash leaves behind lies in `<root>/incoming` and is cleared at the start.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from quarterdeck.basics.errors import Invalid, NotFound, Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


class FilesystemBlobs:
    """A `Blobs` on a local file system; one server at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._incoming = root / "incoming"
        shutil.rmtree(self._incoming, ignore_errors=True)
        self._incoming.mkdir(parents=True)

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those without a file, each once."""
        return [digest for digest in dict.fromkeys(digests) if not self._path(digest).exists()]

    def put(self, digest: str, chunks: Iterable[bytes]) -> None:
        """Write, check, sync, rename."""
        path = self._path(digest)
        if path.exists():
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
                _check(digest, hasher.hexdigest())
                with _disk_of(digest):
                    os.fsync(stream.fileno())
            with _disk_of(digest):
                path.parent.mkdir(exist_ok=True)
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

    def _path(self, digest: str) -> Path:
        return self.root / digest[:2] / digest


def _check(digest: str, found: str) -> None:
    if found != digest:
        raise Invalid(
            f"the bytes have digest {found}, not {digest}",
            field="digest",
            hint="the file changed while it was sent: send it again",
        )


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
