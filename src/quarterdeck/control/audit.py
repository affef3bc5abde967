"""What the control plane does with the audit log: searching it, and proofs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid, NotFound
from quarterdeck.core.audit.merkle import prove_consistency, prove_inclusion, read_root
from quarterdeck.core.audit.record import parse_record

if TYPE_CHECKING:
    from quarterdeck.core.audit.record import Record
    from quarterdeck.ports.audit import AuditLog

SCAN_MAX: Final = 50_000
"""Records that one search looks at: about a third of a second. The answer says where to go on."""


@dataclass(frozen=True, slots=True)
class Search:
    """Which records are looked for; what is None is not looked at. An actor is found by id, by name
    and by on whose behalf it acted; the times are from, and before."""

    actor: str | None = None
    operation: str | None = None
    target: str | None = None
    outcome: str | None = None
    since_ns: int | None = None
    until_ns: int | None = None

    def fits(self, record: Record) -> bool:
        """Whether this is one of them."""
        actors = (record.actor_id, record.actor, record.on_behalf_of)
        return (
            (self.actor is None or self.actor in actors)
            and (self.operation is None or self.operation == record.operation)
            and (self.target is None or self.target == record.target)
            and (self.outcome is None or self.outcome == record.outcome)
            and (self.since_ns is None or record.at_ns >= self.since_ns)
            and (self.until_ns is None or record.at_ns < self.until_ns)
        )


def search(
    log: AuditLog, wanted: Search, before: int | None, limit: int
) -> tuple[list[Record], int | None]:
    """Records that fit, the newest first, and before which one to go on; None when there are no
    more. Times never decrease in the log, so one that is too old ends the search."""
    seq = end = log.size if before is None else min(before, log.size)
    found: list[Record] = []
    for line in log.read_backwards(end):
        if len(found) == limit or end - seq >= SCAN_MAX:
            return found, seq
        seq -= 1
        record = parse_record(line)
        if wanted.since_ns is not None and record.at_ns < wanted.since_ns:
            break
        if wanted.fits(record):
            found.append(record)
    return found, None


@dataclass(frozen=True, slots=True)
class Proof:
    """The hashes of a proof, and the roots that it speaks of."""

    hashes: list[bytes]
    old_root: bytes
    root: bytes


def prove_record(log: AuditLog, seq: int, size: int | None) -> tuple[int, bytes, Proof]:
    """That a record is in the tree of this size: the size, the record's line and the proof."""
    size = _size(log, size)
    if not 0 <= seq < size:
        raise NotFound(
            f"the log of {size} records has no record {seq}",
            code="unknown_record",
            field="seq",
            hint=f"records are numbered from 0 to {size - 1}" if size else "it is empty",
        )
    line = next(log.read_forwards(seq, seq + 1))
    proof = Proof(prove_inclusion(log.read_hash, seq, size), b"", read_root(log.read_hash, size))
    return size, line, proof


def prove_growth(log: AuditLog, old: int, new: int | None) -> tuple[int, Proof]:
    """That the tree of size `old` is the beginning of that of size `new`."""
    new = _size(log, new)
    if old > new:
        raise Invalid(
            f"the tree of {old} records is not older than that of {new}",
            field="from",
            hint="give the smaller size first",
        )
    read = log.read_hash
    return new, Proof(prove_consistency(read, old, new), read_root(read, old), read_root(read, new))


def _size(log: AuditLog, size: int | None) -> int:
    if size is None:
        return log.size
    if size > log.size:
        raise NotFound(
            f"the log has {log.size} records, not {size}",
            code="unknown_tree_size",
            field="size",
            hint="a log that once was longer has lost records: keep the checkpoint that says so",
        )
    return size
