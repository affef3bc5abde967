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

FREED_WAITS_S: Final = 5.0
"""How long it may take until it is told that others have less of a site."""
TIMES_WAIT_S: Final = 30.0
"""How long, where only is new who they are or when they end."""


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


def may_wait_s(known: tuple[Node, ...], nodes: tuple[Node, ...]) -> float:
    """How long after the last report of a site the next one may come, in seconds: 0 where a plan
    made meanwhile could run into what it says. On a busy cluster others come and go with every
    look, and each report is kept in the log."""
    if len(known) != len(nodes):
        return 0.0
    wait_s = TIMES_WAIT_S
    for before, after in zip(known, nodes, strict=True):
        if before is after or before == after:
            continue
        if replace(before, others=after.others) != after or _take_more(before, after):
            return 0.0
        if _shares(before) != _shares(after):
            wait_s = FREED_WAITS_S
    return wait_s


def _shares(node: Node) -> tuple[frozenset[str], int, int]:
    """What others hold of it now: devices, CPUs and memory."""
    sharers = [one for one in node.others if not one.is_reservation]
    return (
        frozenset(device for one in sharers for device in one.devices),
        sum(one.cpus for one in sharers),
        sum(one.memory_bytes for one in sharers),
    )


def _take_more(before: Node, after: Node) -> bool:
    """Whether others have something of it that they had not, or will have."""
    (devices, cpus, memory_bytes), (more, more_cpus, more_memory) = _shares(before), _shares(after)
    kept = {one for one in before.others if one.is_reservation}
    is_kept = {one for one in after.others if one.is_reservation} != kept
    return is_kept or not more <= devices or more_cpus > cpus or more_memory > memory_bytes


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
