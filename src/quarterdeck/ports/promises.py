"""What waiting jobs were promised of their starts, and whether it was kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from quarterdeck.core.scheduling.promises import Promise

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.basics.ids import JobId


@dataclass(frozen=True, slots=True)
class Settled:
    """A job's wait is over: it started then, or will not start (None), as when it was cancelled."""

    job_id: JobId
    started_at_ns: int | None


@dataclass(frozen=True, slots=True)
class Kept:
    """A promise and what became of it: when the job started, None while it waits. `is_void`: its
    wait ended without a start."""

    promise: Promise
    started_at_ns: int | None = None
    is_void: bool = False


@dataclass(frozen=True, slots=True)
class Day:
    """How many promises the starts of one day (UTC, as 2026-11-29) kept: those made when the waits
    began, of which each start has one, and the last ones before the starts."""

    day: str
    starts: int
    half_kept: int
    most_kept: int
    last_half_kept: int
    last_most_kept: int


class PromiseLog(Protocol):
    """Kept apart from the store of jobs, as verdicts are. It may lose its last moments in a power
    cut, and a full disk costs it records; neither costs anything else."""

    def add(self, promises: Sequence[Promise]) -> None:
        """Keep these; the newest of a job is the one in force."""
        ...

    def settle(self, settled: Sequence[Settled]) -> None:
        """Every open promise of these jobs is kept, missed or void."""
        ...

    def list_promises(self, job_id: JobId, limit: int) -> list[Kept]:
        """The last so many of a job, oldest first."""
        ...

    def list_open(self) -> list[Promise]:
        """All that are neither settled nor void, oldest first."""
        ...

    def list_settled(self, limit: int) -> list[Kept]:
        """The last so many first promises of waits that ended with a start, in the order of the
        starts."""
        ...

    def list_days(self, limit: int) -> list[Day]:
        """The last so many days that had starts of jobs with promises, newest first."""
        ...

    def drop(self, before_ns: int) -> None:
        """Forget what was promised before that, and is not open."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
