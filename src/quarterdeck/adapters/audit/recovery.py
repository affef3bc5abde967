"""What is found in a log's folder at the start, after any crash.

What a crash can leave behind is mended: a torn last line, lines that were not yet durable, hashes
that are missing. What it cannot leave behind is damage: fewer records than the last checkpoint was
signed over, records that do not hash to it, a checkpoint that is missing or not signed by the key.
A damaged log is never written again. All of it is moved into a folder `damaged-N`, as evidence, and
a new log begins, whose first record says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.audit.durable import sync_folder
from quarterdeck.adapters.audit.hashes import StoredHashes
from quarterdeck.adapters.audit.keys import SigningKey, is_signed_by
from quarterdeck.adapters.audit.segments import list_segments, read_backwards, segment_path
from quarterdeck.basics.errors import Invalid
from quarterdeck.core.audit.checkpoint import Checkpoint, open_checkpoint
from quarterdeck.core.audit.merkle import (
    Frontier,
    count_stored,
    hash_leaf,
    read_frontier,
    read_root,
)
from quarterdeck.core.audit.record import parse_record

if TYPE_CHECKING:
    from pathlib import Path

CHECKPOINT: Final = "checkpoint"
HASHES: Final = "hashes"
DAMAGED: Final = "damaged-"


class DamagedError(Exception):
    """The log is not what was signed; the text says in which way."""


@dataclass(frozen=True, slots=True)
class Found:
    """A log that is whole, and where it goes on: the last segment's first record and the bytes of
    it that count; `note` is the last checkpoint, empty for a log that never had one."""

    frontier: Frontier
    last_ns: int
    first: int
    tail_bytes: int
    note: str
    signed_size: int


def recover(folder: Path, key: SigningKey, hashes: StoredHashes) -> Found:
    """Make the hashes fit the records again, and say where the log goes on."""
    firsts = list_segments(folder)
    note, signed = _last_checkpoint(folder, key, is_new=not firsts)
    frontier = _known_tree(hashes, signed)
    hashes.cut(count_stored(frontier.size))
    tail_bytes = there = 0
    for place, first in enumerate(firsts):
        is_last = place == len(firsts) - 1
        if not is_last and firsts[place + 1] <= frontier.size:
            continue
        if first > frontier.size:
            raise DamagedError(f"records {frontier.size} to {first - 1} are gone")
        content = segment_path(folder, first).read_bytes()
        tail_bytes, there = _read_segment(content, first, frontier, hashes)
        if not is_last and (tail_bytes < len(content) or firsts[place + 1] != frontier.size):
            raise DamagedError(f"the segment of record {first} does not end where it should")
        _check_root(hashes, frontier, signed)
        if b"\n" in content[tail_bytes:]:
            # More than a line that was being written: a crash may do that, but so may somebody.
            (folder / f"cut-{frontier.size}").write_bytes(content[tail_bytes:])
    # The hashes may know of more records than there are.
    if there < max(frontier.size, signed.size):
        raise DamagedError(f"{signed.size} records were signed, {there} are there")
    first, last_ns = (firsts[-1] if firsts else 0), _last_stamp(folder, frontier.size)
    return Found(frontier, last_ns, first, tail_bytes, note, signed.size)


def set_aside(folder: Path) -> Path:
    """Move a damaged log into a folder of its own; the key stays, so that who remembers one of its
    checkpoints sees that the new log contradicts it."""
    number = 1
    while (aside := folder / f"{DAMAGED}{number}").exists():
        number += 1
    aside.mkdir(mode=0o700)
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.name not in ("key", "key.pub"):
            path.rename(aside / path.name)
    (aside / "key.pub").write_bytes((folder / "key.pub").read_bytes())
    sync_folder(aside)
    sync_folder(folder)
    return aside


def _last_checkpoint(folder: Path, key: SigningKey, *, is_new: bool) -> tuple[str, Checkpoint]:
    """The checkpoint and its note. One is signed before the first record is taken."""
    path = folder / CHECKPOINT
    if not path.exists():
        if not is_new:
            raise DamagedError("the last checkpoint is gone")
        return "", Checkpoint(key.public.name, 0, Frontier().root())
    note = path.read_text("utf-8", "replace")
    try:
        signed = open_checkpoint(
            note, key.public, lambda text, signature: is_signed_by(key.public, text, signature)
        )
    except Invalid as error:
        raise DamagedError(error.message) from None
    return note, signed


def _known_tree(hashes: StoredHashes, signed: Checkpoint) -> Frontier:
    """The tree as it was signed, if the stored hashes still say so; otherwise an empty one."""
    try:
        if read_root(hashes.read, signed.size) == signed.root:
            return read_frontier(hashes.read, signed.size)
    except LookupError:
        pass
    return Frontier()


def _read_segment(
    content: bytes, first: int, frontier: Frontier, hashes: StoredHashes
) -> tuple[int, int]:
    """Add the hashes of records that have none yet, up to the first line that is not whole; the
    bytes of all whole ones, and the number of the record behind them. Records that are in the tree
    already are only counted."""
    end = 0
    seq = first
    while (stop := content.find(b"\n", end)) >= 0:
        if seq >= frontier.size:
            line = content[end:stop]
            if not _is_record(line, seq):
                break
            hashes.add(frontier.add(hash_leaf(line)))
        end, seq = stop + 1, seq + 1
    return end, seq


def _is_record(line: bytes, seq: int) -> bool:
    try:
        return parse_record(line).seq == seq
    except Invalid:
        return False


def _last_stamp(folder: Path, size: int) -> int:
    """When the last record was written: no later one may say that it was earlier."""
    for line in read_backwards(folder, size):
        try:
            return parse_record(line).at_ns
        except Invalid:
            raise DamagedError(f"record {size - 1} was changed") from None
    return 0


def _check_root(hashes: StoredHashes, frontier: Frontier, signed: Checkpoint) -> None:
    if frontier.size >= signed.size and read_root(hashes.read, signed.size) != signed.root:
        raise DamagedError(f"the first {signed.size} records are not those that were signed")
