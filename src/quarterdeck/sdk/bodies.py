"""The bytes of a file on their way out, checked against the digest under which they are sent."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.sdk.calls import FileBody

CHUNK_BYTES: Final = 256 * 1024


def read_checked(body: FileBody) -> Iterator[bytes]:
    """The file's bytes. The last of them are held back until all are known to be the right ones, so
    a file that changed since its digest was taken is never sent whole."""
    digest, left_bytes = hashlib.sha256(), body.size_bytes
    try:
        with body.path.open("rb") as file:
            while left_bytes > 0:
                chunk = file.read(min(CHUNK_BYTES, left_bytes))
                digest.update(chunk)
                left_bytes -= len(chunk)
                if not chunk or (left_bytes == 0 and digest.hexdigest() != body.digest):
                    raise changed(body.name)
                yield chunk
    except OSError as error:
        raise changed(body.name) from error


def changed(name: str) -> Conflict:
    """The error for a file that is not what it was when the folder was read."""
    return Conflict(
        f"{name} changed while the work folder was being read",
        code="workdir_changed",
        hint="wait until nothing writes to it, or leave it out with a .qdignore file",
    )
