"""Nodes and their devices, as a site reports them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class NodeState(StrEnum):
    """Whether new work may be placed on a node."""

    READY = "ready"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Device:
    """One GPU. `id` is its UUID, which survives a reboot; an index does not."""

    id: str
    model: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of a site. `pretend` marks imaginary devices, on every page and bill."""

    name: str
    cpus: int
    memory_bytes: int
    devices: tuple[Device, ...] = ()
    address: str = "127.0.0.1"
    state: NodeState = NodeState.READY
    pretend: bool = False


@dataclass(frozen=True, slots=True)
class Cordon:
    """Somebody's word that nothing new goes to a node, or to one of its devices."""

    node: str
    device: str | None
    reason: str
    actor: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Site:
    """An engine's nodes, as last reported by the site's agent, and what people say of them."""

    name: str
    nodes: tuple[Node, ...] = ()
    cordons: tuple[Cordon, ...] = ()

    def cordons_of(self, node: str) -> tuple[Cordon, ...]:
        """Those of one node and its devices."""
        return tuple(cordon for cordon in self.cordons if cordon.node == node)
