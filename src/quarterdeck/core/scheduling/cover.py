"""What the cells of teams cover in one plan: of what runs, and of what the plan starts.

Those that were started within the guarantee come first, so that nobody loses cover because somebody
else has gone; then what this plan starts. Cells that are left cover what borrows, but not those for
which jobs of the team wait that come before it, and not where others need the node for a job that
room was made for. What that is before the plan is kept from plan to plan (`standing`); what the
plan changes of it, it changes for itself.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.core.scheduling.borrowers import key_of
from quarterdeck.core.scheduling.claims import count_claimed, turn_of
from quarterdeck.core.scheduling.shapes import EPS
from quarterdeck.core.scheduling.standing import Keeper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.scheduling.borrowers import Key
    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.core.scheduling.cells import Binding
    from quarterdeck.core.scheduling.holdings import Footprint
    from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot


@dataclass(frozen=True, slots=True)
class _Granted:
    """What this plan gives to a job, or leaves to one that goes, and what covers it."""

    site: str
    grants: tuple[Grant, ...]
    spot: Footprint
    binding: Binding | None
    left_to: Key | None = None


@dataclass(slots=True)
class _Changed:
    """The jobs of a team whose cells this plan looked at again, and those that no cells cover; of
    those that go for a job of their team, what they keep may be `lent` as well."""

    covered: list[Running]
    borrowed: list[Running]
    lent: set[int]


class Cover:
    """See the module."""

    def __init__(
        self,
        capacity: Capacity,
        snapshot: Snapshot,
        policy: Policy,
        keeper: Keeper | None = None,
    ) -> None:
        self._kept = Keeper() if keeper is None else keeper
        self._kept.look(capacity, snapshot, policy)
        self.book = self._kept.book.forked()
        self._now_ns = snapshot.now_ns
        self._granted: dict[str, list[_Granted]] = defaultdict(list)
        self._dropped: set[Key] = set()
        self._changed: dict[str, _Changed] = {}
        self._short: int | None = None
        self.cells_last = 0
        """How many cells the last grant took that were bound to nothing."""

    @property
    def borrowed(self) -> list[Running]:
        """All that no cells cover."""
        found = list(self._kept.outside.values())
        for team in self.book.teams:
            found += self._borrowed_of(team)
        return found

    @property
    def leaving(self) -> list[Running]:
        """All that is being stopped."""
        return list(self._kept.leaving.values())

    @property
    def shortfall(self) -> int:
        """How many guaranteed cells no node is left for: some are down, or too much was said."""
        if self._short is None:
            self._short = self.book.shortfall()
        return self._short

    @property
    def granted(self) -> list[tuple[str, Grant]]:
        """What this plan gives to jobs that are covered, and promises them of what comes free."""
        all_granted = (one for granted in self._granted.values() for one in granted)
        given = (one for one in all_granted if one.left_to is None)
        return [(one.site, grant) for one in given for grant in one.grants]

    @property
    def has_elastic(self) -> bool:
        """Whether anything runs that could give up some of its nodes and go on."""
        return bool(self._kept.elastic)

    def covered_of(self, team: str) -> list[Running]:
        """Those of a team that its cells cover."""
        if team in self._changed:
            return self._changed[team].covered
        held = self._kept.teams.get(team)
        return [] if held is None else held.covered_owed + held.covered_rest

    def borrowed_on(self, row: int) -> list[tuple[Running, Grant]]:
        """What lies on a node that no cells cover and that may be made to go now."""
        here = self._kept.here.get(row, ())
        if not self._changed:
            able = self._kept.lent.able
            return [pair for pair in here if id(pair[0]) in able]
        return [pair for pair in here if self._lends(pair[0]) and self.may_go(pair[0])]

    def may_go(self, one: Running) -> bool:
        """Whether somebody who borrows may be made to go now for who is owed the nodes."""
        return one.is_preemptible and self._kept.lent.may_go_ns(one) <= self._now_ns

    def next_turn_ns(self) -> int | None:
        """When the next of those that borrow has run so long that it may be made to go."""
        turns = [self._kept.staying.next_turn_ns()]
        if self._changed:
            turns += [self._kept.lent.may_go_ns(one) for one in self.borrowed if one.is_preemptible]
        else:
            turns.append(self._kept.lent.next_turn_ns())
        later = (at_ns for at_ns in turns if at_ns is not None)
        return min((at_ns for at_ns in later if at_ns > self._now_ns), default=None)

    def grant(self, team: str, site: str, grants: tuple[Grant, ...]) -> bool:
        """Whether cells of the team cover this and leave nodes for all other cells: then they do
        from now on."""
        is_watched = not self.book.are_alike
        before = self.shortfall if is_watched else 0
        spot = self.book.spot_of(site, grants)
        binding = self.book.bind(team, spot)
        if binding is None:
            return False
        if binding.steps:
            self._short = None
            if is_watched and self.shortfall > before:
                self.book.undo(binding)
                self._short = before
                return False
        self._granted[team].append(_Granted(site, grants, spot, binding))
        self.cells_last = len(binding.steps)
        return True

    def take_back(self, team: str) -> None:
        """What was granted last to a team is not."""
        binding = self._granted[team].pop().binding
        if binding is not None:
            self.book.undo(binding)
            self._short = None

    def go_without(self, team: str, gone: Sequence[Running]) -> None:
        """The cells of a team as if these of its jobs had gone."""
        if not self.book.has(team):
            return
        short = 0 if self.book.are_alike else self.shortfall
        before = self._borrowed_of(team)
        kept = self._kept.teams[team]
        without = {*map(key_of, gone), *self._dropped}
        covered: list[Running] = []
        borrowed: list[Running] = []
        self.book.release(team)
        for one in kept.owed:
            if key_of(one) not in without:
                is_bound = self.book.bind(team, self._kept.spot(one)) is not None
                (covered if is_bound else borrowed).append(one)
        self._granted[team] = [
            replace(one, binding=self.book.bind(team, one.spot)) for one in self._granted[team]
        ]
        for one in kept.rest:
            if key_of(one) not in without:
                (covered if self._covers(one, short) else borrowed).append(one)
        self._note_stuck(before, -1)
        self._note_stuck(borrowed, 1)
        bare = {one.left_to for one in self._granted[team] if one.binding is None}
        lent = [one for one in (*kept.owed, *kept.rest) if key_of(one) in bare]
        self._changed[team] = _Changed(covered, borrowed, set(map(id, (*borrowed, *lent))))
        self._short = None

    def drop(self, team: str, gone: Sequence[Running]) -> None:
        """These will go for a job of their team, which covers what they keep as before."""
        self._dropped.update(key_of(one) for one in gone)
        rests = [one.rest for one in gone if one.keeps]
        for rest in rests:
            spot = self.book.spot_of(rest.site, rest.grants)
            stays = _Granted(rest.site, rest.grants, spot, binding=None, left_to=key_of(rest))
            self._granted[team].append(stays)
        if rests:
            # As long as all of them seemed to go, what borrows may have been covered instead.
            self.go_without(team, ())

    def note_stayer(self, site: str, grants: tuple[Grant, ...]) -> None:
        """This was placed on what nobody's cells need."""
        spot = self.book.spot_of(site, grants)
        self.book.note_stuck(spot)
        self.book.note_staying(spot)
        self._short = None

    def _lends(self, one: Running) -> bool:
        changed = self._changed.get(self.book.pool_of(one))
        return one in self._kept.lent if changed is None else id(one) in changed.lent

    def _borrowed_of(self, team: str) -> list[Running]:
        if team in self._changed:
            return self._changed[team].borrowed
        held = self._kept.teams[team]
        return held.lent_owed + held.lent_rest

    def _covers(self, one: Running, short: int) -> bool:
        """Whether cells cover it that no job waits for which comes before it, and cells of others
        that must lie together, or are parts of nodes, still find a node."""
        team = self.book.pool_of(one)
        binding = self.book.bind(team, self._kept.spot(one))
        if binding is None:
            return False
        if not binding.steps:
            return True
        left = self.book.count_left(team)
        had = left + len(binding.steps)
        claims = self._kept.claims.get(team, ())
        bound = self.book.holding(team).bound
        is_claimed = bool(claims) and count_claimed(claims, turn_of(one), had, bound) > left
        is_watched = not self.book.are_alike
        if (
            is_claimed
            or self._is_awaited(binding)
            or (is_watched and self.book.shortfall() > short)
        ):
            self.book.undo(binding)
            return False
        return True

    def _is_awaited(self, binding: Binding) -> bool:
        """Whether it takes of a node what teams need there for jobs that room was made for."""

        def lacks(row: int) -> float:
            return sum(
                max(0.0, due - self.book.holding(team).bound.get(row, 0.0))
                for team, due in self._kept.due_on(row)
            )

        rows = [step.row for step in binding.steps]
        return any(self.book.room_on(row) < lacks(row) - EPS for row in rows)

    def _note_stuck(self, listed: Sequence[Running], sign: int) -> None:
        for one in listed:
            if not self.may_go(one):
                self.book.note_stuck(self._kept.spot(one), sign)
