"""The queue: who waits, in which order, and why."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.wire.v1.base import Answer
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
