"""Which of the running jobs the cells of their teams cover, in one plan, and which borrow.

Those that were started within the guarantee come first, so that nobody loses cover because somebody
else has gone; then what this plan starts. Cells that are left cover what borrows, but not those for
which jobs of the team wait that come before it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.cells import CellBook
from quarterdeck.core.scheduling.snapshot import came_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.core.scheduling.cells import Binding
    from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot, Waiting

Turn = tuple[bool, int, int, str]


class _Claim(NamedTuple):
    """A job that waits: how many cells it needs, and how many there are of it. One that
    `holds_all` is not passed on cells of its team any more."""

    turn: Turn
    cells: int
    tasks: int
    holds_all: bool = False


@dataclass(frozen=True, slots=True)
class _Granted:
    """What this plan gives to a job, and what covers it."""

    site: str
    grants: tuple[Grant, ...]
    binding: Binding | None


class Cover:
    """See the module."""

    def __init__(self, capacity: Capacity, snapshot: Snapshot, policy: Policy) -> None:
        self.book = CellBook(capacity, policy.pools)
        self._now_ns = snapshot.now_ns
        self._reclaim_after_s = policy.reclaim_after_s
        self._patience_s = policy.patience_s
        self._running: dict[str, list[Running]] = defaultdict(list)
        for one in sorted(snapshot.running, key=_by_right):
            if not one.is_leaving:
                self._running[one.team].append(one)
        self._queues = self._queues_of(snapshot)
        self._granted: dict[str, list[_Granted]] = defaultdict(list)
        self._stayers: list[tuple[str, tuple[Grant, ...]]] = []
        self._short = 0
        self.cells_last = 0
        """How many cells the last grant took that were bound to nothing."""
        self._covered: dict[str, list[Running]] = {}
        self._borrowed: dict[str, list[Running]] = {}
        for team in self._running:
            self._cover_owed(team, ())
        self._settle()  # of those that borrow, some stay: no cells can lie there
        for team in self._running:
            self._cover_rest(team)
        self._settle()

    @property
    def borrowed(self) -> list[Running]:
        """All that no cells cover."""
        return [one for held in self._borrowed.values() for one in held]

    @property
    def shortfall(self) -> int:
        """How many guaranteed cells no node is left for: some are down, or too much was said."""
        return self._short

    @property
    def granted(self) -> list[tuple[str, Grant]]:
        """What this plan gives to jobs that are covered, and promises them of what comes free."""
        given = (one for granted in self._granted.values() for one in granted)
        return [(one.site, grant) for one in given for grant in one.grants]

    def covered_of(self, team: str) -> list[Running]:
        """Those of a team that its cells cover."""
        return self._covered.get(team, [])

    def may_go_ns(self, one: Running) -> int:
        """From when on somebody who borrows may be made to go for who is owed the nodes."""
        least_s = max(one.min_runtime_s, self._reclaim_after_s)
        return one.started_at_ns + round(least_s * NS_PER_S)

    def may_go(self, one: Running) -> bool:
        """Whether that is now."""
        return one.is_preemptible and self.may_go_ns(one) <= self._now_ns

    def grant(self, team: str, site: str, grants: tuple[Grant, ...]) -> bool:
        """Whether cells of the team cover this and leave nodes for all other cells: then they do
        from now on."""
        binding = self.book.bind(team, site, grants)
        if binding is None:
            return False
        if binding.steps:
            short = self.book.shortfall()
            if short > self._short:
                self.book.undo(binding)
                return False
            self._short = short
        self._granted[team].append(_Granted(site, grants, binding))
        self.cells_last = len(binding.steps)
        return True

    def take_back(self, team: str) -> None:
        """What was granted last to a team is not."""
        binding = self._granted[team].pop().binding
        if binding is not None:
            self.book.undo(binding)
            if binding.steps:
                self._short = self.book.shortfall()

    def go_without(self, team: str, gone: Sequence[Running]) -> None:
        """The cells of a team as if these of its jobs had gone."""
        self._cover_owed(team, gone)
        self._cover_rest(team)
        self._settle()

    def drop(self, team: str, gone: Sequence[Running]) -> None:
        """These will go for a job of their team."""
        left = set(map(id, gone))
        self._running[team] = [one for one in self._running[team] if id(one) not in left]

    def note_stayer(self, site: str, grants: tuple[Grant, ...]) -> None:
        """This was placed on what nobody's cells need."""
        self._stayers.append((site, grants))
        self._settle()

    def _cover_owed(self, team: str, gone: Sequence[Running]) -> None:
        """Bind the cells of a team to what was started within its guarantee, and to what this plan
        gives it."""
        left = set(map(id, gone))
        here = [one for one in self._running[team] if id(one) not in left]
        self._covered[team], self._borrowed[team] = [], here
        if not self.book.has(team):
            return
        self.book.release(team)
        self._borrowed[team] = []
        for one in here:
            is_bound = one.is_owed and self.book.bind(team, one.site, one.grants) is not None
            (self._covered if is_bound else self._borrowed)[team].append(one)
        self._granted[team] = [
            replace(one, binding=self.book.bind(team, one.site, one.grants))
            for one in self._granted[team]
        ]

    def _cover_rest(self, team: str) -> None:
        """Bind what cells are left to what borrows."""
        if not self.book.has(team):
            return
        borrowed, self._borrowed[team] = self._borrowed[team], []
        for one in borrowed:
            is_bound = not one.is_owed and self._covers(one)
            (self._covered if is_bound else self._borrowed)[team].append(one)

    def _covers(self, one: Running) -> bool:
        """Whether cells cover it that no job waits for which comes before it."""
        binding = self.book.bind(one.team, one.site, one.grants)
        if binding is None:
            return False
        left = self.book.count_left(one.team)
        is_claimed = self._claimed(one, left + len(binding.steps)) > left
        if binding.steps and (is_claimed or self._leaves_too_little()):
            self.book.undo(binding)
            return False
        return True

    def _leaves_too_little(self) -> bool:
        """Whether cells of others that must lie together, or are parts of nodes, find no node any
        more since the last was bound. Whole nodes are alike: there are as many as before."""
        return not self.book.are_whole_nodes and self.book.shortfall() > self._short

    def _claimed(self, one: Running, cells: int) -> int:
        """How many of so many cells jobs of its team wait for that come before it: of those for
        which there are enough, and all while one has waited for the policy's patience."""
        turn, claimed = _turn_of(one), 0
        for other in self._queues[one.team]:
            if other.turn < turn:
                if other.holds_all:
                    return cells
                claimed += other.cells * min(other.tasks, (cells - claimed) // max(1, other.cells))
        return claimed

    def _settle(self) -> None:
        stay = [(one.site, one.grants) for one in self.borrowed if not self.may_go(one)]
        self.book.set_stuck([*stay, *self._stayers])
        self._short = self.book.shortfall()

    def _queues_of(self, snapshot: Snapshot) -> dict[str, list[_Claim]]:
        """Of each team, who waits, in its order. For whom room was made it is known how many cells
        that takes."""
        queues: dict[str, list[_Claim]] = defaultdict(list)
        for one in snapshot.waiting:
            if not self.book.has(one.team) or not (ready := one.ready(snapshot.now_ns)):
                continue
            if one.clearance is not None:
                claim = _Claim(_turn_of(one, is_cleared=True), one.clearance.cells, 1)
            else:
                waited_s = (snapshot.now_ns - one.submitted_at_ns) / NS_PER_S
                holds_all = waited_s >= self._patience_s and self.book.has_cells_for(
                    one.team, one.demand
                )
                claim = _Claim(_turn_of(one), one.demand.nodes, len(ready), holds_all)
            queues[one.team].append(claim)
        for queue in queues.values():
            queue.sort()
        return queues


def _turn_of(one: Running | Waiting, *, is_cleared: bool = False) -> Turn:
    """Its place among the jobs of its team: before all others if others were stopped for it."""
    return (not is_cleared, -one.priority, *came_of(one))


def _by_right(one: Running) -> tuple[int, Turn, int]:
    """Those that were started within the guarantee as they started, the others by their turn."""
    return (one.started_at_ns if one.is_owed else 0, _turn_of(one), one.task or 0)
