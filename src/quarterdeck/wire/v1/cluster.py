"""Nodes as the sites report them."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.wire.v1.base import Answer, Request


class CordonView(Answer):
    """Why nothing new goes to a node or a GPU."""

    reason: str
    by: str
    at: str


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
    cordon: CordonView | None = Field(default=None, description="Of the whole node.")
    gpus_cordoned: int = Field(default=0, description="GPUs that are cordoned one by one.")
    rack: str = Field(default="", description="Its rack or leaf switch, where that is known.")
    unit: str = Field(default="", description="Its scalable unit or block, where that is known.")
    pod: str = Field(default="", description="Its pod, where that is known.")
    gpu_states: list[str] = Field(
        default=[],
        description="Of each GPU: `free`, `held`, `sliced` when parts of it are held, or "
        "`cordoned` when nothing holds it.",
    )


class NodeList(Answer):
    """All nodes of all sites."""

    nodes: list[NodeView]


class DeviceView(Answer):
    """One GPU of a node."""

    index: int = Field(description="Its place on the node; `id` is what survives a reboot.")
    id: str
    model: str
    memory_bytes: int
    state: str = Field(
        description="`free`, `held`, `sliced` when parts of it are held, or `cordoned` when it is "
        "closed to new work and nothing holds it."
    )
    jobs: list[str] = Field(description="Which jobs hold it, as far as the caller may know.")
    parts: list[str] = Field(description="The slices and shares of it that are held.")
    cordon: CordonView | None


class NodeDetail(NodeView):
    """One machine with its GPUs, one by one."""

    devices: list[DeviceView]


class CordonRequest(Request):
    """What is to be kept free of new work, and why."""

    gpus: list[str] = Field(
        default=[], max_length=64, description="Only these GPUs, by index on the node or by id."
    )
    reason: str = Field(default="", description="What everybody is told who asks why.")
    drain: bool = Field(
        default=False,
        description="Stop what runs on the node, too; it goes back into the queue.",
    )


class ResumeRequest(Request):
    """What new work may go to again."""

    gpus: list[str] = Field(
        default=[], max_length=64, description="Only these GPUs; all of the node when left out."
    )


class NodeChange(Answer):
    """A node after something was said of it."""

    node: NodeDetail
    stopped: list[str] = Field(description="Jobs that are stopped for it and start elsewhere.")
