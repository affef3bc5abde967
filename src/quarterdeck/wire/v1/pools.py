"""What teams are guaranteed, and what they hold of it."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.wire.v1.base import Answer, Request


class PoolUserView(Answer):
    """What one person's jobs of a team hold."""

    user: str
    guarantee: list[str] = Field(
        default=[], description="Which of the team's cells are for nobody else of it."
    )
    cells_free: int = Field(
        default=0, description="Those of their own on which none of theirs runs."
    )
    limit: list[str] = Field(default=[], description="What they may hold at most in this team.")
    weight: float = Field(default=1.0, description="Theirs, where the team's people take turns.")
    gpus_covered: int = Field(description="GPUs that their own cells cover, or the team's.")
    gpus_borrowed: int = Field(description="GPUs beyond it, which others may be owed.")
    jobs_waiting: int
    gpu_hours: float = Field(description="GPU hours that they have used this month (UTC).")


class PoolView(Answer):
    """A team: what it is guaranteed, what of that is unused, and what it borrows."""

    team: str
    guarantee: list[str] = Field(
        description="Cells in words, such as `10 nodes` or `2 × A100:4 within one rack`; empty for "
        "a team that is guaranteed nothing."
    )
    limit: list[str] = Field(
        default=[], description="What it may hold at most, such as `A100:16` or `64 GPUs`."
    )
    weight: float = Field(default=1.0, description="Its weight, where teams take turns.")
    cells: int = Field(description="How many cells that is.")
    cells_free: int = Field(description="Those on which no job of the team runs.")
    gpus_covered: int = Field(description="GPUs that its jobs hold within the guarantee.")
    gpus_borrowed: int = Field(description="GPUs that its jobs hold beyond it.")
    jobs_waiting: int
    gpu_hours: float = Field(description="GPU hours that the team has used this month (UTC).")
    gpu_hours_max: int | None = Field(
        default=None, description="How many it may use in a month; null for as many as it wants."
    )
    users: list[PoolUserView]


class PoolList(Answer):
    """The pools of the teams that the caller may see, by name."""

    organization: str
    pools: list[PoolView]
    gpus: int = Field(description="All GPUs of the nodes that are up.")
    gpus_free: int
    cells_without_node: int = Field(
        description="Guaranteed cells for which there is no node: some are down, or more is "
        "guaranteed than there is."
    )
    policy_version: str


class PoolsRequest(Request):
    """Other guarantees in place of those in force."""

    text: str = Field(
        max_length=1 << 20, description="YAML with the key `pools`, as in the policy file."
    )


class PoolsAnswer(Answer):
    """The policy that the server follows with them."""

    name: str
    version: str
    teams: list[str] = Field(description="Those that are guaranteed something.")
