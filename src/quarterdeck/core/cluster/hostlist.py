"""Names in a row, as Slurm writes them: `dgx[001-020,033]`, `gpu-a,gpu-b`, `r[1-2]n[01-16]`.

Slurm's hostlist expressions, as topology.conf(5) and `scontrol show hostnames` know them: commas
between names, ranges and lists of numbers in brackets, leading zeros kept; with several brackets
the last one turns fastest.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

NAMES_MAX: Final = 10_000
_PIECE: Final = re.compile(r"\[([^\[\]]*)\]|([A-Za-z0-9._:/-]+)", re.ASCII)
_RANGE: Final = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", re.ASCII)
_NUMBERED: Final = re.compile(r"(.*?)([0-9]{1,9})", re.ASCII | re.DOTALL)


def expand_hostlist(text: str, *, field: str = "names") -> tuple[str, ...]:
    """The names, in the order in which they are written."""
    names: list[str] = []
    for part in _split(text, field):
        pieces: list[list[str]] = []
        position, size = 0, 1
        for match in _PIECE.finditer(part):
            if match.start() != position:
                break
            position = match.end()
            pieces.append([match[2]] if match[2] is not None else _numbers(match[1], part, field))
            size *= len(pieces[-1])
            _check_size(len(names) + size, field)
        if position != len(part) or not part:
            raise _wrong(part, field)
        names.extend("".join(chosen) for chosen in product(*pieces))
    return tuple(names)


def compress_hostlist(names: Iterable[str]) -> str:
    """A hostlist that expands to just these, in this order."""
    runs: list[tuple[str, str, str]] = []
    for name in names:
        match = _NUMBERED.fullmatch(name)
        head, number = (match[1], match[2]) if match else (name, "")
        if runs and number and runs[-1][0] == head and _follows(*runs[-1][1:], number):
            runs[-1] = (head, runs[-1][1], number)
        else:
            runs.append((head, number, number))
    return ",".join(
        f"{head}{first}" if first == last else f"{head}[{first}-{last}]"
        for head, first, last in runs
    )


def _follows(first: str, before: str, number: str) -> bool:
    """Whether the range from the first number to the one before goes on with this one: it is
    written as wide as the first, or wider without leading zeros."""
    return bool(before) and number == f"{int(before) + 1:0{len(first)}d}"


def _split(text: str, field: str) -> Sequence[str]:
    """At the commas that are not in brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign == "[") - (sign == "]")
        if depth not in (0, 1):
            raise _wrong(text, field)
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    if depth:
        raise _wrong(text, field)
    return [part.strip() for part in parts]


def _numbers(text: str, part: str, field: str) -> list[str]:
    """What is in brackets."""
    numbers: list[str] = []
    for piece in text.split(","):
        match = _RANGE.fullmatch(piece)
        if match is None:
            raise _wrong(part, field)
        first, last = match[1], match[2] or match[1]
        count = int(last) - int(first) + 1
        if count < 1 or len(last) < len(first):
            raise _wrong(part, field)
        _check_size(len(numbers) + count, field)
        width = len(first)
        numbers.extend(f"{number:0{width}d}" for number in range(int(first), int(last) + 1))
    return numbers


def _check_size(count: int, field: str) -> None:
    if count > NAMES_MAX:
        raise Invalid(
            f"{field} is more than {NAMES_MAX} names",
            field=field,
            hint="is a number in brackets too large?",
        )


def _wrong(text: str, field: str) -> Invalid:
    shown = ascii(text if len(text) <= 60 else f"{text[:57]}...")
    return Invalid(
        f"{field} is {shown}, which is not a list of names",
        field=field,
        hint="write for example dgx-1, or dgx[001-020], or n[1-4,7],m1",
    )
