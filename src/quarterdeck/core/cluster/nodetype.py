"""Types of nodes: what all machines of one model have in common, and nodes made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.core.cluster.hardware import Device, Location, Node, NodeTopology

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class FabricShape:
    """How nodes of a type are cabled where they are built in numbers: one leaf switch a rail serves
    the `nodes_per_unit` nodes of a scalable unit. `nodes_withheld` give their place on the leaves
    to what manages the fabric."""

    switch_ports: int
    nodes_per_unit: int
    nodes_per_rack: int = 1
    nodes_withheld: int = 0


@dataclass(frozen=True, slots=True)
class NodeType:
    """One model of machine. Power and rack units are 0 where they are not known (cloud)."""

    name: str
    cpus: int
    memory_bytes: int
    gpus: int = 0
    gpu_model: str = ""
    gpu_memory_bytes: int = 0
    topology: NodeTopology | None = None
    has_mig: bool = False
    power_w: int = 0
    rack_units: int = 0
    prefix: str = "node"
    title: str = ""
    fabric: FabricShape | None = None
    source: str = ""

    @property
    def rails(self) -> int:
        """How many rails its network interfaces are plugged into."""
        return len(set(self.topology.rails)) if self.topology is not None else 0


def nodes_of(
    kind: NodeType, names: Iterable[str], locations: Iterable[Location], *, pretend: bool = True
) -> tuple[Node, ...]:
    """Nodes of a type, one for each name, each at its location. Their GPUs are made up: only
    imaginary ones may be cut into slices on such a word."""
    return tuple(
        Node(
            name=name,
            cpus=kind.cpus,
            memory_bytes=kind.memory_bytes,
            devices=tuple(
                Device(f"GPU-pretend-{name}-{gpu}", kind.gpu_model, kind.gpu_memory_bytes)
                for gpu in range(kind.gpus)
            ),
            pretend=pretend,
            topology=kind.topology,
            location=location,
            may_slice=pretend and kind.has_mig,
        )
        for name, location in zip(names, locations, strict=True)
    )


def locate_in_units(kind: NodeType, count: int) -> tuple[Location, ...]:
    """Where the nodes of a type stand when they fill racks and units one after the other. Nowhere
    that is known, for types that are not built in units."""
    shape = kind.fabric
    if shape is None:
        return (Location(),) * count
    return tuple(
        Location(
            rack=f"r{index % shape.nodes_per_unit // shape.nodes_per_rack + 1}",
            unit=f"su{index // shape.nodes_per_unit + 1}",
        )
        for index in range(count)
    )
