"""Who looks on while a fast run goes on: told of each plan and each end, and changing nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from quarterdeck.basics.ids import JobId

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
    from quarterdeck.sim.fast.attempts import JobRun


@dataclass(frozen=True, slots=True)
class Moment:
    """What is so once a plan has been carried out: those that it started, who waits still, who
    runs, and what is free. `snapshot` is what the plan was made on."""

    at_s: float
    snapshot: Snapshot
    policy: Policy
    started: tuple[JobId, ...]
    waiting: Mapping[JobId, Waiting]
    running: Collection[JobId]
    jobs: Mapping[JobId, JobRun]
    capacity: Capacity


class Watcher(Protocol):
    """Times are seconds of the run."""

    def planned(self, moment: Moment) -> None:
        """A plan was made and carried out."""
        ...

    def ended(self, job_id: JobId, one: JobRun) -> None:
        """A job is done."""
        ...
