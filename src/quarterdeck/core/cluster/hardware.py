"""Nodes and their devices, as a site reports them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class NodeState(StrEnum):
    """Whether new work may be placed on a node."""

    READY = "ready"
    DRAINED = "drained"
    """Those who run the site keep new work off it; what runs there goes on."""
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
class GangTerms:
    """What a site can give the nodes of a gang, where it cannot do all.

    `is_alike`: to each the same, and each replica has a node of its own. `has_same_gpus`: to each
    the same GPUs, by their places on the node. `nodes_max`: so many nodes of the site at a time;
    None: all.
    """

    is_alike: bool = False
    has_same_gpus: bool = False
    nodes_max: int | None = None


@dataclass(frozen=True, slots=True)
class Foreign:
    """What somebody has of a node who is not of Quarterdeck: another job of the site's own
    scheduler, or a reservation there.

    `name` is what everybody may read who may read nodes, such as `Slurm job 4711`: no user's name.
    `devices` are ids of whole GPUs of the node or of MIG slices of them. `ends_at_ns` is when it
    must be over; None: nobody knows. One with `starts_at_ns` is a reservation: from then on until
    its end the whole node is kept for others. What has 0 there holds its share now. One that
    `spares_unlimited` lets jobs without a time limit start all the same: the site makes them go on
    elsewhere then.
    """

    name: str
    devices: tuple[str, ...] = ()
    cpus: int = 0
    memory_bytes: int = 0
    ends_at_ns: int | None = None
    starts_at_ns: int = 0
    spares_unlimited: bool = False

    @property
    def is_reservation(self) -> bool:
        """Whether it keeps the node from a time on, instead of holding a share of it."""
        return self.starts_at_ns > 0


@dataclass(frozen=True, slots=True)
class Node:
    """One machine of a site. `pretend` marks imaginary devices, on every page and bill.

    `reason` is what the site says of its state, for people. `others` are who has something of it
    beside Quarterdeck; they come and go while the hardware stays as it is.
    """

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
    reason: str = ""
    others: tuple[Foreign, ...] = ()
    whole_gpus_only: bool = False
    """Whether nobody can be given a share of the time of one of its GPUs."""
    gang_terms: GangTerms = GangTerms()
    """As its site says of all of its nodes."""

    def is_built_like(self, other: Node) -> bool:
        """Whether they differ at most in what changes by the minute: the state of a node, and who
        has something of it."""
        if self is other:
            return True
        return self == replace(other, state=self.state, reason=self.reason, others=self.others)


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
