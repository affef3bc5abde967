"""An archive of jobs: one gzip file a month, one JSON line a job.

Each append is a gzip member of its own, which `zcat` reads as one text. A crash in the middle of an
append leaves a torn member at the end, and what follows one cannot be read; so before the first
append to a file it is read through and cut after its last whole member. Nothing is lost by that:
jobs leave the store only after their member was synced.
"""

from __future__ import annotations

import gzip
import os
import zlib
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import msgspec

from quarterdeck.basics.errors import Unavailable
from quarterdeck.basics.times import NS_PER_S, to_iso

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from quarterdeck.ports.keeping import ArchivedJob

READ_BYTES: Final = 1 << 20
GZIP_WINDOW: Final = zlib.MAX_WBITS | 16

_encoder = msgspec.json.Encoder()


class _Times(msgspec.Struct):
    submitted_at_ns: int
    ended_at_ns: int | None = None


class _Archived(msgspec.Struct):
    """As much of a line as is of interest here."""

    job: _Times


_TORN: Final = (EOFError, OSError, zlib.error)
_archived = msgspec.json.Decoder(_Archived)


class JsonlArchive:
    """An `Archive` in a folder. One server at a time, one thread at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._checked: set[Path] = set()

    def append(self, jobs: Sequence[ArchivedJob]) -> None:
        """Add each to the file of the month in which it ended, then sync."""
        by_month: dict[str, list[ArchivedJob]] = {}
        for one in jobs:
            by_month.setdefault(_month_of(one), []).append(one)
        try:
            self._root.mkdir(mode=0o700, exist_ok=True)
            for month, ended in sorted(by_month.items()):
                self._append(self._root / f"jobs-{month}.jsonl.gz", b"".join(map(_line, ended)))
        except OSError as error:
            raise Unavailable(
                f"jobs were not archived, and are kept: {error}", hint="look at the home's disk"
            ) from error

    def _append(self, path: Path, lines: bytes) -> None:
        packer = zlib.compressobj(wbits=GZIP_WINDOW)
        member = memoryview(packer.compress(lines) + packer.flush())
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if path not in self._checked:
                os.ftruncate(handle, find_end(path))
            end = os.lseek(handle, 0, os.SEEK_END)
            self._checked.discard(path)
            while member:
                member = member[os.pwrite(handle, member, end) :]
                end = os.lseek(handle, 0, os.SEEK_END)
            os.fsync(handle)
            self._checked.add(path)
        finally:
            os.close(handle)
        _sync_folder(self._root)


def list_spans(root: Path) -> Iterator[tuple[int, int]]:
    """Of every archived job when it was submitted and when it ended, in nanoseconds; a member that
    a crash has torn is passed over."""
    for path in sorted(root.glob("jobs-*.jsonl.gz")):
        with path.open("rb") as file, gzip.open(file) as stream, suppress(*_TORN):
            for line in stream:
                times = _archived.decode(line).job
                yield times.submitted_at_ns, times.ended_at_ns or times.submitted_at_ns


def find_end(path: Path) -> int:
    """Where the last whole gzip member of a file ends."""
    end = read = 0
    unpacker = zlib.decompressobj(wbits=GZIP_WINDOW)
    with path.open("rb") as stream:
        while chunk := stream.read(READ_BYTES):
            read += len(chunk)
            while chunk:
                try:
                    unpacker.decompress(chunk)
                except zlib.error:
                    return end
                chunk = unpacker.unused_data
                if unpacker.eof:
                    end = read - len(chunk)
                    unpacker = zlib.decompressobj(wbits=GZIP_WINDOW)
    return end


def _line(one: ArchivedJob) -> bytes:
    events = [
        {
            "seq": record.seq,
            "revision": record.revision,
            "kind": type(record.event).__name__,
            "event": record.event,
        }
        for record in one.records
    ]
    content = {"job_id": one.job.id, "ended_at": _ended_at(one), "job": one.job, "events": events}
    return _encoder.encode(content) + b"\n"


def _ended_at(one: ArchivedJob) -> str:
    return to_iso(one.job.ended_at_ns or one.job.submitted_at_ns)


def _month_of(one: ArchivedJob) -> str:
    at_ns = one.job.ended_at_ns or one.job.submitted_at_ns
    return datetime.fromtimestamp(at_ns // NS_PER_S, UTC).strftime("%Y-%m")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
