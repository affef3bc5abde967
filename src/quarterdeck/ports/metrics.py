"""What jobs tell of themselves lives at the site, beside their logs, and is read from there."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.telemetry.curves import Point


@dataclass(frozen=True, slots=True)
class Latest:
    """What one attempt told last. `rate` is in steps per second, of the last steps told; None
    while there are too few."""

    step: float | None = None
    total: float | None = None
    rate: float | None = None
    at_ns: int = 0
    values: Mapping[str, float] = field(default_factory=dict)


class SiteMetrics(Protocol):
    """The samples of a site's jobs."""

    def read_points(self, job_id: JobId, attempt: int) -> dict[int, dict[str, list[Point]]]:
        """By rank and name, everything that the attempt told, in the order told."""
        ...

    def read_latest(self, job_id: JobId, attempt: int) -> Latest:
        """What was told last by the lowest rank that told anything; cheap, however long it runs."""
        ...
