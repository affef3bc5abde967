"""The nodes of a site and what was the matter with them, from the log of events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Refused
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.events import Cordoned, NodesChanged, SiteEvent, SiteReported
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
        elif isinstance(event, NodesChanged):
            self._note_nodes(event.site, event.nodes, event.at_ns)
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
        """Every node that was ever there, as it was reported last, and whole: others of the site
        have nothing of it."""
        found = (node for _, (_, node) in sorted(self._nodes.items()))
        return tuple(replace(node, state=NodeState.READY, reason="", others=()) for node in found)

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
        self._note_nodes(event.site, event.nodes, event.at_ns)
        reported = {node.name for node in event.nodes}
        for name, (site, _) in self._nodes.items():
            if site == event.site and name not in reported:
                self._down.setdefault(name, _Closed(event.at_ns, OutageKind.LOSS))

    def _note_nodes(self, site: str, nodes: tuple[Node, ...], at_ns: int) -> None:
        """These are as they are told here."""
        for node in nodes:
            name = node.name
            known, _ = self._nodes.get(name, (site, node))
            if known != site:
                raise Refused(
                    f"the sites {known} and {site} both have a node {name}",
                    field="home",
                    hint="the simulator has one site, so names of nodes must differ",
                )
            if name not in self._nodes:
                self._down[name] = _Closed(self._from_ns, OutageKind.LOSS)
            self._nodes[name] = (site, node)
            if node.state is NodeState.READY:
                self._end(self._down, name, at_ns)
            else:
                kind = OutageKind.LOSS if node.state is NodeState.DOWN else OutageKind.CORDON
                if name in self._down and self._down[name].kind is not kind:
                    self._end(self._down, name, at_ns)
                self._down.setdefault(name, _Closed(at_ns, kind))

    def _end(self, known: dict[str, _Closed], name: str, at_ns: int) -> None:
        closed = known.pop(name, None)
        if closed is not None and at_ns > max(closed.since_ns, self._from_ns):
            self._over.append(self._outage(name, closed, at_ns))

    def _outage(self, name: str, closed: _Closed, until_ns: int | None) -> Outage:
        since_ns = max(closed.since_ns, self._from_ns)
        for_s = float("inf") if until_ns is None else (until_ns - since_ns) / NS_PER_S
        return Outage(name, (since_ns - self._from_ns) / NS_PER_S, for_s, closed.kind)
