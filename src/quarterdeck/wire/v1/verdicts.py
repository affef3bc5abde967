"""What a job was told while it waited."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.wire.v1.base import Answer


class ToldView(Answer):
    """What a waiting job was told from a moment on."""

    at: str
    code: str = Field(description="Why it waited, as in `blocked_by`; `placed` ends a wait.")
    message: str
    hint: str
    numbers: dict[str, int]
    held_by: list[str]


class ToldList(Answer):
    """What a job was told while it waited, oldest first."""

    job_id: str
    told: list[ToldView]
