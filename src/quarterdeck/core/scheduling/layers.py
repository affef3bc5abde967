"""What teams have bound on which nodes, in the two rounds in which they are covered.

First every team, in order, binds cells to what was started within its guarantee; then, in the same
order, to what borrows. So what others leave of a node depends on the round and on who they are.
Where room was made for a job that waits, its team's cells are as good as bound in the second round:
else who goes on beside it could be covered instead, and others would have to go for it once more.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from quarterdeck.core.scheduling.holdings import rows_apart
from quarterdeck.core.scheduling.shapes import EPS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Bound = dict[int, float]
"""How much is bound on each row, in GPUs."""
Changed = list[tuple[int, float]]
"""On which rows more is bound than before, or less, and how much."""

NOTHING: Final[dict[int, float]] = {}


class Layers:
    """See the module. Teams go by their numbers; `totals` is what each node has."""

    def __init__(self, totals: Sequence[float]) -> None:
        self._totals = totals
        self._owed: dict[int, dict[int, float]] = defaultdict(dict)
        self._cleared: dict[int, dict[int, float]] = defaultdict(dict)
        self._rest: dict[int, dict[int, float]] = defaultdict(dict)

    def note_owed(self, number: int, before: Bound, after: Bound) -> Changed:
        """What a team has bound in the first round."""
        return _note(self._owed, number, before, after)

    def note_cleared(self, number: int, before: Bound, after: Bound) -> Changed:
        """What it will bind beyond that for jobs that room was made for."""
        return _note(self._cleared, number, before, after)

    def cleared_on(self, row: int) -> Bound:
        """That of each team on one node, by its number."""
        return self._cleared.get(row, NOTHING)

    def all_of(self, row: int) -> float:
        """What a node has."""
        return self._totals[row]

    def note_rest(self, number: int, before: Bound, after: Bound) -> Changed:
        """What it has bound beyond all that in the second."""
        return _note(self._rest, number, before, after)

    def forget_rest(self) -> None:
        """Nobody has bound anything in the second round yet."""
        self._rest.clear()

    def room_for_owed(self, number: int) -> Callable[[int], float]:
        """What of a node teams before this one leave to it in the first round."""
        totals, owed = self._totals, self._owed

        def room(row: int) -> float:
            left = totals[row]
            for other, size in owed.get(row, NOTHING).items():
                if other < number:
                    left -= size
            return left

        return room

    def room_for_rest(self, number: int) -> Callable[[int], float]:
        """What of a node is left in the second round by what all others are owed, by where room was
        made for them, and by the rest of teams before this one."""
        totals, owed, cleared, rest = self._totals, self._owed, self._cleared, self._rest

        def room(row: int) -> float:
            left = totals[row]
            if row in owed:
                for other, size in owed[row].items():
                    if other != number:
                        left -= size
            if row in cleared:
                for other, size in cleared[row].items():
                    if other != number:
                        left -= size
            if row in rest:
                for other, size in rest[row].items():
                    if other < number:
                        left -= size
            return left

        return room

    def is_taken(self, number: int, sizes: Sequence[float]) -> Callable[[int], bool]:
        """Whether of a node too little is left in the second round for a cell of these sizes."""
        room = self.room_for_rest(number)
        return lambda row: room(row) < sizes[row] - EPS


def beyond(bound: Bound, within: Bound) -> Bound:
    """How much more is bound on each row."""
    more = {row: size - within.get(row, 0.0) for row, size in bound.items() - within.items()}
    return {row: size for row, size in more.items() if size > 0}


def _note(layer: dict[int, dict[int, float]], number: int, before: Bound, after: Bound) -> Changed:
    rows = rows_apart(before, after)
    changed = [(row, after.get(row, 0.0) - before.get(row, 0.0)) for row in rows]
    for row, _ in changed:
        if row in after:
            layer[row][number] = after[row]
        else:
            del layer[row][number]
            if not layer[row]:
                del layer[row]
    return changed
