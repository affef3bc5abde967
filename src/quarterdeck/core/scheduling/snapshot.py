"""What one scheduling decision looks at: free rooms, waiting jobs, and who holds the rest."""

from __future__ import annotations

from dataclasses import dataclass, field

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Demand
from quarterdeck.core.cluster.room import Room


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued job as the scheduler sees it."""

    job_id: JobId
    demand: Demand
    priority: int
    submitted_at_ns: int
    revision: int

    @property
    def order(self) -> tuple[int, int, str]:
        """Priority, then first come; the id settles ties, so the order is total."""
        return (-self.priority, self.submitted_at_ns, self.job_id)


@dataclass(frozen=True, slots=True)
class Holder:
    """A job that holds part of a site, for explanations."""

    job_id: JobId
    site: str
    nodes: int
    gpus: int
    cpus: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a plan depends on. `as_of` is the place in the event log that it was taken at.

    A plan made on it holds until capacity is taken or a site changes; capacity that only comes
    free leaves it right.
    """

    now_ns: int
    as_of: int
    rooms: tuple[Room, ...]
    waiting: tuple[Waiting, ...]
    holders: tuple[Holder, ...] = ()


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be tuned. `patience_s` bounds how long smaller jobs may pass a waiting one."""

    patience_s: float = field(default=300.0)
