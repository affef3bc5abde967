"""What one plan promised and the next one keeps: when and where who waits starts at the latest."""

from __future__ import annotations

from dataclasses import dataclass

from quarterdeck.basics.ids import JobId


@dataclass(frozen=True, slots=True)
class Promised:
    """A job starts then at the latest, on these nodes or others."""

    job_id: JobId
    start_ns: int
    site: str
    nodes: tuple[str, ...]
