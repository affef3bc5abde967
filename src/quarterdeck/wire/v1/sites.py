"""Sites: where jobs can run."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.wire.v1.base import Answer


class AbilitiesView(Answer):
    """What a site can do of what not all can."""

    exact_devices: bool = Field(description="A job gets just the GPUs that it was granted.")
    parts: bool = Field(description="Parts of GPUs can be granted.")
    unlike_replicas: bool = Field(description="Nodes of one job may need different things.")
    accounts: bool = Field(description="Jobs run as the accounts of their owners.")
    images: bool = Field(description="Jobs can run in a container image.")
    shares_nodes_with_others: bool = Field(description="Jobs run there that are not ours.")


class SiteView(Answer):
    """One site."""

    name: str
    engine: str = Field(description="What runs jobs there: `local`, `slurm` or `slurm-pilot`.")
    state: str = Field(description="`connected`, or `away` while it does not answer.")
    problem: str = Field(description="Why it does not answer; empty when it does.")
    country: str = Field(description="Where it stands, by ISO 3166; empty when nobody has said.")
    region: str
    nodes: int
    nodes_ready: int
    gpus: int
    gpus_free: int
    abilities: AbilitiesView | None = Field(description="Not known before it has answered once.")


class SiteList(Answer):
    """All sites."""

    sites: list[SiteView]
