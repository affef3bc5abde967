"""The audit log: who asked for what, and what came of it; it cannot be changed unseen."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Protocol

from quarterdeck.basics.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quarterdeck.core.audit.record import Entry


class Ticket:
    """What one gets for an entry: whether, and under which number, it has become durable.

    `on_done` is called once, in a thread of the log's; it must be quick.
    """

    __slots__ = ("_gate", "_on_done", "_seq")

    def __init__(self, on_done: Callable[[Ticket], None] | None = None) -> None:
        self._gate = threading.Lock()
        self._gate.acquire()
        self._on_done = on_done
        self._seq: int | None = None

    def settle(self, seq: int | None) -> None:
        """For the log: the record's number, or None when it could not be written."""
        self._seq = seq
        self._gate.release()
        if self._on_done is not None:
            self._on_done(self)

    @property
    def is_done(self) -> bool:
        """Whether `wait` would answer at once."""
        return not self._gate.locked()

    def wait(self, timeout_s: float = -1) -> int:
        """The record's number, once a crash cannot take it away; `Unavailable` when it could not
        be written, or not within the time."""
        if not self._gate.acquire(timeout=timeout_s):
            raise audit_unavailable("it took too long")
        self._gate.release()
        if self._seq is None:
            raise audit_unavailable("it could not be written")
        return self._seq


class AuditLog(Protocol):
    """An append-only log. Any thread may call any of it."""

    @property
    def size(self) -> int:
        """How many records are durable; they have the numbers below it."""
        ...

    @property
    def is_failing(self) -> bool:
        """Whether nothing can be written now. It ends by itself."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether so much waits to be written that whoever adds more should wait for it."""
        ...

    @property
    def key(self) -> str:
        """The public key of its checkpoints, as a signed note's verifier key."""
        ...

    def append(self, entry: Entry, on_done: Callable[[Ticket], None] | None = None) -> Ticket:
        """Record it. Does not wait; while the log is failing the ticket says so at once, and the
        next record that can be written counts the entry as missing."""
        ...

    def checkpoint(self) -> str:
        """A signed note over every durable record; an older one while the log is failing. What was
        handed out once is never contradicted by this log again."""
        ...

    def read_forwards(self, start: int, end: int) -> Iterator[bytes]:
        """The lines of the records from `start` to before `end`, as they were hashed."""
        ...

    def read_backwards(self, end: int) -> Iterator[bytes]:
        """The lines of the records before `end`, the newest first."""
        ...

    def read_hash(self, number: int) -> bytes:
        """A stored hash of the tree, numbered as `core.audit.merkle` numbers them."""
        ...


def audit_unavailable(reason: str) -> Unavailable:
    """The error of a request that may not be served because it would leave no trace."""
    return Unavailable(
        f"the audit log took no record of this: {reason}",
        code="audit_unavailable",
        hint="nothing is changed unrecorded; retry later. Is the disk of the server's home full?",
    )
