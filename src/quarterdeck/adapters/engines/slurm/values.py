"""Slurm's small words: instants, spans, sizes, hostlists, GRES and TRES. Pure; never an error.

What cannot be understood is None, zero or empty, because one odd value of one job is no reason to
lose sight of the others. squeue(1), scontrol(1), gres.conf(5); slurm.conf(5) under
AccountingStorageTRES.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from quarterdeck.adapters.engines.slurm.records import Gres
from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.hostlist import expand_hostlist

NOTHING: Final = frozenset(
    {"", "(null)", "n/a", "none", "unknown", "none assigned", "not_set", "invalid", "null"}
)
"""How Slurm says that there is no value, in small letters."""
NUMBER_DIGITS_MAX: Final = 15
INDICES_MAX: Final = 4096
_SPAN: Final = re.compile(r"(?:([0-9]{1,6})-)?([0-9]{1,9})(?::([0-9]{1,2}))?(?::([0-9]{1,2}))?")
_SIZE: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,9}))?([KMGTP]?)[A-Za-z]?", re.IGNORECASE)
_UNITS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4, "P": 5}
_MIB: Final = 1 << 20
_IN_BRACKETS: Final = re.compile(r"\(([^()]*)\)")
_RANGE: Final = re.compile(r"([0-9]{1,6})(?:-([0-9]{1,6}))?")


def text_or_empty(text: str) -> str:
    """The text, or empty where Slurm says that there is none."""
    return "" if text.lower() in NOTHING else text


def parse_count(text: str) -> int:
    """A plain number that is not below zero; 0 for anything else."""
    if text.isdecimal() and text.isascii() and len(text) <= NUMBER_DIGITS_MAX:
        return int(text)
    return 0


@lru_cache(maxsize=4096)
def parse_instant_s(text: str) -> int | None:
    """Seconds since the epoch: SLURM_TIME_FORMAT=%s, or ISO 8601 without a zone, which is UTC
    here because the commands run with TZ=UTC."""
    if text.isdecimal() and text.isascii() and len(text) <= NUMBER_DIGITS_MAX:
        return int(text) or None
    if len(text) == 19 and text[4] == "-":
        try:
            return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())
        except ValueError:
            return None
    return None


@lru_cache(maxsize=1024)
def parse_span_s(text: str) -> int | None:
    """`1-02:03:04`, `02:03:04`, `03:04`; a single number is minutes. None for UNLIMITED."""
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    days, first, second, third = match.groups()
    numbers = [int(part) for part in (first, second, third) if part is not None]
    if days is not None:
        hours, minutes, seconds = [*numbers, 0, 0][:3]
        return int(days) * 86400 + hours * 3600 + minutes * 60 + seconds
    if len(numbers) == 3:
        return numbers[0] * 3600 + numbers[1] * 60 + numbers[2]
    return numbers[0] * 60 + (numbers[1] if len(numbers) == 2 else 0)


def parse_size(text: str, *, unit: int = 1) -> int:
    """A number with a binary suffix, `500000M`, `1.5T`, `2000Mc`; `unit` where there is none."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return 0
    whole, part, suffix = match[1], match[2] or "", match[3].upper()
    scale = 1 << (10 * _UNITS[suffix]) if suffix else unit
    return int(whole) * scale + (int(part) * scale // 10 ** len(part) if part else 0)


@lru_cache(maxsize=16384)
def parse_hosts(text: str) -> tuple[str, ...]:
    """The names of a hostlist; none where it is none."""
    if text.lower() in NOTHING:
        return ()
    try:
        return expand_hostlist(text)
    except Invalid:
        return ()


@lru_cache(maxsize=4096)
def parse_tres(text: str) -> Mapping[str, int]:
    """`cpu=8,mem=64000M,node=1,gres/gpu=4,gres/gpu:h100=4` as numbers, memory in bytes."""
    found: dict[str, int] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if equals and name and "=" not in value:
            is_memory = name in ("mem", "vmem")
            found[name] = parse_size(value, unit=_MIB if is_memory else 1)
    return MappingProxyType(found)


@lru_cache(maxsize=4096)
def parse_gres(text: str) -> tuple[Gres, ...]:
    """`gpu:h100:8(S:0-1)`, `gpu:2(IDX:0,3-5)`, `gres:gpu:4`, `gres/gpu:h100=8`, any in a row."""
    if text.lower() in NOTHING:
        return ()
    return tuple(gres for part in _split(text) if (gres := _parse_one(part)) is not None)


def parse_exit(text: str) -> tuple[int, int]:
    """Exit code and signal: `3:0`, or the number that wait(2) gives (squeue's exit_code)."""
    code, colon, signal = text.partition(":")
    if colon:
        return parse_count(code), parse_count(signal)
    status = parse_count(code)
    return status >> 8 & 0xFF, status & 0x7F


def parse_names(text: str) -> tuple[str, ...]:
    """Names between commas; none where all are meant or none is."""
    if text.lower() in NOTHING or text in ("ALL", "ANY"):
        return ()
    return tuple(name for part in text.split(",") if (name := part.strip()))


def _split(text: str) -> list[str]:
    """At the commas that are not in brackets."""
    if "(" not in text:
        return text.split(",")
    parts, depth = [""], 0
    for sign in text:
        depth = max(0, depth + (sign == "(") - (sign == ")"))
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


def _parse_one(part: str) -> Gres | None:
    bare = _IN_BRACKETS.sub("", part).strip().removeprefix("gres:").removeprefix("gres/")
    indices: tuple[int, ...] = ()
    for inside in _IN_BRACKETS.findall(part):
        if inside.startswith("IDX:"):
            indices = _parse_indices(inside.removeprefix("IDX:"))
    head, equals, amount = bare.partition("=")
    words = [word for word in head.split(":") if word != "no_consume"]
    if not equals:
        # `gpu` alone is one; the last word is the count where it is one.
        amount = words.pop() if len(words) > 1 and words[-1][:1].isdecimal() else "1"
    if not words or not words[0] or len(words) > 2 or not _SIZE.fullmatch(amount):
        return None
    return Gres(words[0], words[1] if len(words) == 2 else "", parse_size(amount), indices)


def _parse_indices(text: str) -> tuple[int, ...]:
    """`0,3-5`; nothing where it is `N/A` or too many."""
    found: list[int] = []
    for piece in text.split(","):
        match = _RANGE.fullmatch(piece)
        if match is None:
            return ()
        first, last = int(match[1]), int(match[2] or match[1])
        if last - first + len(found) >= INDICES_MAX:
            return ()
        found.extend(range(first, last + 1))
    return tuple(found)
