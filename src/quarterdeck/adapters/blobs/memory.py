"""Blobs in memory, for tests and the simulator."""

from __future__ import annotations

import hashlib
import io
from typing import TYPE_CHECKING, BinaryIO

from quarterdeck.basics.errors import Invalid, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class MemoryBlobs:
    """A `Blobs` that forgets everything when it is dropped."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those that were never put, each once."""
        return [digest for digest in dict.fromkeys(digests) if digest not in self._blobs]

    def put(self, digest: str, chunks: Iterable[bytes]) -> None:
        """Keep the bytes if they have the digest."""
        content = b"".join(chunks)
        found = hashlib.sha256(content).hexdigest()
        if found != digest:
            raise Invalid(
                f"the bytes have digest {found}, not {digest}", field="digest", hint="send it again"
            )
        self._blobs[digest] = content

    def open(self, digest: str) -> BinaryIO:
        """The bytes."""
        try:
            return io.BytesIO(self._blobs[digest])
        except KeyError:
            raise NotFound(f"there is no blob {digest}", hint="upload it first") from None
