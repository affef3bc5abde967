"""The shape of what a job needs, and what it was granted."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import StrEnum


class GpuUnit(StrEnum):
    """What one of the wanted GPUs is."""

    WHOLE = "whole"
    SLICE = "slice"
    """A MIG instance: of `gpu_profile`, or the smallest with `gpu_memory_bytes`; without a profile
    a whole GPU will do, too."""
    SHARE = "share"
    """So many percent of a GPU's time. Nobody enforces it: the jobs on one GPU share its memory and
    may slow each other down."""


@dataclass(frozen=True, slots=True)
class Resources:
    """What one replica needs of one node.

    `gpu_model` is matched with the inventory as written; `A100|H100` is either of them, and all of
    a replica's GPUs are of one model. `gpu_memory_bytes` is the least memory of each.
    """

    gpus: int = 0
    gpu_model: str | None = None
    cpus: int = 1
    memory_bytes: int = 0
    gpu_memory_bytes: int = 0
    gpu_unit: GpuUnit = GpuUnit.WHOLE
    gpu_profile: str = ""
    gpu_percent: int = 100

    @property
    def gpu_models(self) -> tuple[str, ...]:
        """The models of which any will do; none is any at all."""
        return tuple(self.gpu_model.split("|")) if self.gpu_model else ()

    @property
    def gpu_kind(self) -> str:
        """What each GPU must be, as one writes it in a job file; empty for any GPU."""
        if self.gpu_unit is GpuUnit.SHARE:
            return f"share-{self.gpu_percent}%"
        if self.gpu_profile:
            return f"mig-{self.gpu_profile}"
        if self.gpu_memory_bytes:
            size = format_memory(self.gpu_memory_bytes)
            return size if self.gpu_unit is GpuUnit.SLICE else f"{size}.."
        return self.gpu_model or ""


class Level(StrEnum):
    """How near nodes are to each other, the nearest first."""

    NODE = "node"
    RACK = "rack"
    """One rack or leaf switch."""
    RAIL = "rail"
    """The same rails of one unit: between GPUs of the same rail lies one switch."""
    UNIT = "unit"
    """A scale unit or block."""
    POD = "pod"
    SITE = "site"


@dataclass(frozen=True, slots=True)
class Wish:
    """Where the nodes of a gang stand to each other.

    `require`: within one of these or not at all; `prefer`: within one of these if that is free now;
    `spread`: over as many of these as there are.
    """

    require: Level | None = None
    prefer: Level | None = None
    spread: Level | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """So many different nodes, each with `resources`."""

    nodes: int = 1
    resources: Resources = Resources()


@dataclass(frozen=True, slots=True)
class Demand:
    """A gang: `nodes` different nodes, each with `resources`, all of them or none.

    `nodes_max`: as many nodes as are free, from `nodes` up to this. `beside`: groups with needs of
    their own that belong to the gang; a node may be in several groups.
    """

    nodes: int = 1
    resources: Resources = Resources()
    site: str | None = None
    nodes_max: int | None = None
    topology: Wish = field(default=Wish())
    beside: tuple[Group, ...] = ()

    @property
    def most_nodes(self) -> int:
        """The largest number of nodes that it takes."""
        return self.nodes if self.nodes_max is None else self.nodes_max

    @property
    def gpus(self) -> float:
        """On all nodes, of all groups; a part of a GPU's time counts as that part."""
        if not self.beside:
            return self.nodes * self.resources.gpus * self.resources.gpu_percent / 100
        groups = (
            (self.nodes, self.resources),
            *((one.nodes, one.resources) for one in self.beside),
        )
        return sum(nodes * one.gpus * one.gpu_percent / 100 for nodes, one in groups)

    @property
    def nodes_beside(self) -> int:
        """How many grants the groups beside the first one get."""
        return sum(group.nodes for group in self.beside)

    @property
    def parts(self) -> tuple[Demand, ...]:
        """Each group as a demand of its own, the first one first."""
        if not self.beside:
            return (self,)
        near = replace(
            self.topology,
            # Rails are of GPUs that all nodes have alike; what is beside lies in the same unit.
            require=_unit_for_rail(self.topology.require),
            prefer=_unit_for_rail(self.topology.prefer),
        )
        beside = (
            Demand(group.nodes, group.resources, self.site, topology=near) for group in self.beside
        )
        return (replace(self, beside=()), *beside)

    def __str__(self) -> str:
        """For people, for example `8 nodes × 8 A100 GPUs`."""
        return " + ".join(map(_say, self.parts)) if self.beside else _say(self)


def _unit_for_rail(level: Level | None) -> Level | None:
    return Level.UNIT if level is Level.RAIL else level


def _say(demand: Demand) -> str:
    wanted = demand.resources
    if wanted.gpus:
        kind = f"{wanted.gpu_kind} " if wanted.gpu_kind else ""
        per_node = f"{wanted.gpus} {kind}GPU{'s'[: wanted.gpus > 1]}"
    else:
        per_node = f"{wanted.cpus} CPU{'s'[: wanted.cpus > 1]}"
    least, most = demand.nodes, demand.nodes_max
    nodes = f"{least}" if most is None else f"{least} to {most}"
    return f"{nodes} node{'s'[: demand.most_nodes > 1]} × {per_node}"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one replica holds on one node until its attempt has ended.

    `devices` are ids of whole GPUs or of parts of them (see `cluster/parts`); `nics` the network
    interfaces nearest to them.
    """

    node: str
    devices: tuple[str, ...] = ()
    cpus: int = 1
    memory_bytes: int = 0
    nics: tuple[str, ...] = ()


def format_memory(size_bytes: int) -> str:
    """The memory of a GPU as one writes it: `80GB` for what is whole in gigabytes, else GiB."""
    for unit, name in ((10**9, "GB"), (2**30, "GiB"), (10**6, "MB"), (2**20, "MiB")):
        if size_bytes % unit == 0:
            return f"{size_bytes // unit}{name}"
    return f"{size_bytes}B"
