"""Where plans are not recorded, and how many placements there are of those.

The numbers of recorded plans tell that some are missing, and a server that was killed says nothing
of its last ones. What they placed is in the log of events all the same.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.ports.cycles import Cycle, Start


@dataclass(frozen=True, slots=True)
class Gap:
    """Plans that are not recorded, between two that are or up to the next start.

    `missing` counts them, None where nobody knows: at the end of a server that was killed.
    `placements` is what the log of events has of them.
    """

    start: int
    from_ns: int
    to_ns: int
    missing: int | None
    placements: int = 0


class Gaps:
    """The gaps of a while, told of in order of time."""

    def __init__(self, span_ns: tuple[int, int]) -> None:
        """Both ends are in the time."""
        self._from_ns, self._to_ns = span_ns
        self._known: list[Gap] = []
        self._possible: list[Gap] = []

    def note_cycle(self, start: Start, last: Cycle | None, cycle: Cycle) -> None:
        """A cycle follows the last of its start. Numbers that are missing between them: the disk
        refused them, or there was no room for them."""
        if last is None and start.at_ns < self._from_ns:
            return
        before = 0 if last is None else last.number
        if cycle.number > before + 1:
            from_ns = start.at_ns if last is None else last.at_ns
            missing = cycle.number - before - 1
            self._known.append(Gap(start.number, from_ns, cycle.at_ns, missing))

    def note_end(self, start: Start, last: Cycle, following: Start | None) -> None:
        """No cycle of the start follows: whatever a server that was killed, or one that goes on,
        has not handed over. Of one that goes on only placements tell that there is anything."""
        if start.ended_at_ns is not None:
            return
        if following is not None and following.at_ns <= self._to_ns:
            self._known.append(Gap(start.number, last.at_ns, following.at_ns, None))
        else:
            self._possible.append(Gap(start.number, last.at_ns, self._to_ns + 1, None))

    def list_gaps(self, orphans_ns: Iterable[int]) -> list[Gap]:
        """All of them, given when each placement was made that no recorded cycle made."""
        times = sorted(orphans_ns)
        known = [_counted(gap, times) for gap in self._known]
        possible = [_counted(gap, times) for gap in self._possible]
        found = [*known, *(gap for gap in possible if gap.placements)]
        return sorted(found, key=lambda gap: (gap.start, gap.from_ns))


def _counted(gap: Gap, times_ns: list[int]) -> Gap:
    """With the placements that were made in it, without its ends."""
    inside = bisect_left(times_ns, gap.to_ns) - bisect_right(times_ns, gap.from_ns)
    return replace(gap, placements=max(0, inside))
