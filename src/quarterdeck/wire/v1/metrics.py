"""Progress and values that jobs tell with `quarterdeck.job`."""

from __future__ import annotations

from pydantic import Field

from quarterdeck.wire.v1.base import Answer


class PointView(Answer):
    """One value."""

    step: float
    value: float | None = Field(description="Null for what is not a number, or infinite.")
    at: str
    attempt: int


class SeriesView(Answer):
    """One name's values over all attempts, as one curve."""

    name: str
    rank: int
    told: int = Field(description="How many points there are; `points` may be fewer.")
    points: list[PointView]


class MetricsView(Answer):
    """What a job told of itself."""

    job_id: str
    names: list[str] = Field(description="All names that it has told so far.")
    series: list[SeriesView]


class ProgressView(Answer):
    """How far a running job is. Null is what it has not told."""

    job_id: str
    name: str
    owner: str
    nodes: list[str]
    started_at: str | None
    step: float | None
    total: float | None
    rate: float | None = Field(description="Steps per second, lately.")
    left_s: float | None = Field(description="Seconds to its end at that rate.")
    told_at: str | None
    values: dict[str, float | None]


class ProgressList(Answer):
    """Running jobs, the longest running first."""

    jobs: list[ProgressView]
