"""Nodes that get nothing new for a while, as what was to start there did not.

Slurm knows nothing of such a fault and would give the node to one job after the other.
"""

from __future__ import annotations

from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Final

from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.core.jobs.reasons import Reason

if TYPE_CHECKING:
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.core.jobs.events import Sighting

FAULT_S: Final = 600.0
"""How long a node is kept out through a fault of its own. Then one job tries it again."""
CLOCK: Final = "the clock of this node "
"""How the runner's word begins when the node's clock is wrong."""


class Avoided:
    """See the module."""

    def __init__(self) -> None:
        self._until: dict[str, tuple[float, str]] = {}

    def add(self, node: str, why: str, span_s: float = FAULT_S) -> None:
        """Keep it out from now on."""
        self._until[node] = (monotonic() + span_s, why)

    def judge(self, sighting: Sighting, node: str) -> None:
        """Keep the node out if a replica never began there as its clock is wrong."""
        if sighting.reason is Reason.SETUP_FAILED and sighting.message.startswith(CLOCK):
            self.add(node, f"its runner did not start: {sighting.message}")

    def reasons(self) -> dict[str, str]:
        """Those that are kept out now, and why."""
        now = monotonic()
        self._until = {node: one for node, one in self._until.items() if one[0] > now}
        return {node: why for node, (_, why) in self._until.items()}

    def offer(self, nodes: tuple[Node, ...]) -> tuple[Node, ...]:
        """The nodes, without these for new work."""
        reasons = self.reasons()
        if not reasons:
            return nodes
        return tuple(
            replace(node, state=NodeState.DRAINED, reason=reasons[node.name])
            if node.name in reasons and node.state is NodeState.READY
            else node
            for node in nodes
        )
