"""The files of a log, read by who only wants to verify them: no server is needed, nothing changes.

Two layouts are known: a server's own folder, and an exported one, which has all records in one file
`records.jsonl`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.audit.hashes import StoredHashes
from quarterdeck.adapters.audit.keys import is_signed_by
from quarterdeck.adapters.audit.recovery import CHECKPOINT, DAMAGED, HASHES
from quarterdeck.adapters.audit.segments import list_segments, segment_path
from quarterdeck.basics.errors import Invalid, NotFound
from quarterdeck.core.audit.checkpoint import Checkpoint, PublicKey, open_checkpoint, parse_key
from quarterdeck.core.audit.examine import Examination
from quarterdeck.core.audit.merkle import hash_leaf, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

EXPORTED: Final = "records.jsonl"


def open_note(note: str, key: PublicKey) -> Checkpoint:
    """The checkpoint of a signed note; `Invalid` if this key has not signed it."""
    return open_checkpoint(note, key, lambda text, signature: is_signed_by(key, text, signature))


def examine_folder(
    folder: Path, key_text: str | None = None, older_notes: Sequence[str] = ()
) -> tuple[Examination, Checkpoint | None]:
    """Read a whole log against its checkpoint and against older ones; and its checkpoint, if that
    could be opened. Without a key the folder's own is taken."""
    key = parse_key(key_text if key_text is not None else _read(folder / "key.pub"))
    notes = [_read(folder / CHECKPOINT), *older_notes]
    findings: list[str] = []
    checkpoints: list[Checkpoint] = []
    for note in notes:
        try:
            checkpoints.append(open_note(note, key))
        except Invalid as error:
            findings.append(error.message)
    examination = Examination(checkpoints)
    for finding in findings:
        examination.tell(finding)
    for aside in sorted(folder.glob(f"{DAMAGED}*")):
        examination.tell(f"a log before this one was damaged; it is kept in {aside.name}")
    exported = folder / EXPORTED
    if exported.exists():
        with exported.open("rb") as stream:
            for line in stream:
                examination.read(line.removesuffix(b"\n"))
    else:
        _read_segments(folder, examination)
    examination.end()
    return examination, checkpoints[0] if checkpoints and not findings else None


def _read_segments(folder: Path, examination: Examination) -> None:
    """A server's own files. Where a record does not have the hash that was stored when it was
    written, it can be named."""
    hashes = StoredHashes(folder / HASHES) if (folder / HASHES).exists() else None
    for line in _lines_of(folder, examination):
        number = place_of(0, examination.size)
        if hashes is not None and number < hashes.count and hashes.read(number) != hash_leaf(line):
            examination.tell(f"record {examination.size} is not the one that was written there")
        examination.read(line)
    if hashes is not None:
        hashes.close()


def _lines_of(folder: Path, examination: Examination) -> Iterator[bytes]:
    firsts = list_segments(folder)
    for first in firsts:
        if first != examination.size:
            examination.tell(f"the segment of record {first} begins at place {examination.size}")
        with segment_path(folder, first).open("rb") as stream:
            for line in stream:
                # A server may be writing its last line just now.
                if line.endswith(b"\n") or first != firsts[-1]:
                    yield line.removesuffix(b"\n")


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError as error:
        raise NotFound(
            f"there is no audit log in {path.parent}: {path.name}: {error.strerror}",
            code="no_audit_log",
            hint="give the folder of an export, or --home for a server's files",
        ) from None
