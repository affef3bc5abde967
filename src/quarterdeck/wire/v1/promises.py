"""When a waiting job should start, what it was promised before, and how many promises are kept."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.wire.v1.base import Answer


class SpanView(Answer):
    """From when until when."""

    earliest: str
    latest: str


class PromiseView(Answer):
    """When a job should start."""

    made_at: str
    expected_at: str = Field(description="As many such jobs start before as after it.")
    half: SpanView = Field(description="Half of all such starts are within this.")
    most: SpanView = Field(description="Nine in ten of all such starts are within this.")
    because: str = Field(
        description="Why it was made: first, or what changed the one before it: policy, "
        "nodes_lost, nodes_came, overtaken, longer or sooner."
    )
    why: str = Field(description="The same in words; empty for the first one.")


class KeptView(PromiseView):
    """A promise and what became of it."""

    started_at: str | None = Field(description="Null while it waits, or if it never started.")
    half_kept: bool | None = Field(description="Null until it has started.")
    most_kept: bool | None = Field(description="Null until it has started.")


class PromiseList(Answer):
    """What a job was promised, oldest first."""

    job_id: str
    promises: list[KeptView]


class PromiseDay(Answer):
    """The starts of a day (UTC) of jobs that were promised something, and how many were kept."""

    day: str
    starts: int
    half_kept: int = Field(description="Of the promises made when the waits began.")
    most_kept: int
    last_half_kept: int = Field(description="Of the last promises before the starts.")
    last_most_kept: int


class PromiseStats(Answer):
    """How many promises were kept, the newest day first."""

    days: list[PromiseDay]
