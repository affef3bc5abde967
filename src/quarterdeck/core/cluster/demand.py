"""The shape of what a job needs, and what it was granted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Resources:
    """What one replica needs of one node. `gpu_model` is matched as written in the inventory."""

    gpus: int = 0
    gpu_model: str | None = None
    cpus: int = 1
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Demand:
    """A gang: `nodes` different nodes, each with `resources`, all of them or none."""

    nodes: int = 1
    resources: Resources = Resources()
    site: str | None = None

    def __str__(self) -> str:
        """For people, for example `8 nodes × 8 A100 GPUs`."""
        per_node = []
        if self.resources.gpus:
            model = f"{self.resources.gpu_model} " if self.resources.gpu_model else ""
            per_node.append(f"{self.resources.gpus} {model}GPU{'s'[: self.resources.gpus > 1]}")
        else:
            per_node.append(f"{self.resources.cpus} CPU{'s'[: self.resources.cpus > 1]}")
        return f"{self.nodes} node{'s'[: self.nodes > 1]} × {', '.join(per_node)}"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one replica holds on one node until its attempt has ended."""

    node: str
    devices: tuple[str, ...] = ()
    cpus: int = 1
    memory_bytes: int = 0
