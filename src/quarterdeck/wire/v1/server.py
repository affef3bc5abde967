"""What a server says of itself, and how it refuses."""

from __future__ import annotations

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
