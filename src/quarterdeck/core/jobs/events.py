"""What can happen to a job, as facts. The log of these alone rebuilds every job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs.job import RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.jobs.states import JobState, ReplicaState


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job was accepted."""

    at_ns: int
    actor: str
    spec: JobSpec


@dataclass(frozen=True, slots=True)
class Placed:
    """An attempt was granted devices at a site; replica `i` has `grants[i]`."""

    at_ns: int
    attempt: int
    site: str
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a site reports of one replica: the level it is at, not how it came there."""

    node_rank: int
    state: ReplicaState
    started_at_ns: int | None = None
    ended_at_ns: int | None = None
    exits: tuple[RankExit, ...] = ()
    reason: Reason | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """Replicas of an attempt were seen at a new level."""

    at_ns: int
    attempt: int
    sightings: tuple[Sighting, ...]


@dataclass(frozen=True, slots=True)
class Started:
    """Every replica of the attempt has started its command."""

    at_ns: int
    attempt: int
    started_at_ns: int


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The attempt is to stop; `actor` is empty when the house itself asked."""

    at_ns: int
    attempt: int
    reason: Reason
    grace_s: float
    message: str = ""
    actor: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing of the attempt lives any more; the job is now in `next_state`."""

    at_ns: int
    attempt: int
    next_state: JobState
    reason: Reason
    message: str = ""
    exit_code: int | None = None
    is_retry: bool = False


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A queued job was cancelled: there was nothing to stop."""

    at_ns: int
    actor: str


@dataclass(frozen=True, slots=True)
class Requeued:
    """A finished job was put back into the queue by a person."""

    at_ns: int
    actor: str


JobEvent = Submitted | Placed | Seen | Started | StopRequested | Ended | Cancelled | Requeued

JOB_EVENTS: Final[tuple[type[JobEvent], ...]] = (
    Submitted,
    Placed,
    Seen,
    Started,
    StopRequested,
    Ended,
    Cancelled,
    Requeued,
)
