"""The nodes of a fast run: what is held of each, and which are not to be had for a while."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.core.cluster.hardware import Cordon, NodeState
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.verdicts import never_fits
from quarterdeck.sim.fast.story import OutageKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Demand, Grant
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.core.cluster.room import Room
    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.sim.fast.story import Outage

SITE: Final = "simulated"


class FastSite:
    """See the module."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = tuple(nodes)
        self._nodes = {node.name: node for node in nodes}
        self._empty = self._capacity = capacity_of([room_of(SITE, node, ()) for node in nodes])
        self._fits_ever: dict[Demand, str | None] = {}
        self._held: dict[str, dict[JobId, list[Grant]]] = {node.name: {} for node in nodes}
        self._losses: Counter[str] = Counter()
        self._cordons: Counter[str] = Counter()
        self._changed: set[str] = set()

    def why_never(self, demand: Demand) -> str | None:
        """Why a demand would not even fit if nothing ran and every node were there; else None."""
        if demand not in self._fits_ever:
            verdict = never_fits(demand, self._empty)
            self._fits_ever[demand] = None if verdict is None else verdict.message
        return self._fits_ever[demand]

    def capacity(self) -> Capacity:
        """What is free, as of now."""
        if self._changed:
            rooms = [self._room(name) for name in sorted(self._changed)]
            self._capacity = self._capacity.replaced(rooms)
            self._changed.clear()
        return self._capacity

    def holders_of(self, node: str) -> list[JobId]:
        """The jobs that hold something of a node."""
        return list(self._held.get(node, {}))

    def hold(self, job_id: JobId, grants: Iterable[Grant]) -> None:
        """A job has got these."""
        for grant in grants:
            self._held[grant.node].setdefault(job_id, []).append(grant)
            self._changed.add(grant.node)

    def release(self, job_id: JobId, grants: Iterable[Grant]) -> None:
        """A job has let go of all that it held."""
        for grant in grants:
            self._held[grant.node].pop(job_id, None)
            self._changed.add(grant.node)

    def close(self, outage: Outage) -> None:
        """A node is not to be had any more. `KeyError` for one that is not there."""
        self._count(outage)[self._nodes[outage.node].name] += 1
        self._changed.add(outage.node)

    def open(self, outage: Outage) -> None:
        """That outage is over; another one of the same node may go on."""
        self._count(outage)[outage.node] -= 1
        self._changed.add(outage.node)

    def _count(self, outage: Outage) -> Counter[str]:
        return self._losses if outage.kind is OutageKind.LOSS else self._cordons

    def _room(self, name: str) -> Room:
        node = self._nodes[name]
        if self._losses[name]:
            node = replace(node, state=NodeState.DOWN)
        cordons = (Cordon(name, None, "an outage", "simulated", 0),) if self._cordons[name] else ()
        held = [grant for grants in self._held[name].values() for grant in grants]
        return room_of(SITE, node, held, cordons)
