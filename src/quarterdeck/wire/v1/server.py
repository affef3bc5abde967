"""What a server says of itself, and how it refuses."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from quarterdeck.wire.v1.base import Answer, Request


class ServerView(Answer):
    """Who answers."""

    version: str
    pid: int
    home_id: str
    started_at: str
    actor: str = Field(description="Who the caller is taken for.")
    last_event: int | None = Field(
        default=None, description="`seq` of the newest fact of the event log."
    )


class PolicyView(Answer):
    """What the scheduler follows now."""

    name: str
    version: str = Field(description="Names the text of the policy file; empty without one.")
    since: str = Field(description="When this server began to follow it.")
    order: Literal["first_come", "shortest", "least_served", "fair_share", "finish_time"] = Field(
        description="Who goes first among jobs of one priority."
    )
    patience_s: float = Field(description="How long smaller jobs may pass one that waits.")
    backfill: Literal["easy", "conservative"] = Field(
        default="easy",
        description="Whom nobody who starts makes later after that: the first, or each of the "
        "first ones, which keep their promised starts.",
    )
    nearness_patience_s: float = Field(
        description="How long a gang with room waits to lie in fewer racks and units."
    )
    pod_patience_s: float = Field(description="How long it waits to lie in fewer pods.")
    release_after_s: float = Field(
        default=1800.0, description="When a reservation that nobody uses is given back."
    )
    reclaim_after_s: float = Field(
        default=0.0, description="How long a run that borrows lasts before it may have to go."
    )
    half_life_s: float | None = Field(
        default=None,
        description="In what time past use comes to count half as much where teams take turns; "
        "null: it does not count.",
    )
    min_runtime_s: float = Field(
        default=600.0, description="How long a run lasts before it may be moved."
    )
    moves: int = Field(
        default=0, description="How many running jobs are moved at most for one that fits nowhere."
    )
    moves_percent: float = Field(
        default=5.0, description="Moves, as a share of the last 500 starts at most."
    )
    refused: str = Field(
        description="What is wrong with the file as it is now, which is therefore not in force; "
        "told only to those who look after the server."
    )


class ShutdownRequest(Request):
    """How to end the server."""

    stop_jobs: bool = Field(
        default=False, description="Cancel all jobs first; otherwise running ones go on."
    )


class Problem(Answer):
    """An error, as RFC 9457 problem details (`application/problem+json`)."""

    type: str = Field(description="A stable URI reference that ends in the code.")
    title: str
    status: int
    detail: str = Field(description="What was wrong, with the numbers.")
    code: str = Field(description="Stable; for programs.")
    hint: str = Field(default="", description="What to do.")
    field: str = Field(default="", description="The field that is wrong, if one is.")
