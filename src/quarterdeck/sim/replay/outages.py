"""The nodes of a site and what was the matter with them, from the log of events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Refused
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.events import Cordoned, SiteEvent, SiteReported
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.sim.fast.story import Outage, OutageKind

if TYPE_CHECKING:
    from quarterdeck.core.cluster.hardware import Node


@dataclass(slots=True)
class _Closed:
    """A node that is not to be had, since when, and why."""

    since_ns: int
    kind: OutageKind


class Nodes:
    """Takes in a site's events, in their order; from `from_ns` on outages are of interest."""

    def __init__(self, from_ns: int) -> None:
        self._from_ns = from_ns
        self._nodes: dict[str, tuple[str, Node]] = {}
        self._down: dict[str, _Closed] = {}
        self._cordoned: dict[str, _Closed] = {}
        self._over: list[Outage] = []
        self.gpu_cordons = 0

    def take(self, event: SiteEvent) -> None:
        """What comes next."""
        if isinstance(event, SiteReported):
            self._report(event)
        elif event.devices:
            self.gpu_cordons += isinstance(event, Cordoned) and event.at_ns >= self._from_ns
        elif isinstance(event, Cordoned):
            self._cordoned.setdefault(event.node, _Closed(event.at_ns, OutageKind.CORDON))
        else:
            self._end(self._cordoned, event.node, event.at_ns)

    def note_drained(self, names: set[str]) -> None:
        """Something was stopped on one of these nodes because that is drained."""
        for name in names & self._cordoned.keys():
            self._cordoned[name].kind = OutageKind.DRAIN

    def list_nodes(self) -> tuple[Node, ...]:
        """Every node that was ever there, as it was reported last, and whole."""
        found = (node for _, (_, node) in sorted(self._nodes.items()))
        return tuple(replace(node, state=NodeState.READY) for node in found)

    def list_outages(self) -> tuple[Outage, ...]:
        """All that go on after the beginning; one that has not ended never will."""
        lasting = (
            self._outage(name, closed, None)
            for known in (self._down, self._cordoned)
            for name, closed in known.items()
            if name in self._nodes
        )
        return tuple(sorted([*self._over, *lasting], key=lambda one: (one.at_s, one.node)))

    def _report(self, event: SiteReported) -> None:
        reported = {node.name: node for node in event.nodes}
        for name, node in reported.items():
            site, _ = self._nodes.get(name, (event.site, node))
            if site != event.site:
                raise Refused(
                    f"the sites {site} and {event.site} both have a node {name}",
                    field="home",
                    hint="the simulator has one site, so names of nodes must differ",
                )
            if name not in self._nodes:
                self._down[name] = _Closed(self._from_ns, OutageKind.LOSS)
            self._nodes[name] = (event.site, node)
            if node.state is NodeState.READY:
                self._end(self._down, name, event.at_ns)
            else:
                self._down.setdefault(name, _Closed(event.at_ns, OutageKind.LOSS))
        for name, (site, _) in self._nodes.items():
            if site == event.site and name not in reported:
                self._down.setdefault(name, _Closed(event.at_ns, OutageKind.LOSS))

    def _end(self, known: dict[str, _Closed], name: str, at_ns: int) -> None:
        closed = known.pop(name, None)
        if closed is not None and at_ns > max(closed.since_ns, self._from_ns):
            self._over.append(self._outage(name, closed, at_ns))

    def _outage(self, name: str, closed: _Closed, until_ns: int | None) -> Outage:
        since_ns = max(closed.since_ns, self._from_ns)
        for_s = float("inf") if until_ns is None else (until_ns - since_ns) / NS_PER_S
        return Outage(name, (since_ns - self._from_ns) / NS_PER_S, for_s, closed.kind)
