"""What each team is guaranteed of a cluster, and people of it, as values.

A guarantee is held in *cells*, not in counts: eight single GPUs on eight nodes are no room for a
job that needs a node (Zhao et al., "HiveD", OSDI 2020). A cell is room for one replica on one node,
as a job file asks for it: so many GPUs of a model, or a whole node. Cells may have to lie within
one rack or unit, all of them together.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.demand import Level, Resources
from quarterdeck.core.cluster.gpus import format_gpus

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WHOLE_NODE: Final = Resources()
Kind = tuple[Resources, Level | None]
"""What a cell is, and in what all of one kind lie together."""


@dataclass(frozen=True, slots=True)
class Cells:
    """So many cells of one shape, each on a node or a part of one: `resources.gpus` GPUs with the
    CPUs and the memory that go with them, or a whole node where that is 0. Slices and shares are
    held as the whole GPUs that they fill. `within`: all of them in one of these."""

    count: int
    resources: Resources = WHOLE_NODE
    within: Level | None = None

    @property
    def kind(self) -> Kind:
        """What each of them is."""
        return self.resources, self.within

    def __str__(self) -> str:
        """For people, for example `10 nodes` or `2 × A100:4 within one rack`."""
        if self.resources.gpus:
            said = f"{self.count} × {format_gpus(self.resources)}"
        else:
            said = f"{self.count} node{'s'[: self.count > 1]}"
        return said if self.within is None else f"{said} within one {self.within.value}"


@dataclass(frozen=True, slots=True)
class Cap:
    """So many GPUs at once at most, of these models or of any."""

    gpus: int
    models: tuple[str, ...] = ()

    def __str__(self) -> str:
        """For people, as the file has it: `A100:16`."""
        if self.models:
            return f"{'|'.join(self.models)}:{self.gpus}"
        return f"{self.gpus} GPU{'s'[: self.gpus != 1]}"


@dataclass(frozen=True, slots=True)
class Member:
    """One person in a team's pool: the weight where its people take turns, the limits, and which of
    the team's cells are for nobody else."""

    user: str
    weight: float = 1.0
    limit: tuple[Cap, ...] = ()
    guarantee: tuple[Cells, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """What one team is guaranteed, its people's included, what it may hold at most, and its weight
    where teams take turns. `people` are those of whom the pool says anything."""

    team: str
    guarantee: tuple[Cells, ...] = ()
    weight: float = 1.0
    limit: tuple[Cap, ...] = ()
    people: tuple[Member, ...] = ()

    @property
    def shared(self) -> tuple[Cells, ...]:
        """Its cells without those of its people. Raises `Invalid` where one of these is guaranteed
        what is not the team's."""
        left = list(self.guarantee)
        for member in self.people:
            for cells in member.guarantee:
                left = _without(left, cells, f"people.{member.user}.guarantee")
        return tuple(left)


def _without(groups: list[Cells], cells: Cells, field: str) -> list[Cells]:
    """These groups, of which cells of the same kind are somebody's own. What has to lie together
    stays together: of such cells one group of just that count is taken."""
    wanted, left = cells.count, []
    for group in groups:
        taken = min(wanted, group.count) if group.kind == cells.kind else 0
        if cells.within is not None and group.count != cells.count:
            taken = 0
        wanted -= taken
        left += [replace(group, count=group.count - taken)] if taken < group.count else []
    if wanted:
        raise Invalid(
            f"{field}: the team has {wanted} too few for {cells}",
            field=field,
            hint="a person's cells are taken out of the team's guarantee, which needs as many of "
            "the same kind; of cells that lie together a whole entry",
        )
    return left


def pool_name(team: str, user: str) -> str:
    """Of the pool of a person with cells of their own; neither name can have a slash."""
    return f"{team}/{user}"


def parts_of_pool(name: str) -> tuple[str, str]:
    """The team and the user of a pool; no user for a team's own."""
    team, _, user = name.partition("/")
    return team, user


class CellOwners:
    """The pools that hold cells, by name: a person's who has some of a team's as their own, and
    the team's with the rest. Each job is in one of them. A person's come before their team's."""

    def __init__(self, pools: Iterable[Pool]) -> None:
        guarantees: dict[str, tuple[Cells, ...]] = {}
        self._own: dict[tuple[str, str], str] = {}
        for pool in pools:
            for member in pool.people:
                if member.guarantee:
                    name = pool_name(pool.team, member.user)
                    self._own[pool.team, member.user] = name
                    guarantees[name] = member.guarantee
            if shared := pool.shared:
                guarantees[pool.team] = shared
        self.guarantees: Mapping[str, tuple[Cells, ...]] = guarantees

    def pool_of(self, team: str, user: str) -> str:
        """The pool in which the jobs of a person in a team are; the team's name where that is
        guaranteed nothing."""
        return self._own.get((team, user), team)

    def has_own(self, team: str, user: str) -> bool:
        """Whether a person has cells of their own."""
        return (team, user) in self._own
