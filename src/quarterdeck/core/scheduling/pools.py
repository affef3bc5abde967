"""What each team is guaranteed of a cluster, as values.

A guarantee is held in *cells*, not in counts: eight single GPUs on eight nodes are no room for a
job that needs a node (Zhao et al., "HiveD", OSDI 2020). A cell is room for one replica on one node,
as a job file asks for it: so many GPUs of a model, or a whole node. Cells may have to lie within
one rack or unit, all of them together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from quarterdeck.core.cluster.demand import Level, Resources
from quarterdeck.core.cluster.gpus import format_gpus

WHOLE_NODE: Final = Resources()


@dataclass(frozen=True, slots=True)
class Cells:
    """So many cells of one shape, each on a node or a part of one: `resources.gpus` GPUs with the
    CPUs and the memory that go with them, or a whole node where that is 0. Slices and shares are
    held as the whole GPUs that they fill. `within`: all of them in one of these."""

    count: int
    resources: Resources = WHOLE_NODE
    within: Level | None = None

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
    """One person in a team's pool: the weight where its people take turns, and the limits."""

    user: str
    weight: float = 1.0
    limit: tuple[Cap, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """What one team is guaranteed, what it may hold at most, and its weight where teams take turns.
    `people` are those of whom the pool says anything."""

    team: str
    guarantee: tuple[Cells, ...] = ()
    weight: float = 1.0
    limit: tuple[Cap, ...] = ()
    people: tuple[Member, ...] = ()

    @property
    def gpus(self) -> int:
        """The GPUs of its cells, as far as they name any; whole nodes count as none."""
        return sum(cells.count * cells.resources.gpus for cells in self.guarantee)
