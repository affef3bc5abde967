"""A log of cycles in memory, for tests and simulations."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.ports.cycles import Cycle, Start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.core.ledger.usage import Used


class MemoryCycleLog:
    """A `CycleLog` that ends with its process. Any thread may call it."""

    def __init__(self) -> None:
        self._starts: list[Start] = []
        self._cycles: list[tuple[int, Cycle]] = []
        self._lock = threading.Lock()

    def begin(self, at_ns: int, as_of: int, version: str, used: tuple[Used, ...] = ()) -> int:
        """A server starts."""
        with self._lock:
            number = self._starts[-1].number + 1 if self._starts else 1
            self._starts.append(Start(number, at_ns, as_of, version, used=used))
            return number

    def add(self, cycles: Sequence[Cycle]) -> None:
        """Keep these."""
        with self._lock:
            self._cycles += [(self._starts[-1].number, cycle) for cycle in cycles]

    def end(self, at_ns: int) -> None:
        """The present start is over."""
        with self._lock:
            self._starts[-1] = replace(self._starts[-1], ended_at_ns=at_ns)

    def list_starts(self) -> list[Start]:
        """All of them."""
        with self._lock:
            return list(self._starts)

    def list_cycles(
        self, start: int, after: int = 0, *, since_ns: int = 0, limit: int = 1000
    ) -> list[Cycle]:
        """Those of a start."""
        with self._lock:
            found = (one for of, one in self._cycles if of == start and one.number > after)
            wanted = [one for one in found if one.at_ns >= since_ns]
            return sorted(wanted, key=lambda cycle: cycle.number)[:limit]

    def drop(self, before_ns: int, cycles_max: int) -> None:
        """Forget what is older, and what is too much."""
        with self._lock:
            kept = [pair for pair in self._cycles if pair[1].at_ns >= before_ns]
            self._cycles = kept[max(0, len(kept) - cycles_max) :]
            used = {of for of, _ in self._cycles}
            self._starts = [
                one
                for one in self._starts
                if one.number in used or one.at_ns >= before_ns or one is self._starts[-1]
            ]

    def close(self) -> None:
        """Nothing to let go of."""
