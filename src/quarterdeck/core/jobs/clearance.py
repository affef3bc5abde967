"""Where room was made for a job that waits, or what one keeps that gives up some of its nodes:
until it starts, what comes free there is its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.core.cluster.demand import Grant

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Clearance:
    """Others were stopped so that it can start on these nodes of a site. `cells` are how many of
    its team's guaranteed cells that takes that were bound to nothing before. Where it `is_kept`
    the nodes are the job's own: it gives up others, and goes on with these.

    Where jobs move (`core/scheduling/moving`) it is told to the device: just these `grants` are for
    the job that others make room for, or for one that `is_moved` and goes on with them."""

    site: str
    nodes: tuple[str, ...]
    cells: int = 0
    is_kept: bool = False
    grants: tuple[Grant, ...] = ()
    is_moved: bool = False

    def without(self, nodes: Iterable[str]) -> Clearance | None:
        """What is left of it once something of the job was placed on these; None for nothing."""
        placed = frozenset(nodes)
        left = tuple(node for node in self.nodes if node not in placed)
        return replace(self, nodes=left) if left else None

    def joined(self, other: Clearance) -> Clearance:
        """Both together, for two tasks of one job."""
        nodes = tuple(dict.fromkeys((*self.nodes, *other.nodes)))
        return Clearance(self.site, nodes, self.cells + other.cells)
