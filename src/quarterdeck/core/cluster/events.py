"""What can happen to a site, as facts, and what they make of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from quarterdeck.core.cluster.hardware import Cordon, Node, Site


@dataclass(frozen=True, slots=True)
class SiteReported:
    """The site's agent reported these nodes; they replace what was known of it."""

    at_ns: int
    site: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class NodesChanged:
    """The site's agent reported all its nodes, and of these the state is another one, or others of
    the site have something else of them. All else is as it was: where others come and go the log
    does not grow by the whole site every time."""

    at_ns: int
    site: str
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Cordoned:
    """Nothing new goes to the node, or to these of its devices, until `Resumed`."""

    at_ns: int
    site: str
    node: str
    devices: tuple[str, ...] = ()
    reason: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Resumed:
    """New work may go to these devices of the node again; without any, to all of the node."""

    at_ns: int
    site: str
    node: str
    devices: tuple[str, ...] = ()
    actor: str = ""


SiteEvent = SiteReported | NodesChanged | Cordoned | Resumed
SITE_EVENTS: Final = (SiteReported, NodesChanged, Cordoned, Resumed)


def news_of(site: Site | None, at_ns: int, name: str, nodes: tuple[Node, ...]) -> SiteEvent | None:
    """What a report of these nodes says that was not known of the site; None for nothing."""
    known = () if site is None else site.nodes
    if site is not None and known == nodes:
        return None
    if [node.name for node in known] != [node.name for node in nodes]:
        return SiteReported(at_ns, name, nodes)
    pairs = list(zip(known, nodes, strict=True))
    if not all(before.is_built_like(after) for before, after in pairs):
        return SiteReported(at_ns, name, nodes)
    changed = tuple(after for before, after in pairs if before != after)
    return NodesChanged(at_ns, name, changed)


def evolve_site(site: Site | None, event: SiteEvent) -> Site:
    """The site after the event. A cordon outlives reports: a node that comes back is still one
    that somebody does not trust."""
    before = Site(event.site) if site is None else site
    if isinstance(event, SiteReported):
        return replace(before, nodes=event.nodes)
    if isinstance(event, NodesChanged):
        changed = {node.name: node for node in event.nodes}
        nodes = tuple(changed.get(node.name, node) for node in before.nodes)
        return replace(before, nodes=nodes)
    named: tuple[str | None, ...] = event.devices or (None,)
    if isinstance(event, Cordoned):
        kept = [one for one in before.cordons if one.node != event.node or one.device not in named]
        new = [
            Cordon(event.node, device, event.reason, event.actor, event.at_ns) for device in named
        ]
        return replace(before, cordons=(*kept, *new))
    kept = [
        one
        for one in before.cordons
        if one.node != event.node or (event.devices and one.device not in event.devices)
    ]
    return replace(before, cordons=tuple(kept))
