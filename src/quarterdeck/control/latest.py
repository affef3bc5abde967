"""The plan that the scheduler would make now, made once for all who ask."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.standing import Keeper

if TYPE_CHECKING:
    from quarterdeck.control.board import Board
    from quarterdeck.control.roster import Roster
    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.core.scheduling.plan import Plan
    from quarterdeck.core.scheduling.snapshot import Policy, Snapshot

FRESH_NS: Final = NS_PER_S
"""A plan also depends on the time (who has waited how long), but not on a second of it."""


class LatestPlan:
    """See the module. Any thread may ask; of several at once, one makes it for all."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._as_of: tuple[int, int, Policy] | None = None
        self._times: tuple[Occurrence, ...] = ()
        self._made: tuple[Snapshot, Plan] | None = None
        self._keeper = Keeper()

    def look(
        self,
        board: Board,
        roster: Roster | None,
        policy: Policy,
        now_ns: int,
        times: tuple[Occurrence, ...] = (),
    ) -> tuple[Snapshot, Plan]:
        """The plan, and what it was made on: the present, as of the end of the log."""
        with self._lock:
            board.catch_up()
            revision = roster.revision if roster is not None else 0
            as_of = (board.cursor, revision, policy)
            is_other = as_of != self._as_of or times is not self._times
            if self._made is None or is_other or not _is_fresh(*self._made, now_ns):
                people = roster.people if roster is not None else None
                snapshot = board.booked_snapshot(now_ns, people, times)
                self._times = times
                self._made = (snapshot, make_plan(snapshot, policy, keeper=self._keeper))
                self._as_of = (snapshot.as_of, revision, policy)
            return self._made


def _is_fresh(snapshot: Snapshot, made: Plan, now_ns: int) -> bool:
    is_ready = made.next_ready_ns is not None and now_ns >= made.next_ready_ns
    return 0 <= now_ns - snapshot.now_ns < FRESH_NS and not is_ready
