"""The records' files: lines in segments, each named by the number of its first record.

Only the last segment grows. What was written to it and not synced is cut off after a crash, and
after a write that failed before anything else is written; so no other segment ever has a torn line.
"""

from __future__ import annotations

import os
import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from quarterdeck.adapters.audit.durable import sync_folder, write_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME: Final = re.compile(r"records-([0-9]{16})\.jsonl", re.ASCII)


def segment_path(folder: Path, first: int) -> Path:
    """The file whose first record has this number."""
    return folder / f"records-{first:016d}.jsonl"


def list_segments(folder: Path) -> list[int]:
    """The numbers of the first records of all segments, in order."""
    names = os.listdir(folder)  # noqa: PTH208 - names are all it needs
    return sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))


class Tail:
    """The segment that grows, from a size on that is known to be durable."""

    def __init__(self, folder: Path, first: int, size_bytes: int = 0) -> None:
        self.first = first
        self.size_bytes = size_bytes
        path = segment_path(folder, first)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            self.repair()
            sync_folder(folder)
        except BaseException:
            os.close(self._handle)
            raise

    def append(self, lines: bytes) -> None:
        """Write them and wait until they are durable. After an `OSError` none of them counts, and
        `repair` has to succeed before anything else is written."""
        write_at(self._handle, lines, self.size_bytes)
        os.fdatasync(self._handle)
        self.size_bytes += len(lines)

    def repair(self) -> None:
        """Cut off what is not known to be durable."""
        os.ftruncate(self._handle, self.size_bytes)
        os.fsync(self._handle)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._handle)


def read_forwards(folder: Path, start: int, end: int) -> Iterator[bytes]:
    """The lines of records from `start` to before `end`."""
    firsts = list_segments(folder)
    for first in firsts[max(0, bisect_right(firsts, start) - 1) :]:
        if first >= end:
            return
        with segment_path(folder, first).open("rb") as stream:
            for seq, line in enumerate(stream, first):
                if seq >= end:
                    return
                if seq >= start:
                    yield line.removesuffix(b"\n")


def read_backwards(folder: Path, end: int) -> Iterator[bytes]:
    """The lines of records before `end`, the newest first."""
    for first in reversed(list_segments(folder)):
        if first < end:
            lines = segment_path(folder, first).read_bytes().split(b"\n")
            # Of the segment that grows, what is not durable yet is left out.
            yield from reversed(lines[: min(end - first, len(lines) - 1)])
            end = first
