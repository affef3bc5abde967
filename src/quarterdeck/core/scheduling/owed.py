"""The part of one plan that is owed: which of a team's jobs its guarantee covers.

Within a team the same holds as in a queue of its own: a job that its cells could cover once others
of the team have ended lets later ones pass for the policy's patience, and no longer.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.guarantees import Guarantees
from quarterdeck.core.scheduling.order import is_late

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.scheduling.caps import Capped
    from quarterdeck.core.scheduling.free import Free
    from quarterdeck.core.scheduling.nearness import Insists
    from quarterdeck.core.scheduling.placer import Placer, Sites
    from quarterdeck.core.scheduling.plan import Placement
    from quarterdeck.core.scheduling.reclaim import Reclaimed
    from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
    from quarterdeck.core.scheduling.standing import Keeper


class Owed:
    """See the module."""

    def __init__(
        self,
        snapshot: Snapshot,
        policy: Policy,
        free: Free,
        kept: Sequence[tuple[str, Grant]],
        keeper: Keeper | None,
    ) -> None:
        """`kept` is what some go on with who gave up other nodes, though nobody holds it now."""
        self._snapshot = snapshot
        self._policy = policy
        self._guarantees = Guarantees(free, snapshot, policy, kept, keeper)
        self._counts: Counter[JobId] = Counter()
        self._has_one_ahead: set[str] = set()
        self._kept: list[NDArray[np.bool_]] = []
        """What was asked in vain is known by the identity of its rows: none may come again."""

    def order(self, ordered: Sequence[Waiting]) -> list[Waiting]:
        """Those for whom others were stopped come first: what came free is theirs."""
        return sorted(ordered, key=lambda waiting: waiting.clearance is None)

    def is_open_to(self, waiting: Waiting) -> bool:
        """Whether its team's cells may cover it, as far as the order is concerned."""
        return (
            self._guarantees.covers(waiting)
            and self._guarantees.pool_of(waiting) not in self._has_one_ahead
            and not is_late(self._snapshot, waiting)
        )

    def count(self, waiting: Waiting) -> int:
        """How much of it was placed, or has room made for it."""
        return self._counts[waiting.job_id]

    def note_booked(self, waiting: Waiting, count: int) -> None:
        """So much of it was placed on what is booked for it."""
        self._counts[waiting.job_id] += count

    def bar(self, rows: NDArray[np.bool_] | None, capped: Capped | None) -> None:
        """From now on it is about a job that may not use these rows, nor any beyond a cap."""
        if capped is not None and not capped.rows.all():
            rows = ~capped.rows if rows is None else rows | ~capped.rows
            self._kept.append(rows)
        self._guarantees.barred = rows

    def place(
        self, placer: Placer, waiting: Waiting, task: int | None, sites: Sites, insists: Insists
    ) -> Placement | None:
        """A placement on what is free that is covered."""
        placement = self._guarantees.place(placer, waiting, task, sites, insists)
        if placement is None:
            return None
        self._counts[waiting.job_id] += 1
        return replace(placement, is_owed=True)

    def make_room(
        self, placer: Placer, waiting: Waiting, sites: Sites, insists: Insists
    ) -> Reclaimed | None:
        """Room that those make who borrowed it."""
        found = self._guarantees.make_room(placer, waiting, sites, insists)
        if found is not None:
            self._counts[waiting.job_id] += 1
            return found
        waited_s = (self._snapshot.now_ns - waiting.submitted_at_ns) / NS_PER_S
        if waited_s >= self._policy.patience_s and self._guarantees.could_cover(waiting):
            self._has_one_ahead.add(self._guarantees.pool_of(waiting))
        return None

    def rows_for(self, waiting: Waiting) -> NDArray[np.bool_] | None:
        """Where a job may borrow: anywhere, if it can be made to go."""
        if not self._guarantees.must_stay(waiting):
            return None
        return self._guarantees.mask_for_stayer(waiting.demand)

    def note_stayers(self, placements: Iterable[Placement]) -> None:
        """These were placed there."""
        for placement in placements:
            self._guarantees.note_stayer(placement)

    def next_turn_ns(self) -> int | None:
        """When somebody who borrows may be made to go who may not yet; None if nobody waits for
        it."""
        return self._guarantees.next_turn_ns() if self._snapshot.waiting else None
