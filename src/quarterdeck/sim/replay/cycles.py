"""The recorded cycles of a while, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.ports.cycles import Cycle, CycleLog


def load_cycles(cycle_log: CycleLog, start: int, span_ns: tuple[int, int]) -> Iterator[Cycle]:
    """Those of one start that were made in that time, in order; both ends are in it."""
    from_ns, to_ns = span_ns
    after = 0
    while page := cycle_log.list_cycles(start, after, since_ns=from_ns):
        for cycle in page:
            if cycle.at_ns > to_ns:
                return
            yield cycle
        after = page[-1].number
