"""How a job of so many processors lies on nodes, for files that only count processors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.demand import Demand, Resources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.core.cluster.hardware import Node


@dataclass(frozen=True, slots=True)
class Machine:
    """What the cluster's nodes have. `cpus` of the largest node; `gpus` of the one with the most,
    and its CPUs; `models` are all GPU models."""

    cpus: int
    gpus: int = 0
    gpu_node_cpus: int = 0
    models: frozenset[str] = frozenset()

    def spread(
        self,
        cpus: int,
        gpus: int = 0,
        memory_bytes: int = 0,
        *,
        nodes: int | None = None,
        model: str | None = None,
    ) -> Demand:
        """So much in all, on as few nodes as can hold it, or on `nodes`; each takes an equal part,
        rounded up."""
        if nodes is None:
            room = self.gpu_node_cpus if gpus else self.cpus
            if gpus and not self.gpus:
                raise Invalid(f"it wants {gpus} GPUs, and the cluster has none")
            nodes = max(1, _parts(cpus, max(1, room)), _parts(gpus, max(1, self.gpus)))
        each = Resources(
            _parts(gpus, nodes),
            model,
            _parts(cpus, nodes),
            _parts(memory_bytes, nodes),
        )
        return Demand(nodes, each)


def machine_of(nodes: Sequence[Node]) -> Machine:
    """What these nodes have."""
    most = max(nodes, key=lambda node: (len(node.devices), node.cpus))
    return Machine(
        max(node.cpus for node in nodes),
        len(most.devices),
        most.cpus,
        frozenset(device.model for node in nodes for device in node.devices),
    )


def _parts(whole: int, of: int) -> int:
    return -(-whole // of)
