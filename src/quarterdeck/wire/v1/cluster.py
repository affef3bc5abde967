"""Nodes as the sites report them."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.wire.v1.base import Answer, Request


class CordonView(Answer):
    """Why nothing new goes to a node or a GPU."""

    reason: str
    by: str
    at: str


class ForeignView(Answer):
    """What somebody has of a node who is not of Quarterdeck: a job of the site's own scheduler, or
    a reservation there."""

    name: str = Field(description="As the site calls it, such as `Slurm job 4711`.")
    gpus: int
    cpus: int
    memory_bytes: int
    starts_at: str | None = Field(
        description="From then on the whole node is kept for others; null for what is held now."
    )
    ends_at: str | None = Field(
        description="When it must be over by its time limit; null if nobody knows."
    )


class NodeView(Answer):
    """One machine, and how much of it is free."""

    name: str
    site: str
    state: str = Field(
        description="`ready`; `drained`, when the site keeps new work off it; or `down`."
    )
    pretend: bool = Field(description="Whether its devices are imaginary.")
    gpu_model: str | None
    gpus: int
    gpus_free: int
    cpus: int
    cpus_free: int
    memory_bytes: int
    memory_free_bytes: int
    jobs: list[str] = Field(description="Jobs that hold part of it.")
    reason: str = Field(default="", description="What the site says of its state.")
    others: list[ForeignView] = Field(
        default=[], description="Who has, or will have, part of it and is not of Quarterdeck."
    )
    cordon: CordonView | None = Field(default=None, description="Of the whole node.")
    gpus_cordoned: int = Field(default=0, description="GPUs that are cordoned one by one.")
    rack: str = Field(default="", description="Its rack or leaf switch, where that is known.")
    unit: str = Field(default="", description="Its scalable unit or block, where that is known.")
    pod: str = Field(default="", description="Its pod, where that is known.")
    gpu_states: list[str] = Field(
        default=[],
        description="Of each GPU: `free`, `held`, `sliced` when parts of it are held, `others` "
        "when those hold it who are not of Quarterdeck, or `cordoned` when nothing holds it.",
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
        description="`free`, `held`, `sliced` when parts of it are held, `others` when those hold "
        "it who are not of Quarterdeck, or `cordoned` when it is closed to new work and nothing "
        "holds it."
    )
    jobs: list[str] = Field(description="Which jobs hold it, as far as the caller may know.")
    others: list[str] = Field(
        default=[], description="Who of those holds it who are not of Quarterdeck."
    )
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
