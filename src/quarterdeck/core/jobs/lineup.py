"""Which of a job's replicas are of which role."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quarterdeck.core.jobs.roles import MAIN, Role

if TYPE_CHECKING:
    from quarterdeck.core.cluster.demand import Resources
    from quarterdeck.core.jobs.spec import JobSpec


class Part(NamedTuple):
    """The replicas of one role: `size` of them, from the node rank `first` on."""

    role: Role
    resources: Resources
    first: int
    size: int

    @property
    def is_main(self) -> bool:
        """Whether it is the job's own command."""
        return self.first == 0


def parts_of(spec: JobSpec, count: int) -> tuple[Part, ...]:
    """Which of so many replicas are of which role, the job's own first."""
    demand = spec.demand
    first = count - demand.nodes_beside
    own = Role(MAIN, spec.command, spec.ranks_per_node)
    parts = [Part(own, demand.resources, 0, first)]
    for role, group in zip(spec.roles, demand.beside, strict=True):
        parts.append(Part(role, group.resources, first, group.nodes))
        first += group.nodes
    return tuple(parts)


def part_of(spec: JobSpec, count: int, node_rank: int) -> Part:
    """What one of so many replicas is of."""
    return next(
        part for part in parts_of(spec, count) if part.first <= node_rank < part.first + part.size
    )
