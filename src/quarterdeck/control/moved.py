"""How many jobs started lately, and how many were moved for them: what a policy's share is of.

It begins with the server, from nothing: few moves are allowed until jobs have started.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from quarterdeck.core.jobs.events import Placed, RoomCleared
from quarterdeck.core.scheduling.moves import LATELY

if TYPE_CHECKING:
    from quarterdeck.core.jobs.events import JobEvent
    from quarterdeck.core.jobs.job import Job


class MovedLately:
    """See the module."""

    def __init__(self) -> None:
        self._moves: deque[int] = deque(maxlen=LATELY)
        """The moves since each of the last starts."""

    def note(self, event: JobEvent, before: Job | None) -> None:
        """Something happened to a job that was like this before. One that goes on after a move is
        no start."""
        if isinstance(event, Placed):
            told = None if before is None else before.clearance
            if told is None or not told.is_moved:
                self._moves.append(0)
        elif isinstance(event, RoomCleared) and event.clearance.is_moved and self._moves:
            self._moves[-1] += 1

    @property
    def starts(self) -> int:
        """How many, of those that are counted."""
        return len(self._moves)

    @property
    def moves(self) -> int:
        """How many since the first of these."""
        return sum(self._moves)
