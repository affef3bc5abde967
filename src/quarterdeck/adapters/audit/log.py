"""The audit log in files of its own: one thread writes, with one sync for all who wait.

records-N.jsonl  the records from number N on, a line each
hashes           the tree's stored hashes
checkpoint       the last signed checkpoint, a signed note
key, key.pub     the key that signs, and the one to verify with
damaged-N/       a log that was not what had been signed, as it was found

The log never waits for the job database and is not in it: who can change jobs cannot change what is
told of them. When nothing can be written, entries are counted and the count is written with the
next record; whether a request may then be served is decided by whoever asks.
"""

from __future__ import annotations

import errno
import logging
import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.audit import segments
from quarterdeck.adapters.audit.durable import write_whole
from quarterdeck.adapters.audit.hashes import StoredHashes
from quarterdeck.adapters.audit.keys import open_key
from quarterdeck.adapters.audit.recovery import (
    CHECKPOINT,
    HASHES,
    DamagedError,
    Found,
    recover,
    set_aside,
)
from quarterdeck.core.audit.checkpoint import Checkpoint
from quarterdeck.core.audit.merkle import Frontier, hash_leaf
from quarterdeck.core.audit.record import Entry, bounded, format_record
from quarterdeck.ports.audit import Ticket

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Waiting = tuple[Entry, int, Ticket]

SEGMENT_BYTES_MAX: Final = 16 * 2**20
SIGN_EVERY_S: Final = 1.0
SIGN_EVERY_RECORDS: Final = 10_000
RETRY_EVERY_S: Final = 1.0
GATHER_S: Final = 0.002
GATHER_ENOUGH: Final = 8
"""A sync costs ten times what a record does. So right after one, the next waits until this many
have come or so much time has passed, and never longer than the last sync took: on a quick disk
waiting saves nothing. Who comes alone after a pause is written at once."""
BATCH_MAX: Final = 1000
BUSY_AT: Final = 5000
SIGN_WAIT_S_MAX: Final = 5.0
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)
log = logging.getLogger(__name__)


