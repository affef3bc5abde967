"""An array: one job of many tasks that differ only by their index.

Written as Slurm writes it (`sbatch --array`): `0-99`, `0-99:5` for every fifth, `1,3,7-9`, and
`0-99%10` for at most ten at a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, NamedTuple

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.limits import LIMITS

_PART: Final = re.compile(r"([0-9]{1,9})(?:-([0-9]{1,9})(?::([0-9]{1,9}))?)?", re.ASCII)
_HINT: Final = "write for example 0-99, 0-99:5, 1,3,7-9, or 0-99%10 for at most ten at a time"


class Span(NamedTuple):
    """The indices `first`, `first + step`, … up to `last` at most."""

    first: int
    last: int
    step: int = 1


@dataclass(frozen=True, slots=True)
class Array:
    """The indices of a job's tasks, and how many tasks may hold devices at once (None: any)."""

    spans: tuple[Span, ...]
    parallel: int | None = None

    @property
    def indices(self) -> tuple[int, ...]:
        """Every task's index, in order."""
        return _indices(self.spans)

    @property
    def positions(self) -> dict[int, int]:
        """The place of each index among them."""
        return _positions(self.spans)

    def __str__(self) -> str:
        """As people write it."""
        parts = []
        for first, last, step in self.spans:
            if first == last:
                parts.append(f"{first}")
            else:
                parts.append(f"{first}-{last}" if step == 1 else f"{first}-{last}:{step}")
        limit = f"%{self.parallel}" if self.parallel is not None else ""
        return ",".join(parts) + limit


def parse_array(text: str, *, field: str = "array") -> Array:
    """An array from its text. Raises `Invalid`, also for an index that comes twice."""
    listed, percent, limit = text.strip().partition("%")
    parallel = None
    if percent:
        if re.fullmatch(r"[0-9]{1,9}", limit, re.ASCII) is None or int(limit) == 0:
            raise Invalid(
                f"{field} is {text[:80]!a}: {limit[:20]!a} is not a number of tasks",
                field=field,
                hint=_HINT,
            )
        parallel = int(limit)
    spans: list[Span] = []
    count = 0
    for part in listed.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise Invalid(
                f"{field} is {text[:80]!a}: {part[:40]!a} is neither an index nor a range",
                field=field,
                hint=_HINT,
            )
        first = int(match[1])
        last, step = int(match[2] or first), int(match[3] or 1)
        if last < first or step == 0:
            raise Invalid(
                f"{field} is {text[:80]!a}: the range {part.strip()} is empty",
                field=field,
                hint=_HINT,
            )
        spans.append(Span(first, last, step))
        count += (last - first) // step + 1
        if count > LIMITS.array_tasks_max:
            raise Invalid(
                f"{field} is {text[:80]!a}, which is more than {LIMITS.array_tasks_max} tasks",
                field=field,
                hint="submit several jobs",
            )
    array = Array(tuple(spans), parallel)
    if len(set(array.indices)) < count:
        raise Invalid(
            f"{field} is {text[:80]!a}, which names an index twice", field=field, hint=_HINT
        )
    return array


@lru_cache(maxsize=256)
def _indices(spans: tuple[Span, ...]) -> tuple[int, ...]:
    return tuple(index for first, last, step in spans for index in range(first, last + 1, step))


@lru_cache(maxsize=256)
def _positions(spans: tuple[Span, ...]) -> dict[int, int]:
    return {index: place for place, index in enumerate(_indices(spans))}
