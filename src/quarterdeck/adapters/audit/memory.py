"""An audit log in memory, for tests and for whoever needs one that leaves nothing behind."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quarterdeck.adapters.audit.keys import SigningKey
from quarterdeck.core.audit.checkpoint import Checkpoint
from quarterdeck.core.audit.merkle import Frontier, hash_leaf
from quarterdeck.core.audit.record import bounded, format_record
from quarterdeck.ports.audit import Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quarterdeck.core.audit.record import Entry


class MemoryAuditLog:
    """An `AuditLog`. It can be told to fail, as a full disk would make it."""

    def __init__(self, now_ns: Callable[[], int], name: str = "quarterdeck.audit/memory") -> None:
        self._now_ns = now_ns
        self._key = SigningKey(name, Ed25519PrivateKey.generate())
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._hashes: list[bytes] = []
        self._frontier = Frontier()
        self._last_ns = 0
        self._missing = 0
        self._is_failing = False
        self._signed = Checkpoint(name, 0, self._frontier.root())

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self._lines)

    @property
    def is_failing(self) -> bool:
        """As it was told to be."""
        return self._is_failing

    @property
    def is_busy(self) -> bool:
        """It never is."""
        return False

    @property
    def key(self) -> str:
        """Made anew with each log."""
        return str(self._key.public)

    def fail(self, *, is_failing: bool) -> None:
        """Write nothing from now on, or write again."""
        self._is_failing = is_failing

    def append(self, entry: Entry, on_done: Callable[[Ticket], None] | None = None) -> Ticket:
        """It is as durable as it will ever be when this returns."""
        ticket = Ticket(on_done)
        with self._lock:
            if self._is_failing:
                self._missing += 1
                seq = None
            else:
                seq = len(self._lines)
                self._last_ns = max(self._last_ns, self._now_ns())
                line = format_record(bounded(entry), seq, self._last_ns, self._missing)
                self._hashes += self._frontier.add(hash_leaf(line))
                self._lines.append(line)
                self._missing = 0
        ticket.settle(seq)
        return ticket

    def checkpoint(self) -> str:
        """Over all of it."""
        with self._lock:
            if not self._is_failing:
                self._signed = Checkpoint(
                    self._key.public.name, self._frontier.size, self._frontier.root()
                )
            return self._key.sign(self._signed)

    def read_forwards(self, start: int, end: int) -> Iterator[bytes]:
        """In the order in which they came."""
        yield from self._lines[start:end]

    def read_backwards(self, end: int) -> Iterator[bytes]:
        """The newest first."""
        yield from reversed(self._lines[:end])

    def read_hash(self, number: int) -> bytes:
        """From the list of them."""
        return self._hashes[number]
