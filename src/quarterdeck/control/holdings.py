"""Which files somebody has shown to have, by sending them.

Files are kept once, whoever sends them. If a server said "I have that one already" to everybody,
whoever knows a file's digest would learn that somebody has it, and could have a job read it without
ever having had it. So it says so only to who has sent the file since the server was started; others
send it again, and it is kept once all the same.
"""

from __future__ import annotations

import hashlib
import threading
from typing import TYPE_CHECKING, Final

from quarterdeck.core.jobs.manifest import FILES_MAX
from quarterdeck.ports.blobs import check_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HELD_MAX: Final = 4 * FILES_MAX
"""Of all people together, about 40 MB: who has sent nothing for the longest time is forgotten."""
DIGITS: Final = 30
"""Of a digest, 120 bits: as many as nobody finds a second file for."""


class Holdings:
    """See the module. Every method may be called from any thread."""

    def __init__(self, held_max: int = HELD_MAX) -> None:
        self._held_max = held_max
        self._held: dict[str, set[int]] = {}
        self._count = 0
        self._lock = threading.Lock()

    def add(self, owner: str, digest: str) -> None:
        """Somebody has sent this file."""
        with self._lock:
            mine = self._held.pop(owner, set())
            self._count -= len(mine)
            mine.add(_key(digest))
            self._count += len(mine)
            self._held[owner] = mine
            while self._count > self._held_max:
                oldest = next(iter(self._held))
                self._count -= len(self._held.pop(oldest))

    def lacks(self, owner: str, digests: Iterable[str]) -> set[str]:
        """Those of the files that they have not sent."""
        with self._lock:
            mine = self._held.get(owner, set())
            return {digest for digest in digests if _key(digest) not in mine}


class Proof:
    """The bytes of a file on their way to be kept, which show that their sender has it: also where
    the file is here already, and nobody would look at them."""

    def __init__(self, digest: str, chunks: Iterable[bytes]) -> None:
        self._digest = digest
        self._chunks = iter(chunks)
        self._hasher = hashlib.sha256()

    def __iter__(self) -> Iterator[bytes]:
        """The bytes, looked at as they pass."""
        for chunk in self._chunks:
            self._hasher.update(chunk)
            yield chunk

    def finish(self) -> None:
        """Look at the rest. `Invalid` when the bytes do not have the digest."""
        for _ in self:
            pass
        check_digest(self._digest, self._hasher.hexdigest())


def _key(digest: str) -> int:
    return int(digest[:DIGITS], 16)
