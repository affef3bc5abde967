"""What runs that no cells cover, and which of it cannot be made to go yet.

Who stays by its nature lies on what nobody's cells needed. A cell of its own team may come to cover
it there, and those of the team that come before it may take that cell from it again. So until it
can be made to go it counts as `Staying`, covered or not: nobody else gets a node for that.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from operator import is_
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quarterdeck.core.scheduling.snapshot import Running, Waiting

SPARE_TURNS: Final = 1000
"""So many turns of jobs that do not borrow any more are kept before they are looked for."""


class Lent:
    """See the module. `note_stuck` hears of each job that cannot be made to go (1), and is told
    when it can or does not borrow any more (-1)."""

    def __init__(self, reclaim_after_s: float, note_stuck: Callable[[Running, int], None]) -> None:
        self._reclaim_after_s = reclaim_after_s
        self._note_stuck = note_stuck
        self._now_ns = 0
        self._all: set[int] = set()
        self._stuck: set[int] = set()
        self.able: set[int] = set()
        """Which of them can be made to go, by identity."""
        self._turns: list[tuple[int, int, Running]] = []

    def __contains__(self, one: Running) -> bool:
        """Whether a job is not covered."""
        return id(one) in self._all

    def may_go_ns(self, one: Running) -> int:
        """From when on somebody who borrows may be made to go for who is owed the nodes."""
        least_s = max(one.min_runtime_s, self._reclaim_after_s)
        return one.started_at_ns + round(least_s * NS_PER_S)

    def next_turn_ns(self) -> int | None:
        """When the next of them has run so long that it may be made to go."""
        while self._turns and id(self._turns[0][2]) not in self._stuck:
            heappop(self._turns)
        return self._turns[0][0] if self._turns else None

    def look(self, now_ns: int) -> None:
        """From now on it is about this time, which is not before the last."""
        self._now_ns = now_ns
        while self._turns and self._turns[0][0] <= now_ns:
            self._let_go(heappop(self._turns)[2])
        if len(self._turns) > SPARE_TURNS + 2 * len(self._stuck):
            left = {id(turn[2]): turn for turn in self._turns if id(turn[2]) in self._stuck}
            self._turns = list(left.values())
            heapify(self._turns)

    def add(self, one: Running) -> None:
        """No cells cover it."""
        self._all.add(id(one))
        if one.is_preemptible:
            at_ns = self.may_go_ns(one)
            if at_ns <= self._now_ns:
                self.able.add(id(one))
                return
            heappush(self._turns, (at_ns, id(one), one))
        if id(one) not in self._stuck:
            self._stuck.add(id(one))
            self._note_stuck(one, 1)

    def remove(self, one: Running) -> None:
        """Cells cover it, or it has gone."""
        self._all.discard(id(one))
        self._let_go(one)
        self.able.discard(id(one))

    def renew(self, before: Sequence[Running], after: Sequence[Running]) -> None:
        """Of some jobs others than before are not covered."""
        if len(before) == len(after) and all(map(is_, before, after)):
            return
        was, now = {id(one): one for one in before}, {id(one): one for one in after}
        for key in was.keys() - now.keys():
            self.remove(was[key])
        for key in now.keys() - was.keys():
            self.add(now[key])

    def _let_go(self, one: Running) -> None:
        if id(one) in self._stuck:
            self._stuck.discard(id(one))
            self.able.add(id(one))
            self._note_stuck(one, -1)


class Staying(Lent):
    """The same only of those that stay by their nature."""

    def add(self, one: Running) -> None:
        """It was not started within the guarantee, or no cells cover it."""
        if must_stay(one, self._reclaim_after_s):
            super().add(one)


def must_stay(one: Running | Waiting, reclaim_after_s: float) -> bool:
    """Whether it cannot be made to go as soon as all that borrow may be."""
    return not one.is_preemptible or one.min_runtime_s > reclaim_after_s
