"""Content-addressed bytes: work folder snapshots now, more later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Protocol

from quarterdeck.basics.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class UnusedBlob:
    """A blob that nobody has asked for in a while."""

    digest: str
    size_bytes: int
    used_ns: int


def check_digest(wanted: str, found: str) -> None:
    """Refuse bytes that are others than was said."""
    if found != wanted:
        raise Invalid(
            f"the bytes have digest {found}, not {wanted}",
            field="digest",
            hint="the file changed while it was sent: send it again",
        )


class Blobs(Protocol):
    """Immutable bytes named by the lower-case hex of their SHA-256.

    Putting what is there already is allowed and changes nothing. `put` raises `Invalid` when the
    bytes do not have the digest, and `Unavailable` when they cannot be kept; a blob is there whole
    (and synced) or not at all.

    Each has a time of last use, by the store's own clock: when it was put, or when `missing` last
    found it. To find one and to set its time is one step, and so is to delete an unused one.
    """

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those that are not there, in the given order, each once. The others are in use now."""
        ...

    def put(self, digest: str, chunks: Iterable[bytes]) -> None:
        """Keep the bytes under their digest."""
        ...

    def open(self, digest: str) -> BinaryIO:
        """The bytes, for reading; raises `NotFound`."""
        ...

    def list_unused(self, keep_s: float) -> Iterator[UnusedBlob]:
        """Those whose last use is longer ago than that."""
        ...

    def drop_unused(self, digest: str, keep_s: float) -> bool:
        """Delete it, unless it was used within that time; says whether it was deleted."""
        ...
