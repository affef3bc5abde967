"""Find a place in a replica's log, and lines in it, without reading it into memory.

Beside the log lies `log.index`: records of (offset, time), at least one for every second in which
something was written. Logs of older runners have none, and "since" then means from the start.
"""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from quarterdeck.adapters.spool.plain import open_plain

if TYPE_CHECKING:
    from pathlib import Path

RECORD: Final = struct.Struct("<QQ")
INDEX_STEP_NS: Final = 10**9
BLOCK_BYTES: Final = 2**20
TAIL_BYTES_MAX: Final = 64 * 2**20
SEARCH_BYTES_MAX: Final = 16 * 2**20
FOUND_BYTES_MAX: Final = 2**20


class Found(NamedTuple):
    """Lines that matched, and up to where was looked."""

    lines: bytes
    next_offset: int


def find_since(folder: Path, since_ns: int) -> int:
    """The offset from which on everything was written at that time or later, and at most what was
    written in the second before it."""
    try:
        with open_plain(folder / "log") as log:
            size = os.fstat(log.fileno()).st_size
        with open_plain(folder / "log.index") as index:
            low, high = 0, os.fstat(index.fileno()).st_size // RECORD.size
            while low < high:
                middle = (low + high) // 2
                if _record(index, middle)[1] < since_ns - INDEX_STEP_NS:
                    low = middle + 1
                else:
                    high = middle
            index.seek(low * RECORD.size)
            record = index.read(RECORD.size)
    except FileNotFoundError:
        return 0
    if len(record) == RECORD.size:
        return int(RECORD.unpack(record)[0])
    # Everything is older, or there is no index of it.
    return size if low else 0


def find_tail(folder: Path, lines: int) -> int:
    """Where the last lines begin. An unfinished one counts."""
    try:
        with open_plain(folder / "log") as log:
            end = log.seek(0, os.SEEK_END)
            place, wanted = end, lines + 1 - _is_unfinished(log, end)
            while place > max(0, end - TAIL_BYTES_MAX):
                begin = max(0, place - BLOCK_BYTES)
                log.seek(begin)
                block = log.read(place - begin)
                count = block.count(b"\n")
                if count >= wanted:
                    return begin + _nth_last_line(block, wanted)
                wanted -= count
                place = begin
            return place
    except FileNotFoundError:
        return 0


def search(log: BinaryIO, offset: int, text: bytes, *, is_over: bool) -> Found:
    """Whole lines from there on that hold the text: as many as fit, of as much as may be read at
    once. The last line is waited for until it is whole, or until the log is over."""
    found: list[bytes] = []
    size, place = 0, offset
    while place < offset + SEARCH_BYTES_MAX and size < FOUND_BYTES_MAX:
        log.seek(place)
        block = log.read(BLOCK_BYTES)
        whole = block.rfind(b"\n") + 1
        if not whole:
            # A line without an end: pieces of it, overlapping so that no match is cut in two.
            is_last = len(block) < BLOCK_BYTES
            if not block or (is_last and not is_over):
                break
            if text in block:
                found.append(block)
                size += len(block)
                place += len(block)
            else:
                place += len(block) if is_last else len(block) - len(text) + 1
            continue
        matches = _matching_lines(block[:whole], text)
        found.append(matches)
        size += len(matches)
        place += whole
    return Found(b"".join(found), place)


def _record(index: BinaryIO, number: int) -> tuple[int, int]:
    index.seek(number * RECORD.size)
    offset, at_ns = RECORD.unpack(index.read(RECORD.size))
    return offset, at_ns


def _is_unfinished(log: BinaryIO, end: int) -> bool:
    if end == 0:
        return False
    log.seek(end - 1)
    return log.read(1) != b"\n"


def _nth_last_line(block: bytes, wanted: int) -> int:
    place = len(block)
    for _ in range(wanted):
        place = block.rfind(b"\n", 0, place)
    return place + 1


def _matching_lines(block: bytes, text: bytes) -> bytes:
    """By the text's places, not by lines: most blocks hold none."""
    lines = []
    place = block.find(text)
    while place >= 0:
        begin = block.rfind(b"\n", 0, place) + 1
        end = block.find(b"\n", place) + 1
        lines.append(block[begin:end])
        place = block.find(text, end)
    return b"".join(lines)
