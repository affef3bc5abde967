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


SiteEvent = SiteReported | Cordoned | Resumed
SITE_EVENTS: Final = (SiteReported, Cordoned, Resumed)


def evolve_site(site: Site | None, event: SiteEvent) -> Site:
    """The site after the event. A cordon outlives reports: a node that comes back is still one
    that somebody does not trust."""
    before = Site(event.site) if site is None else site
    if isinstance(event, SiteReported):
        return replace(before, nodes=event.nodes)
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
