"""How many GPUs a team, or a person of it, may hold at once, in one plan.

A cap is of some models or of all. Where a job would take its team or its owner beyond one, nodes
with those GPUs are no place for it; where that leaves it no place at all, it waits without holding
up anybody. A share of a GPU counts as its percentage, a slice as its sevenths. What runs when a cap
is lowered goes on. Of a team's cap enough is kept for people with cells of their own.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.cluster.models import is_model
from quarterdeck.core.ledger.usage import COMPUTE_SLICES, gpus_of
from quarterdeck.core.scheduling.plan import Blocker, Verdict
from quarterdeck.core.scheduling.survey import able_rows
from quarterdeck.core.scheduling.wants import want_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Grant, Resources
    from quarterdeck.core.scheduling.fleet import Fleet
    from quarterdeck.core.scheduling.plan import Placement
    from quarterdeck.core.scheduling.pools import Cap, Member, Pool
    from quarterdeck.core.scheduling.snapshot import Snapshot, Waiting

    Rows = NDArray[np.bool_]

EPS: Final = 1e-6


@dataclass(slots=True)
class _Counted:
    """A cap of a team or of one of its people, the rows with such GPUs, and what is held there.
    `own` are the GPUs of cells that are people's own, `used` how many these people hold."""

    cap: Cap
    who: str
    rows: Rows
    held: float = 0.0
    own: dict[str, float] = field(default_factory=dict)
    used: dict[str, float] = field(default_factory=dict)

    def left(self, owner: str) -> float:
        """How many GPUs more somebody may hold."""
        return self.cap.gpus - self.held - self.kept_from(owner) + EPS

    def kept_from(self, owner: str) -> float:
        """How many are kept for others, who have as many of their own that they do not use."""
        return sum(
            max(0.0, gpus - self.used.get(user, 0.0))
            for user, gpus in self.own.items()
            if user != owner
        )

    def hold(self, owner: str, gpus: float) -> None:
        """Somebody holds so many more, or fewer."""
        self.held += gpus
        if owner in self.own:
            self.used[owner] = self.used.get(owner, 0.0) + gpus


class Caps:
    """See the module."""

    def __init__(self, snapshot: Snapshot, pools: Iterable[Pool], fleet: Fleet) -> None:
        self._fleet = fleet
        self._of_team: dict[str, list[_Counted]] = {}
        self._of_member: dict[tuple[str, str], list[_Counted]] = {}
        for pool in pools:
            if pool.limit:
                who = f"team {pool.team}"
                counted = [self._counted(cap, who) for cap in pool.limit]
                for each in counted:
                    each.own = self._own_under(each, pool.people)
                self._of_team[pool.team] = counted
            for member in pool.people:
                if member.limit:
                    who = f"user {member.user} in team {pool.team}"
                    counted = [self._counted(cap, who) for cap in member.limit]
                    self._of_member[pool.team, member.user] = counted
        if self._of_team or self._of_member:
            for one in snapshot.running:
                for each in self._list(one.team, one.owner):
                    each.hold(one.owner, self._held(each, one.site, one.grants))

    def find(self, waiting: Waiting) -> Capped | None:
        """What bounds a job; None for nothing."""
        counted = self._list(waiting.team, waiting.owner)
        return Capped(self._fleet, waiting, counted) if counted and waiting.demand.gpus else None

    def _list(self, team: str, owner: str) -> list[_Counted]:
        return [*self._of_team.get(team, ()), *self._of_member.get((team, owner), ())]

    def _counted(self, cap: Cap, who: str) -> _Counted:
        fleet = self._fleet
        if not cap.models:
            return _Counted(cap, who, np.ones(len(fleet.nodes), bool))
        kinds = [
            number
            for number, kind in enumerate(fleet.kinds)
            if any(is_model(kind.model, model) for model in cap.models)
        ]
        return _Counted(cap, who, np.any(np.isin(fleet.kind, kinds), axis=1).astype(bool))

    def _own_under(self, counted: _Counted, people: Iterable[Member]) -> dict[str, float]:
        """The GPUs of the cells that are people's own, as far as their models are under the cap; of
        a whole node as many as the largest has."""
        largest = float(self._fleet.gpus[counted.rows].max(initial=0))
        models = counted.cap.models
        return {
            one.user: sum(
                cells.count * (cells.resources.gpus or largest)
                for cells in one.guarantee
                if not models or set(cells.resources.gpu_models) & set(models)
            )
            for one in people
            if one.guarantee
        }

    def _held(self, counted: _Counted, site: str, grants: Iterable[Grant]) -> float:
        """What of these is on rows of a cap."""
        rows = ((self._fleet.rows.get((site, one.node)), one) for one in grants)
        return gpus_of(one for row, one in rows if row is not None and counted.rows[row])


