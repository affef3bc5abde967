"""The event log as it is streamed, and the log lines of jobs."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from quarterdeck.wire.v1.base import Answer


class EventView(Answer):
    """One fact of the event log. `seq` is the stream's resume point."""

    seq: int
    kind: str = Field(description="submitted, placed, seen, started, stop_requested, ended, …")
    at: str
    job_id: str | None
    revision: int | None
    state: str | None = Field(default=None, description="The job's state after this event.")
    data: dict[str, Any] = Field(description="The fact itself.")


class LogView(Answer):
    """Bytes of one replica's log as text; `next_offset` is the stream's resume point."""

    attempt: int
    node_rank: int
    offset: int
    next_offset: int
    text: str


class LogEnd(Answer):
    """The last message of a log stream: the job is final and everything was sent."""

    state: str
    exit_code: int | None
