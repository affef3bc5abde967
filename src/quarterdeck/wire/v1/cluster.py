"""Nodes as the sites report them."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.wire.v1.base import Answer


class NodeView(Answer):
    """One machine, and how much of it is free."""

    name: str
    site: str
    state: str
    pretend: bool = Field(description="Whether its devices are imaginary.")
    gpu_model: str | None
    gpus: int
    gpus_free: int
    cpus: int
    cpus_free: int
    memory_bytes: int
    memory_free_bytes: int
    jobs: list[str] = Field(description="Jobs that hold part of it.")


class NodeList(Answer):
    """All nodes of all sites."""

    nodes: list[NodeView]
