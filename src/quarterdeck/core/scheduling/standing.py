"""Which of the running jobs the cells of their teams cover, kept from plan to plan.

Between two plans few jobs come and go. A `Keeper` compares what runs with what ran when it was last
asked, and covers anew only the jobs of teams of which that may change anything: it finds the same
as one that is new, sooner (`tests/property/test_kept_cover.py`).

Teams are covered in the order of the policy: first what was started within their guarantees, as it
started; then, in a second round, what borrows, in the order of its turn. So what covers a team
depends on its own jobs, on who of it waits, and on what others have bound where its jobs lie, or
had room made for (`layers`).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from typing import TYPE_CHECKING

from quarterdeck.core.scheduling.cells import CellBook, lot_key
from quarterdeck.core.scheduling.chunks import Chunked
from quarterdeck.core.scheduling.claims import by_right, claims_before, claims_of, turn_of
from quarterdeck.core.scheduling.layers import Layers
from quarterdeck.core.scheduling.lent import Lent, Staying
from quarterdeck.core.scheduling.runs import runs_of
from quarterdeck.core.scheduling.shapes import EPS
from quarterdeck.core.scheduling.team_cover import SOONEST, Lying, TeamCover

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.core.scheduling.claims import Claims, Right
    from quarterdeck.core.scheduling.fleet import Fleet
    from quarterdeck.core.scheduling.holdings import Footprint, Holding, Step
    from quarterdeck.core.scheduling.layers import Changed
    from quarterdeck.core.scheduling.pools import Pool
    from quarterdeck.core.scheduling.reserve import Reserve
    from quarterdeck.core.scheduling.runs import Runs
    from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot


class Keeper:
    """See the module. What it finds is good until it looks again; it is for one thread."""

    def __init__(self) -> None:
        self._of: tuple[Fleet, tuple[Pool, ...], float] | None = None
        self._now_ns = 0
        self._seen: Runs = Chunked()
        self.claims: dict[str, Claims] = {}
        self._claiming: list[TeamCover] = []
        """Of these teams somebody waits, or has when it was last looked."""

    def look(self, capacity: Capacity, snapshot: Snapshot, policy: Policy) -> None:
        """From now on it is about this moment."""
        of = (capacity.fleet, policy.pools, policy.reclaim_after_s)
        is_same = self._of is not None and self._of[0] is of[0] and self._of[1:] == of[1:]
        if not is_same or snapshot.now_ns < self._now_ns:
            self._begin(capacity, policy)
        self._of = None  # It begins anew should anything be raised meanwhile.
        self._now_ns = snapshot.now_ns
        self.book.look(capacity)
        were = self.claims
        self.claims = claims_of(snapshot, self.book, policy.patience_s)
        self._claiming = [self.teams[name] for name in were | self.claims]
        self.lent.look(snapshot.now_ns)
        self.staying.look(snapshot.now_ns)
        before, self._seen = self._seen, runs_of(snapshot.running)
        gone, come = self._seen.changes_since(before)
        for one in gone:
            self._remove(one)
        for one in come:
            self._add(one)
        self._cover_owed()
        self._note_cleared()
        if self.book.are_alike:
            self._note_claims()
            self._cover_rest()
        else:
            self._cover_all_rest()
        for one in gone:
            self._lying.forget(one)
        self._of = of

    def _begin(self, capacity: Capacity, policy: Policy) -> None:
        self.book = CellBook(capacity, policy.pools)
        self.teams = {
            name: TeamCover(name, number, self.book.holding(name))
            for number, name in enumerate(self.book.teams)
        }
        self._in_order = list(self.teams.values())
        self.outside: dict[int, Running] = {}
        """What runs of teams that are guaranteed nothing."""
        self.leaving: dict[int, Running] = {}
        """What is being stopped."""
        self.elastic: set[int] = set()
        """Which of the others ask for fewer nodes than they may have, by identity: nobody else can
        give up any and go on."""
        self.here: dict[int, list[tuple[Running, Grant]]] = defaultdict(list)
        """What lies on each node, and is not being stopped."""
        self.lent = Lent(
            policy.reclaim_after_s, lambda one, sign: self.book.note_stuck(self.spot(one), sign)
        )
        self.staying = Staying(
            policy.reclaim_after_s, lambda one, sign: self.book.note_staying(self.spot(one), sign)
        )
        self._seen = Chunked()
        self.claims = {}
        self._claiming = []
        self._lying = Lying()
        self._layers = Layers(self.book.totals)
        self._dirty_owed: set[int] = set()
        self._since: dict[int, Right] = {}
        """Of which teams the rest is to be looked at, and from which right on."""
        self._given_up: dict[int, list[tuple[int, Right]]] = defaultdict(list)
        """Rows that others gave up where jobs of a team lie that nothing covers, and their
        rights."""

    def cover_of(self, one: Running) -> TeamCover | None:
        """Whose cells are for it; None for who is guaranteed nothing."""
        return self.teams.get(self.book.pool_of(one))

    def spot(self, one: Running) -> Footprint:
        """Where a job lies that is not being stopped, and what it takes."""
        return self._lying.spots[id(one)]

    def due_on(self, row: int) -> list[tuple[str, float]]:
        """The teams for whose jobs room was made on a node, and what of it each has bound within
        its guarantee or will have."""
        numbers = self._layers.cleared_on(row)
        if not numbers:
            return []
        teams = self.teams.items()
        return [(name, team.due_on(row)) for name, team in teams if team.number in numbers]

    def _remove(self, one: Running) -> None:
        if one.is_leaving:
            del self.leaving[id(one)]
            return
        self.elastic.discard(id(one))
        self.staying.remove(one)
        for row in self.spot(one).rows:
            self.here[row] = [pair for pair in self.here[row] if pair[0] is not one]
        team = self.cover_of(one)
        if team is None:
            del self.outside[id(one)]
            self.lent.remove(one)
        elif one.is_owed:
            _take_out(team.owed, one, self._lying.right)
            self._dirty_owed.add(team.number)
        else:
            _take_out(team.rest, one, self._lying.right)
            if one in self.lent:
                _take_out(team.lent_rest, one, self._lying.right)
                self.lent.remove(one)
            else:
                self._mark(team, self._lying.right(one))

    def _add(self, one: Running) -> None:
        if one.is_leaving:
            self.leaving[id(one)] = one
            return
        if one.demand.nodes_max is not None:
            self.elastic.add(id(one))
        spot = self.book.spot_of(one.site, one.grants)
        self._lying.note(one, spot, by_right(one))
        for grant in one.grants:
            row = self.book.fleet.rows.get((one.site, grant.node))
            if row is not None:
                self.here[row].append((one, grant))
        team = self.cover_of(one)
        if team is None or not one.is_owed:
            self.staying.add(one)
        if team is None:
            self.outside[id(one)] = one
            self.lent.add(one)
        elif one.is_owed:
            insort(team.owed, one, key=self._lying.right)
            self._dirty_owed.add(team.number)
        else:
            insort(team.rest, one, key=self._lying.right)
            if self._cannot_cover(team, one, spot):
                insort(team.lent_rest, one, key=self._lying.right)
                self.lent.add(one)
            else:
                self._mark(team, self._lying.right(one))

    def _cover_owed(self) -> None:
        """The first round, of those teams of which anything may have changed."""
        while self._dirty_owed:
            number = min(self._dirty_owed)  # what is found of it concerns only later ones
            self._dirty_owed.remove(number)
            team = self._in_order[number]
            before = team.within
            lent = team.bind_owed(self._lying, self._layers)
            self.lent.renew(*lent)
            self.staying.renew(*lent)
            if team.within is before:
                continue
            self._mark(team, self._first_touched(team))
            changed = self._layers.note_owed(team.number, before.bound, team.within.bound)
            self._note_others(team.number, changed, is_owed=True, is_before_all=True)

    def _note_cleared(self) -> None:
        """Between the rounds: what will be bound where room was made for jobs."""
        for team in self._claiming:
            claims = self.claims.get(team.name, ())
            if team.cleared or (claims and claims[0].is_cleared):
                before = team.bind_cleared(claims, self._layers)
                changed = self._layers.note_cleared(team.number, before, team.cleared)
                self._note_others(team.number, changed, is_before_all=True)

    def _first_touched(self, team: TeamCover) -> Right:
        if not self.book.are_alike:
            return SOONEST

        def on_row(row: int) -> list[Running]:
            return [one for one, _ in self.here.get(row, ()) if self.cover_of(one) is team]

        return team.first_touched(on_row, self._lying)

    def _mark(self, team: TeamCover, right: Right) -> None:
        """The rest of a team from this right on has to be looked at."""
        known = self._since.get(team.number)
        if known is None or right < known:
            self._since[team.number] = right

    def _note_claims(self) -> None:
        """Look at those again for whose jobs others of their team wait now, or do not any more."""
        for team in self._claiming:
            claims = self.claims.get(team.name, ())
            before = claims_before(claims, turn_of(team.rest[-1])) if team.rest else ()
            if before != team.claims:
                team.claims = before
                self._mark(team, SOONEST)

    def _cover_rest(self) -> None:
        """The second round, of those of which anything may have changed."""
        while self._since or self._given_up:
            # What is found of one concerns only later ones.
            number = min([*self._since, *self._given_up])
            team = self._in_order[number]
            if number in self._given_up:
                is_taken = team.is_taken(self._layers)
                for row, right in self._given_up.pop(number):
                    if not is_taken(row):
                        self._mark(team, right)
            if number not in self._since:
                continue
            since = self._since.pop(number)
            before, claims = team.beyond, self.claims.get(team.name, ())
            since = SOONEST if team.claims else since
            self.lent.renew(*team.bind_rest(since, claims, self._lying, self._layers))
            self.book.put(team.name, team.holding)
            changed = self._layers.note_rest(number, before, team.beyond)
            self._note_others(number, changed)

    def _cover_all_rest(self) -> None:
        """The second round where a cell that is bound may leave too little for cells of others
        that must lie together, or are parts of nodes: everything depends on everything."""
        for name, team in self.teams.items():
            self.lent.renew(team.lent_rest, team.rest)
            self.book.put(name, team.within)
        self._layers.forget_rest()
        watch = _Watch(self.book)
        for name, team in self.teams.items():

            def is_shorter(held: Holding, steps: tuple[Step, ...], name: str = name) -> bool:
                return watch.is_shorter(name, held, steps)

            claims = self.claims.get(name, ())
            team.bind_rest(SOONEST, claims, self._lying, self._layers, is_shorter)
            self.book.put(name, team.holding)
            self._layers.note_rest(team.number, {}, team.beyond)
        for team in self.teams.values():
            self.lent.renew(team.rest, team.lent_rest)
        self._since.clear()

    def _cannot_cover(self, team: TeamCover, one: Running, spot: Footprint) -> bool:
        """Whether one of the rest lies somewhere where its team has no cell and cannot have one
        when it is its turn: none is left, or others have the node."""
        if not spot.whole or team.has_no_cell_after(one):
            return team.holding.has_none_for(spot)
        is_taken = team.is_taken(self._layers)
        return self.book.are_alike and any(
            size > EPS and row not in team.holding.bound and is_taken(row)
            for row, size in zip(spot.rows, spot.sizes, strict=True)
        )

    def _note_others(
        self, number: int, changed: Changed, *, is_owed: bool = False, is_before_all: bool = False
    ) -> None:
        """A team, of this number, has bound something on nodes or given it up. What was owed to it,
        and what room was made for, goes before all that borrows, the rest of it only before the
        rest of later teams."""
        for row, more in changed:
            for one, _ in self.here.get(row, ()):
                team = self.cover_of(one)
                if team is None or team.number == number:
                    continue
                if one.is_owed:
                    if is_owed and team.number > number:
                        self._dirty_owed.add(team.number)
                elif is_before_all or team.number > number:
                    self._note_other(team, one, row, more)

    def _note_other(self, team: TeamCover, one: Running, row: int, more: float) -> None:
        """Others have bound so much more, or less, of a node where one of the rest of a team lies:
        look again where that may change what covers the team."""
        if team.has_no_cell_after(one):
            return
        is_bound = row in team.holding.bound
        if not self.book.are_alike or (is_bound and (more > 0 or one in self.lent)):
            self._mark(team, self._lying.right(one))
        elif more < 0 and one in self.lent:
            self._given_up[team.number].append((row, self._lying.right(one)))


class _Watch:
    """Whether cells that must lie together, or are parts of nodes, still find nodes as others are
    bound: it is seen at once where a cell takes what it would have had, or what none would."""

    def __init__(self, book: CellBook) -> None:
        self._book = book
        self._reserve: Reserve | None = book.reserve()
        self._short = self._reserve.short

    def is_shorter(self, name: str, held: Holding, steps: tuple[Step, ...]) -> bool:
        """Whether fewer find any than before, with what this team holds and these steps of it."""
        if self._reserve is not None and all(
            self._reserve.gives(
                lot_key(name, step.place, held.groups[step.place]),
                held.groups[step.place].shape,
                step.row,
            )
            for step in steps
        ):
            return False
        self._book.put(name, held.copy())
        made = self._book.reserve()
        is_shorter = made.short > self._short
        self._reserve = None if is_shorter else made
        return is_shorter


def _take_out(listed: list[Running], one: Running, right_of: Callable[[Running], Right]) -> None:
    """It stands where its right puts it."""
    place = bisect_left(listed, right_of(one), key=right_of)
    while listed[place] is not one:
        place += 1
    del listed[place]
