"""Virtual time: a heap of things to come, the wall clock that people read, and names drawn by seed.

The timeline is the time that passes; the wall clock follows it but may be set, as clocks are.
Things due at the same instant happen in the order in which they were planned.
"""

from __future__ import annotations

import heapq
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Stale, Unavailable
from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.basics.times import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.basics.chance import Chance

EPOCH_NS: Final = 1_767_225_600 * NS_PER_S
"""Where virtual time begins: 2026-01-01T00:00:00Z."""
SOON_S: Final = 0.01
BACKOFF_S_MAX: Final = 5.0
TAKEN_ID_PROBABILITY: Final = 0.02


class Timeline:
    """What is to happen, and when."""

    def __init__(self) -> None:
        self.now_ns = 0
        self._to_come: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = count()

    @property
    def now_s(self) -> float:
        """Seconds since the beginning."""
        return self.now_ns / NS_PER_S

    def after(self, delay_s: float, thing: Callable[[], None]) -> None:
        """Let it happen later."""
        at_ns = self.now_ns + max(0, round(delay_s * NS_PER_S))
        heapq.heappush(self._to_come, (at_ns, next(self._numbers), thing))

    def step(self) -> bool:
        """Go to the next thing and let it happen; False when nothing is to come."""
        if not self._to_come:
            return False
        self.now_ns, _, thing = heapq.heappop(self._to_come)
        thing()
        return True


class SimClock:
    """A wall clock that follows the timeline and can be set."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self._offset_ns = EPOCH_NS

    def now_ns(self) -> int:
        """What the clock shows."""
        return self._timeline.now_ns + self._offset_ns

    @property
    def error_s(self) -> float:
        """How far it is from where it began."""
        return (self._offset_ns - EPOCH_NS) / NS_PER_S

    def jump(self, by_s: float) -> None:
        """Somebody sets it."""
        self._offset_ns += round(by_s * NS_PER_S)


class SimIds:
    """Ids by seed. Now and then one that is taken is offered, as chance does in a big house."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._given: list[JobId] = []

    def new_job_id(self) -> JobId:
        """An id that is probably new."""
        if self._given and self._chance.happens(TAKEN_ID_PROBABILITY):
            return self._chance.pick(self._given)
        self._given.append(JobId(format_id("j", self._chance.bits64())))
        return self._given[-1]


class Turns:
    """Takes turns as the server's worker threads do: soon when woken, otherwise now and then."""

    def __init__(self, timeline: Timeline, turn: Callable[[], object], every_s: float) -> None:
        self._timeline = timeline
        self._turn = turn
        self._every_s = every_s
        self._backoff_s = 0.0
        self._due_ns = -1
        self._number = 0
        self._plan(0.0)

    def wake(self) -> None:
        """There may be something to do. During a backoff that waits, as a worker does."""
        soon_ns = self._timeline.now_ns + round(SOON_S * NS_PER_S)
        if self._backoff_s == 0.0 and self._due_ns > soon_ns:
            self._plan(SOON_S)

    def _plan(self, delay_s: float) -> None:
        self._number += 1
        self._due_ns = self._timeline.now_ns + round(delay_s * NS_PER_S)
        self._timeline.after(delay_s, partial(self._take, self._number))

    def _take(self, number: int) -> None:
        if number != self._number:
            return
        has_more = False
        self._plan(self._every_s)
        try:
            has_more = bool(self._turn())
        except (Stale, Unavailable):
            self._backoff_s = min(BACKOFF_S_MAX, self._backoff_s * 2 or 0.02)
            self._plan(self._backoff_s)
        else:
            self._backoff_s = 0.0
            if has_more:
                self._plan(SOON_S)
