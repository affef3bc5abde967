"""What a site file says: which nodes of which types stand where, and how they are cabled."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.fabric import Fabric
from quarterdeck.core.cluster.hardware import Location, Node
from quarterdeck.core.cluster.nodetype import NodeType, locate_in_units, nodes_of

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """A node by its name, and the name of its type."""

    name: str
    type: str
    location: Location = field(default_factory=Location)


@dataclass(frozen=True, slots=True)
class SitePlan:
    """A site before anything of it is there. `types` are its own; they win over the catalogue's."""

    name: str
    nodes: tuple[PlannedNode, ...] = ()
    country: str = ""
    region: str = ""
    types: tuple[NodeType, ...] = ()
    fabric: Fabric | None = None

    def known_types(self, catalogue: Mapping[str, NodeType]) -> dict[str, NodeType]:
        """The catalogue's and its own."""
        return {**catalogue, **{kind.name: kind for kind in self.types}}

    def imagine(self, catalogue: Mapping[str, NodeType]) -> tuple[Node, ...]:
        """Pretended nodes in its shape."""
        types = self.known_types(catalogue)
        nodes: list[Node] = []
        for name, alike in groupby(self.nodes, lambda node: node.type):
            run = list(alike)
            names, places = [node.name for node in run], [node.location for node in run]
            nodes.extend(nodes_of(types[name], names, places))
        return tuple(nodes)


def plan_superpod(kind: NodeType, units: int, *, name: str = "superpod") -> SitePlan:
    """A site of scalable units full of nodes of one type, and its compute fabric."""
    shape = kind.fabric
    if shape is None:
        raise Invalid(
            f"{kind.name} is not built in scalable units",
            field="type",
            hint="use a type with a fabric, for example dgx-a100, or add one to its entry",
        )
    fabric = Fabric(
        switch_ports=shape.switch_ports,
        nodes_per_unit=shape.nodes_per_unit,
        units=units,
        rails=max(kind.rails, 1),
        nodes_withheld=shape.nodes_withheld,
    )
    digits = len(str(fabric.nodes))
    places = locate_in_units(kind, fabric.nodes)
    nodes = tuple(
        PlannedNode(f"{kind.prefix}-{index:0{digits}d}", kind.name, place)
        for index, place in enumerate(places, start=1)
    )
    return SitePlan(name=name, nodes=nodes, fabric=fabric)
