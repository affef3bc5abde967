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
    """One GPU. `id` is its UUID, which survives a reboot; an index does not.

    `is_suspect`: it works but has shown errors, so it is taken last.
    """

    id: str
    model: str
    memory_bytes: int
    is_suspect: bool = False


@dataclass(frozen=True, slots=True)
class NodeTopology:
    """How the GPUs of a node are joined; the tuples are in the order of its devices.

    `numa`: the NUMA node of each. `islands`: its NVLink or NVSwitch island; within one it moves
    `island_gbytes_s` GB/s each way, between two `host_gbytes_s`. `nics`: the network interface
    nearest to it, of `nic_gbytes_s` GB/s each way, and `rails` the rail that this is plugged into.
    `links` are GB/s between each two GPUs where they are not the same for all of an island, or were
    measured; they win over the islands.
    """

    numa: tuple[int, ...] = ()
    islands: tuple[int, ...] = ()
    island_gbytes_s: float = 0.0
    host_gbytes_s: float = 0.0
    nics: tuple[str, ...] = ()
    nic_gbytes_s: float = 0.0
    rails: tuple[int, ...] = ()
    links: tuple[tuple[float, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Location:
    """Where a node stands: its rack or leaf switch, its scale unit or block, its pod. A name that
    is empty is not known; racks of one name in two units are two racks."""

    rack: str = ""
    unit: str = ""
    pod: str = ""


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
    topology: NodeTopology | None = None
    location: Location = Location()
    may_slice: bool = False
    """Whether empty GPUs of it may be cut into MIG instances, and joined again."""


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