@dataclass(slots=True)
class Capped:
    """One job, bounded by caps. Of a gang that takes what is free `waiting` asks for no more than
    they leave."""

    fleet: Fleet
    waiting: Waiting
    counted: list[_Counted]
    _rows: Rows | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Take as many nodes as may be."""
        demand = self.waiting.demand
        if demand.nodes_max is not None:
            each = self._gpus() / demand.nodes
            most = min(
                (int(self._left(one) / each) for one in self.counted), default=demand.nodes_max
            )
            nodes = max(demand.nodes, min(demand.nodes_max, most))
            self.waiting = replace(self.waiting, demand=replace(demand, nodes_max=nodes))

    @property
    def rows(self) -> Rows:
        """Where it may lie now."""
        if self._rows is None:
            found = np.ones(len(self.fleet.nodes), bool)
            for one in self._reached():
                found &= ~one.rows
            self._rows = found
        return self._rows

    @property
    def is_shut(self) -> bool:
        """Whether it fits nowhere but beyond a cap."""
        if not self._reached():
            return False
        demand = self.waiting.demand
        every = np.arange(len(self.fleet.nodes))
        able = able_rows(self.fleet, demand.resources, every)
        return int(self.rows[able].sum()) < demand.nodes <= len(able)

    def take(self, site: str, nodes: Iterable[str], gpus: float | None = None) -> None:
        """It was placed there, or room is made for it; so many GPUs, or as many as it asks for."""
        held = self._gpus() if gpus is None else gpus
        lies = [self.fleet.rows[site, node] for node in nodes]
        for one in self.counted:
            on_them = sum(bool(one.rows[row]) for row in lies)
            one.hold(self.waiting.owner, held * on_them / max(1, len(lies)))
        self._rows = None

    def verdict(self) -> Verdict:
        """Why it waits."""
        one = min(self._reached(), key=self._left)
        needs, held = self._gpus(), one.held
        kind = f"{' or '.join(one.cap.models)} GPUs" if one.cap.models else "GPUs"
        kept = one.kept_from(self.waiting.owner)
        aside = f", and {kept:.3g} are kept for people of it" if kept > EPS else ""
        when = "when enough of its jobs have ended"
        if needs > one.cap.gpus + EPS:
            when = "only once it is raised, as it takes more than that by itself"
        return Verdict(
            self.waiting.job_id,
            Blocker.POOL_LIMIT,
            f"{one.who} may hold {one.cap.gpus} {kind} at once and holds {held:.3g}{aside}; this "
            f"takes {needs:.3g}",
            hint=f"it starts {when}; `qd pool show {self.waiting.team}` tells the limits, which an "
            "admin may raise",
            numbers={"gpus_held": round(held), "gpus_max": one.cap.gpus},
        )

    def _reached(self) -> list[_Counted]:
        needs = self._gpus()
        return [one for one in self.counted if needs > self._left(one)]

    def _left(self, one: _Counted) -> float:
        return one.left(self.waiting.owner)

    def _gpus(self) -> float:
        """What it takes at least."""
        demand = self.waiting.demand
        groups = (
            (demand.nodes, demand.resources),
            *((g.nodes, g.resources) for g in demand.beside),
        )
        return sum(nodes * _size(wanted, self.fleet) for nodes, wanted in groups)


def within_caps(within: Rows | None, capped: Capped | None) -> Rows | None:
    """These rows, or all, as far as caps leave them."""
    if capped is None or capped.rows.all():
        return within
    return capped.rows if within is None else within & capped.rows


def note_placed(capped: Capped | None, placement: Placement) -> None:
    """A job that may be bounded was placed."""
    if capped is not None:
        grants = placement.grants
        capped.take(placement.site, [one.node for one in grants], gpus_of(grants))


def _size(wanted: Resources, fleet: Fleet) -> float:
    """In GPUs, on one node."""
    if wanted.gpu_unit is GpuUnit.WHOLE:
        return float(wanted.gpus)
    if wanted.gpu_profile:
        return wanted.gpus * int(wanted.gpu_profile[0]) / COMPUTE_SLICES
    return wanted.gpus * want_of(wanted, fleet.kinds).part
