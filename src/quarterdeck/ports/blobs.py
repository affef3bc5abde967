"""Content-addressed bytes: work folder snapshots now, more later."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Blobs(Protocol):
    """Immutable bytes named by the lower-case hex of their SHA-256.

    Putting what is there already is allowed and changes nothing. `put` raises `Invalid` when the
    bytes do not have the digest, and `Unavailable` when they cannot be kept; a blob is there whole
    (and synced) or not at all.
    """

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those that are not there, in the given order, each once."""
        ...

    def put(self, digest: str, chunks: Iterable[bytes]) -> None:
        """Keep the bytes under their digest."""
        ...

    def open(self, digest: str) -> BinaryIO:
        """The bytes, for reading; raises `NotFound`."""
        ...
