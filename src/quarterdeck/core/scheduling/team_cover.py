"""What covers the jobs of one team that is guaranteed anything.

What a job finds depends on those of its team before it and on what other teams have bound where it
lies. So where something changes from one job on, what covers those before it stays.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from quarterdeck.core.scheduling.claims import count_claimed, turn_of
from quarterdeck.core.scheduling.holdings import rows_apart
from quarterdeck.core.scheduling.layers import beyond
from quarterdeck.core.scheduling.shapes import EPS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quarterdeck.core.scheduling.claims import Claims, Right, Turn
    from quarterdeck.core.scheduling.holdings import Footprint, Holding, Step
    from quarterdeck.core.scheduling.layers import Bound, Layers
    from quarterdeck.core.scheduling.snapshot import Running

    IsShorter = Callable[[Holding, tuple[Step, ...]], bool]

SOONEST: Final[tuple[()]] = ()
"""Before all turns and rights."""
LATEST: Final = (1,)
"""After the rights of all that borrows."""


@dataclass(slots=True)
class Lying:
    """Where each job lies that is not being stopped, and its right; by the identity of the job."""

    spots: dict[int, Footprint] = field(default_factory=dict)
    singles: dict[int, tuple[int, float]] = field(default_factory=dict)
    """The row and the size of those that take something of one node."""
    rights: dict[int, Right] = field(default_factory=dict)

    def note(self, one: Running, spot: Footprint, right: Right) -> None:
        """It has come."""
        self.spots[id(one)], self.rights[id(one)] = spot, right
        if spot.whole and len(spot.rows) == 1 and spot.sizes[0] > EPS:
            self.singles[id(one)] = (spot.rows[0], spot.sizes[0])

    def right(self, one: Running) -> Right:
        """Of a job that is known."""
        return self.rights[id(one)]

    def forget(self, one: Running) -> None:
        """It has gone."""
        self.spots.pop(id(one), None)
        self.singles.pop(id(one), None)
        self.rights.pop(id(one), None)


class TeamCover:
    """The jobs of a team, in order, and what covers them.

    `owed` were started within the guarantee, `rest` were not; `lent_owed` and `lent_rest` are those
    that nothing covers. `within` is what the first alone hold, `cleared` how much more of each node
    will be bound to jobs that room was made for, `holding` what all hold that run, `beyond` how
    much that is beyond both. After the turn `full` no cell was left (None: some are). `claims` are
    of those that wait before the last of the rest.
    """

    def __init__(self, name: str, number: int, holding: Holding) -> None:
        self.name = name
        self.number = number
        self.within = self.holding = holding
        self.cleared: Bound = {}
        self.beyond: Bound = {}
        self.owed: list[Running] = []
        self.rest: list[Running] = []
        self.covered_owed: list[Running] = []
        self.covered_rest: list[Running] = []
        self.lent_owed: list[Running] = []
        self.lent_rest: list[Running] = []
        self.full: Turn | tuple[()] | None = None
        self.claims: Claims = ()
        self._steps: dict[int, tuple[Step, ...]] = {}
        self._based_on = holding  # what was `within` when the rest was covered

    def is_taken(self, layers: Layers) -> Callable[[int], bool]:
        """Whether others leave too little of a node for a cell, where all cells are alike."""
        return layers.is_taken(self.number, self.within.groups[0].shape.listed)

    def has_no_cell_after(self, one: Running) -> bool:
        """Whether none was left when it was the turn of one of the rest."""
        return self.full is not None and turn_of(one) > self.full

    def bind_owed(self, lying: Lying, layers: Layers) -> tuple[list[Running], list[Running]]:
        """The first round; says what nothing covered before, and what nothing covers now."""
        held, room = self.within.unbound(), layers.room_for_owed(self.number)
        spots = lying.spots
        covered: list[Running] = []
        lent: list[Running] = []
        for one in self.owed:
            steps = held.bind(spots[id(one)], room)
            (lent if steps is None else covered).append(one)
        before, self.lent_owed, self.covered_owed = self.lent_owed, lent, covered
        if not held.is_like(self.within):
            self.within = held
        return before, lent

    def bind_cleared(self, claims: Claims, layers: Layers) -> Bound:
        """What cells will be bound to where room was made for jobs of the team, as if they ran
        already; says what it was before."""
        before, held = self.cleared, self.within.copy()
        for claim in claims:
            if claim.is_cleared:
                held.bind(claim.cleared, layers.all_of)
        self.cleared = beyond(held.bound, self.within.bound)
        return before

    def due_on(self, row: int) -> float:
        """What of a node is bound to what was started within the guarantee, or will be to a job
        that room was made for."""
        return self.within.bound.get(row, 0.0) + self.cleared.get(row, 0.0)

    def first_touched(self, on_row: Callable[[int], Iterable[Running]], lying: Lying) -> Right:
        """Where cells are alike: from which of the rest on others may be covered than before
        by what has changed of what is held within the guarantee. `on_row` lists who lies on a
        node."""
        was, now = self._based_on, self.within
        spots, right_of = lying.spots, lying.rights
        rights: list[Right] = [
            right_of[id(one)]
            for row in rows_apart(was.bound, now.bound) | rows_apart(was.used, now.used)
            for one in on_row(row)
            if not one.is_owed
        ]
        if now.left > was.left:
            if self.full is not None:
                rights.append((0, self.full))
            wide = (one for one in self.lent_rest if len(spots[id(one)].rows) > 1)
            rights += [right_of[id(one)] for one in wide]  # They may have lacked a cell sooner.
        return min(rights, default=LATEST)

    def bind_rest(
        self,
        since: Right,
        claims: Claims,
        lying: Lying,
        layers: Layers,
        is_shorter: IsShorter | None = None,
    ) -> tuple[list[Running], list[Running]]:
        """The second round, of those from a right on; says what of these nothing covered before,
        and what nothing covers now. `is_shorter` says whether cells of all find fewer nodes by what
        this team holds then with some more steps, where that may be."""
        held, since = self._go_back(since, lying)
        at, lent_at = _place(self.rest, since, lying), _place(self.lent_rest, since, lying)
        before, covered, lent = self.lent_rest[lent_at:], self.covered_rest, []
        room, is_taken = layers.room_for_rest(self.number), self.is_taken(layers)
        left, bound, used, spots = held.left, held.bound, held.used, lying.spots
        singles = lying.singles if is_shorter is None else {}
        for one in self.rest[at:]:
            single = singles.get(id(one))
            if single is None:
                steps = held.bind(spots[id(one)], room)
            else:
                row, size = single
                if row not in bound:
                    if not left or is_taken(row):
                        lent.append(one)  # Most of those that nothing covers are told by this.
                        continue
                    steps = held.bind_first(row, size)
                else:
                    after = used.get(row, 0.0) + size
                    if after - bound[row] <= EPS:
                        used[row] = after
                        covered.append(one)  # And most of those that are covered by this.
                        continue
                    steps = held.bind(spots[id(one)], room)
            if steps is None:
                lent.append(one)
                continue
            if steps:
                had, left = left, left - len(steps)
                is_claimed = bool(claims) and (
                    count_claimed(claims, turn_of(one), had, bound) > left
                )
                if is_claimed or (is_shorter is not None and is_shorter(held, steps)):
                    held.undo(spots[id(one)], steps)
                    left = had
                    lent.append(one)
                    continue
                self._steps[id(one)] = steps
                if not left:
                    self.full = turn_of(one)
            covered.append(one)
        self.holding, self._based_on = held, self.within
        self.lent_rest = self.lent_rest[:lent_at] + lent
        self.beyond = beyond(held.bound, self.within.bound)
        if self.cleared:
            self.beyond = beyond(self.beyond, self.cleared)
        return before, lent

    def _go_back(self, since: Right, lying: Lying) -> tuple[Holding, Right]:
        """As it was before it was the turn of those from a right on; from an earlier one where
        there are too few cells for those before it."""
        if not since:
            self.covered_rest, self._steps = [], {}
            self.full = None if self.within.left else SOONEST
            return self.within.copy(), since
        held, covered = self.holding.copy(), self.covered_rest
        if self._based_on is not self.within:
            held.change(self._based_on, self.within)
        spots, rights = lying.spots, lying.rights
        stay = len(covered)
        while stay and (held.left < 0 or rights[id(covered[stay - 1])] >= since):
            stay -= 1
            one = id(covered[stay])
            held.undo(spots[one], self._steps.pop(one, ()))
            since = min(since, rights[one])
        self.covered_rest = covered[:stay]
        self.full = None
        if not held.left:
            took = (turn_of(one) for one in reversed(covered[:stay]) if id(one) in self._steps)
            self.full = next(took, SOONEST)
        return held, since


def _place(listed: list[Running], since: Right, lying: Lying) -> int:
    """Where those from a right on begin."""
    return bisect_left(listed, since, key=lying.right)
