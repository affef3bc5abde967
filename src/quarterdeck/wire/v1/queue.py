"""The queue: who waits, in which order, and why."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.wire.v1.base import Answer, Flag, Request
from quarterdeck.wire.v1.verdicts import VerdictView


class QueueEntry(Answer):
    """One job that waits."""

    position: int = Field(
        description="Place in the queue, from 1, among the jobs that the caller may see."
    )
    id: str
    name: str
    owner: str
    priority: str
    demand: str
    tasks_waiting: int | None = Field(description="Of an array: how many of its tasks wait.")
    submitted_at: str
    starts_now: bool = Field(description="Whether the next decision would place it.")
    verdict: VerdictView | None


class QueueView(Answer):
    """The head of the queue, as the next decision sees it."""

    length: int
    entries: list[QueueEntry]


class ReorderRequest(Request):
    """Which of somebody's waiting jobs goes first."""

    jobs: list[str] = Field(
        max_length=1000,
        description="Two or more of one person, team and priority, the first one first.",
    )
    reset: Flag = Field(
        default=False,
        description="Let them come as they would have without an order of their own instead.",
    )


class ReorderedJob(Answer):
    """A job in its new place. Places count from 1, among the jobs that the caller may see; null for
    one that has left the queue meanwhile."""

    id: str
    name: str
    before: int | None
    position: int | None


class ReorderView(Answer):
    """The jobs in the order in which they come now. All others have the places that they had."""

    jobs: list[ReorderedJob]
    queue_length: int
