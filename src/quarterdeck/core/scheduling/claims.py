"""Who of a team comes before whom, and how many cells those that wait keep from what borrows."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.holdings import Footprint
from quarterdeck.core.scheduling.snapshot import came_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from quarterdeck.core.cluster.demand import Demand
    from quarterdeck.core.scheduling.cells import CellBook
    from quarterdeck.core.scheduling.snapshot import Running, Snapshot, Waiting

Turn = tuple[bool, int, int, str]
"""The place of a job among those of its team."""
Right = tuple[()] | tuple[int] | tuple[int, Turn | tuple[()]] | tuple[int, Turn, int]
"""What `by_right` gives, or what is before, after or between those."""

NOWHERE: Final = Footprint((), ())


class Claim(NamedTuple):
    """A job that waits: how many cells it needs, and how many there are of it. One that
    `holds_all` is not passed on cells of its team any more."""

    turn: Turn
    cells: int
    tasks: int
    holds_all: bool = False
    cleared: Footprint = NOWHERE
    """Where room was made for it, and how much of each node it takes at most."""

    @property
    def is_cleared(self) -> bool:
        """Whether others were stopped for it."""
        return not self.turn[0]


Claims = tuple[Claim, ...]


def turn_of(one: Running | Waiting, *, is_cleared: bool = False) -> Turn:
    """Its place among the jobs of its team: before all others if others were stopped for it."""
    return (not is_cleared, -one.priority, *came_of(one))


def by_right(one: Running) -> tuple[int, Turn, int]:
    """Those that were started within the guarantee as they started, the others by their turn."""
    return (one.started_at_ns if one.is_owed else 0, turn_of(one), one.task or 0)


def claims_of(snapshot: Snapshot, book: CellBook, patience_s: float) -> dict[str, Claims]:
    """Of each team that is guaranteed anything, who waits, in its order. For whom room was made it
    is known how many cells that takes."""
    claims: dict[str, list[Claim]] = defaultdict(list)
    has_cells: dict[tuple[str, Demand], bool] = {}
    for one in snapshot.waiting:
        team = book.pool_of(one)
        if not book.has(team) or not (ready := one.ready(snapshot.now_ns)):
            continue
        if one.clearance is not None:
            cleared = book.cleared_of(one.clearance, one.demand)
            turn = turn_of(one, is_cleared=True)
            claim = Claim(turn, one.clearance.cells, 1, cleared=cleared)
        else:
            holds_all = False
            if (snapshot.now_ns - one.submitted_at_ns) / NS_PER_S >= patience_s:
                key = (team, one.demand)
                if key not in has_cells:
                    has_cells[key] = book.has_cells_for(*key)
                holds_all = has_cells[key]
            claim = Claim(turn_of(one), one.demand.nodes, len(ready), holds_all)
        claims[team].append(claim)
    return {team: tuple(sorted(listed)) for team, listed in claims.items()}


def claims_before(claims: Claims, turn: Turn) -> Claims:
    """Those that come before a turn."""
    return tuple(claim for claim in claims if claim.turn < turn)


def count_claimed(claims: Iterable[Claim], turn: Turn, cells: int, bound: Container[int]) -> int:
    """How many of so many cells jobs of the team wait for that come before a turn: of those for
    which there are enough, and all while one has waited for the policy's patience. For whom room
    was made has its share in any case: what it counted on may be bound by now, or not any more.
    `bound` are the rows where cells of the team are."""
    claimed = 0
    for claim in claims:
        if claim.turn < turn:
            if claim.holds_all:
                return cells
            if claim.is_cleared:
                needed = max(claim.cells, sum(row not in bound for row in claim.cleared.rows))
                claimed += min(needed, cells - claimed)
                continue
            claimed += claim.cells * min(claim.tasks, (cells - claimed) // max(1, claim.cells))
    return claimed