class FileAuditLog:
    """An `AuditLog`. `make_room` is asked once when a write finds the disk full, and says whether
    trying again may help. One log per folder at a time: the home's lock sees to that."""

    def __init__(
        self,
        folder: Path,
        now_ns: Callable[[], int],
        *,
        name: str,
        make_room: Callable[[], bool] = lambda: False,
        segment_bytes_max: int = SEGMENT_BYTES_MAX,
    ) -> None:
        self._folder = folder
        self._now_ns = now_ns
        self._make_room = make_room
        self._segment_bytes_max = segment_bytes_max
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._key = open_key(folder, name)
        self._hashes, found, damage = self._open()
        self._frontier: Frontier = found.frontier
        self._last_ns = found.last_ns
        self._size = found.frontier.size
        self._signed_size = found.signed_size
        self._signed_s = monotonic()
        self._note = found.note or self._write_checkpoint()
        self._tail = segments.Tail(folder, found.first, found.tail_bytes)
        self._is_torn = False
        self._committed_s = self._sync_s = 0.0
        self._turn = threading.Condition()
        self._waiting: list[Waiting] = []
        self._missing = 0
        self._is_failing = False
        self._is_asked_to_sign = False
        self._is_closing = False
        if damage is not None:
            self.append(damage)
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    @property
    def size(self) -> int:
        """How many records are durable."""
        return self._size

    @property
    def is_failing(self) -> bool:
        """Whether the last write failed."""
        return self._is_failing

    @property
    def is_busy(self) -> bool:
        """Whether the disk is far behind."""
        return len(self._waiting) > BUSY_AT

    @property
    def key(self) -> str:
        """What is in `key.pub`."""
        return str(self._key.public)

    def append(self, entry: Entry, on_done: Callable[[Ticket], None] | None = None) -> Ticket:
        """Hand it to the thread that writes."""
        ticket = Ticket(on_done)
        with self._turn:
            if not (self._is_failing or self._is_closing):
                self._waiting.append((entry, self._now_ns(), ticket))
                if len(self._waiting) in (1, GATHER_ENOUGH):
                    self._turn.notify_all()
                return ticket
            self._missing += 1
        ticket.settle(None)
        return ticket

    def checkpoint(self) -> str:
        """Signed now, if records were added since the last one."""
        until_s = monotonic() + SIGN_WAIT_S_MAX
        with self._turn:
            wanted = self._size
            while self._signed_size < wanted and not (self._is_failing or self._is_closing):
                self._is_asked_to_sign = True
                self._turn.notify_all()
                if not self._turn.wait(until_s - monotonic()) or monotonic() > until_s:
                    break
            return self._note

    def read_forwards(self, start: int, end: int) -> Iterator[bytes]:
        """From the segments; never more than what is durable."""
        return segments.read_forwards(self._folder, start, min(end, self._size))

    def read_backwards(self, end: int) -> Iterator[bytes]:
        """From the segments; never more than what is durable."""
        return segments.read_backwards(self._folder, min(end, self._size))

    def read_hash(self, number: int) -> bytes:
        """From the file of hashes."""
        return self._hashes.read(number)

    def close(self) -> None:
        """Write what waits, sign it, and end."""
        with self._turn:
            self._is_closing = True
            self._turn.notify_all()
        self._thread.join()
        self._tail.close()
        self._hashes.close()

    def _open(self) -> tuple[StoredHashes, Found, Entry | None]:
        """The log as it was left; or a new one, and what to record of the one that was damaged."""
        hashes = StoredHashes(self._folder / HASHES)
        try:
            return hashes, recover(self._folder, self._key, hashes), None
        except DamagedError as error:
            hashes.close()
            aside = set_aside(self._folder)
            log.error(  # noqa: TRY400 - how it was found says nothing
                "the audit log is damaged: %s. It was moved to %s and a new one begins; "
                "`qd audit verify --home` will go on saying so",
                error,
                aside,
            )
            damage = Entry("audit_damaged", detail=f"{error}; what was found is in {aside.name}")
        hashes = StoredHashes(self._folder / HASHES)
        return hashes, recover(self._folder, self._key, hashes), damage

    def _run(self) -> None:
        """Until it is closed and nothing waits any more."""
        while True:
            with self._turn:
                self._turn.wait_for(self._is_turn, self._next_due_s())
                if self._waiting:
                    gather_s = self._committed_s + min(GATHER_S, self._sync_s) - monotonic()
                    self._turn.wait_for(self._is_enough, max(0.0, gather_s))
                batch, self._waiting = self._waiting[:BATCH_MAX], self._waiting[BATCH_MAX:]
                is_over = self._is_closing and not batch
            if not batch and self._is_failing and not is_over:
                told = Entry("audit_resumed", detail="the log could not be written for a time")
                batch = [(told, self._now_ns(), Ticket())]
            if batch:
                self._commit(batch)
            if is_over or self._is_asked_to_sign or self._is_due_to_sign():
                self._sign()
            if is_over:
                return

    def _is_turn(self) -> bool:
        return bool(self._waiting or self._is_closing or self._is_asked_to_sign)

    def _is_enough(self) -> bool:
        return self._is_closing or len(self._waiting) >= GATHER_ENOUGH

    def _next_due_s(self) -> float | None:
        if self._is_failing:
            return RETRY_EVERY_S
        if self._signed_size < self._size:
            return max(0.0, self._signed_s + SIGN_EVERY_S - monotonic())
        return None

    def _is_due_to_sign(self) -> bool:
        unsigned = self._size - self._signed_size
        is_late = monotonic() >= self._signed_s + SIGN_EVERY_S
        is_due = unsigned >= SIGN_EVERY_RECORDS or (unsigned > 0 and is_late)
        return is_due and not self._is_failing

    def _commit(self, batch: list[Waiting]) -> None:
        """Make the batch durable with one sync, or none of it."""
        missing, at_ns, lines = self._missing, self._last_ns, []
        for place, (entry, entry_ns, _) in enumerate(batch):
            at_ns = max(at_ns, entry_ns)
            lost = missing if place == 0 else 0
            lines.append(format_record(bounded(entry), self._size + place, at_ns, lost))
        content = b"\n".join(lines) + b"\n"
        began_s = monotonic()
        try:
            self._write(content)
        except OSError as error:
            self._fail(batch, error)
            return
        written_s = monotonic()
        self._sync_s = written_s - began_s
        self._last_ns = at_ns
        for line in lines:
            self._hashes.add(self._frontier.add(hash_leaf(line)))
        first, self._committed_s = self._size, written_s
        with self._turn:
            if self._is_failing:
                log.warning("the audit log is written again; %d entries are missing", missing)
            self._size = self._frontier.size
            self._missing -= missing
            self._is_failing = False
        for seq, (_, _, ticket) in enumerate(batch, first):
            ticket.settle(seq)

    def _write(self, content: bytes) -> None:
        try:
            self._write_once(content)
        except OSError as error:
            self._is_torn = True
            if error.errno not in _NO_ROOM or not self._make_room():
                raise
            self._write_once(content)

    def _write_once(self, content: bytes) -> None:
        if self._is_torn:
            self._tail.repair()
            self._is_torn = False
        if self._tail.size_bytes >= self._segment_bytes_max:
            full, self._tail = self._tail, segments.Tail(self._folder, self._size)
            full.close()
        self._tail.append(content)

    def _fail(self, batch: list[Waiting], error: OSError) -> None:
        """Nothing of the batch counts, nor of what waits behind it."""
        with self._turn:
            if not self._is_failing:
                log.error("the audit log cannot be written: %s; changes are refused", error)
            batch, self._waiting = batch + self._waiting, []
            # The record that would have said that it works again is no entry of anybody.
            self._missing += sum(entry.operation != "audit_resumed" for entry, _, _ in batch)
            self._is_failing = True
            self._turn.notify_all()
        for _, _, ticket in batch:
            ticket.settle(None)

    def _sign(self) -> None:
        """Sign what is durable, if that is more than was signed before."""
        self._signed_s = monotonic()
        if self._signed_size < self._size:
            try:
                note = self._write_checkpoint()
            except OSError as error:
                log.warning("no checkpoint of the audit log can be written: %s", error)
            else:
                with self._turn:
                    self._note, self._signed_size = note, self._size
        with self._turn:
            self._is_asked_to_sign = False
            self._turn.notify_all()

    def _write_checkpoint(self) -> str:
        self._hashes.sync()
        root = self._frontier.root()
        note = self._key.sign(Checkpoint(self._key.public.name, self._frontier.size, root))
        write_whole(self._folder / CHECKPOINT, note.encode(), 0o644)
        return note
