"""Blobs in memory, for tests and the simulator."""

from __future__ import annotations

import hashlib
import io
import threading
import time
from typing import TYPE_CHECKING, BinaryIO

from quarterdeck.basics.errors import NotFound
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.ports.blobs import UnusedBlob, check_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence


class MemoryBlobs:
    """A `Blobs` that forgets everything when it is dropped."""

    def __init__(self, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._blobs: dict[str, bytes] = {}
        self._used_ns: dict[str, int] = {}
        self._now_ns = now_ns
        self._lock = threading.Lock()

    def missing(self, digests: Sequence[str]) -> list[str]:
        """Those that are not there, each once."""
        with self._lock:
            wanted = dict.fromkeys(digests)
            now_ns = self._now_ns()
            self._used_ns.update((one, now_ns) for one in wanted if one in self._blobs)
            return [digest for digest in wanted if digest not in self._blobs]

    def put(self, digest: str, chunks: Iterable[bytes]) -> None:
        """Keep the bytes if they have the digest."""
        content = b"".join(chunks)
        check_digest(digest, hashlib.sha256(content).hexdigest())
        with self._lock:
            self._blobs[digest] = content
            self._used_ns[digest] = self._now_ns()

    def open(self, digest: str) -> BinaryIO:
        """The bytes."""
        try:
            return io.BytesIO(self._blobs[digest])
        except KeyError:
            raise NotFound(f"there is no blob {digest}", hint="upload it first") from None

    def list_unused(self, keep_s: float) -> Iterator[UnusedBlob]:
        """Those whose last use is longer ago than that."""
        with self._lock:
            known = list(self._used_ns.items())
        for digest, used_ns in known:
            if self._now_ns() - used_ns > keep_s * NS_PER_S:
                yield UnusedBlob(digest, len(self._blobs[digest]), used_ns)

    def drop_unused(self, digest: str, keep_s: float) -> bool:
        """Delete it, unless it was used within that time."""
        with self._lock:
            used_ns = self._used_ns.get(digest)
            if used_ns is None or self._now_ns() - used_ns <= keep_s * NS_PER_S:
                return False
            del self._blobs[digest], self._used_ns[digest]
            return True
