"""The stored hashes of the tree, 32 bytes each, in the order in which they became known.

They can be made anew from the records at any time, so nobody waits for them to be durable: they are
written and synced before a checkpoint is signed, and after a crash those behind the last checkpoint
are made again. Until then they are kept in memory, however full the disk is.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.audit.durable import write_at
from quarterdeck.core.audit.merkle import HASH_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

PENDING_BYTES: Final = 2**16


class StoredHashes:
    """One thread adds, any thread reads."""

    def __init__(self, path: Path) -> None:
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # How many are in the file, and the bytes of those behind them: changed together.
        self._state = (os.fstat(self._handle).st_size // HASH_BYTES, b"")

    @property
    def count(self) -> int:
        """How many there are."""
        written, pending = self._state
        return written + len(pending) // HASH_BYTES

    def read(self, number: int) -> bytes:
        """One of them. `LookupError` if it is not there."""
        written, pending = self._state
        if number < written:
            found = os.pread(self._handle, HASH_BYTES, number * HASH_BYTES)
        else:
            start = (number - written) * HASH_BYTES
            found = pending[start : start + HASH_BYTES]
        if len(found) != HASH_BYTES:
            raise LookupError(f"there is no stored hash {number}")
        return found

    def add(self, hashes: Iterable[bytes]) -> None:
        """Add the next ones; `sync` writes them at the latest."""
        written, pending = self._state
        self._state = (written, pending + b"".join(hashes))
        if len(pending) > PENDING_BYTES:
            with contextlib.suppress(OSError):
                self.flush()

    def flush(self) -> None:
        """Write what is not yet written."""
        written, pending = self._state
        write_at(self._handle, pending, written * HASH_BYTES)
        self._state = (written + len(pending) // HASH_BYTES, b"")

    def sync(self) -> None:
        """Make all of it durable."""
        self.flush()
        os.fdatasync(self._handle)

    def cut(self, count: int) -> None:
        """Keep only the first ones."""
        os.ftruncate(self._handle, count * HASH_BYTES)
        self._state = (count, b"")

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)
