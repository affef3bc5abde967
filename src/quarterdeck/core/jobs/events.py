"""What can happen to a job, as facts. The log of these alone rebuilds every job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.jobs.job import RankExit
from quarterdeck.core.jobs.place import QueuePlace
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.jobs.states import JobState, ReplicaState


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job was accepted; `is_held`: it stays out of the queue until it is released.

    `expected_s` is how long it should run by what was learned until then (`scheduling/runtimes`):
    it is recorded so that the log alone leads to the same plans. None where nothing was known.
    """

    at_ns: int
    actor: str
    spec: JobSpec
    is_held: bool = False
    expected_s: float | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """An attempt was granted devices at a site; replica `i` has `grants[i]`.

    `grounds` say why it lies there, `allreduce_gbytes_s` how fast its GPUs should add up gradients.
    It `is_owed` where its team's guarantee covered it.
    In this and the others `task` is the index of the array's task that the attempt is of.
    """

    at_ns: int
    attempt: int
    site: str
    grants: tuple[Grant, ...]
    task: int | None = None
    grounds: tuple[str, ...] = ()
    allreduce_gbytes_s: float | None = None
    is_owed: bool = False


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a site reports of one replica: the level it is at, not how it came there.

    `image` is what it runs in, by digest, and `pull_s` how long it took to fetch; None where it was
    there already.
    """

    node_rank: int
    state: ReplicaState
    started_at_ns: int | None = None
    ended_at_ns: int | None = None
    exits: tuple[RankExit, ...] = ()
    reason: Reason | None = None
    message: str = ""
    image: str = ""
    pull_s: float | None = None


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
    task: int | None = None


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The attempt is to stop; `actor` is empty when the house itself asked."""

    at_ns: int
    attempt: int
    reason: Reason
    grace_s: float
    message: str = ""
    actor: str = ""
    task: int | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """Nothing of the attempt lives any more; the job, or its task, is now in `next_state`.

    A retry after a fault waits for `backoff_s`. `closes` is the state of the whole array when this
    was its last task.
    """

    at_ns: int
    attempt: int
    next_state: JobState
    reason: Reason
    message: str = ""
    exit_code: int | None = None
    is_retry: bool = False
    backoff_s: float = 0.0
    task: int | None = None
    closes: JobState | None = None


@dataclass(frozen=True, slots=True)
class Cancelled:
    """A queued job was cancelled: there was nothing to stop. Of an array, the tasks that waited.

    `actor` is empty when the house itself did it, because of `reason`.
    """

    at_ns: int
    actor: str
    reason: Reason = Reason.CANCELLED_BY_USER
    message: str = ""
    next_state: JobState = JobState.CANCELLED


@dataclass(frozen=True, slots=True)
class Requeued:
    """A finished job was put back into the queue by a person."""

    at_ns: int
    actor: str


@dataclass(frozen=True, slots=True)
class Held:
    """A queued job was taken out of the queue; of an array, the tasks that waited."""

    at_ns: int
    actor: str


@dataclass(frozen=True, slots=True)
class Released:
    """A held job was let into the queue."""

    at_ns: int
    actor: str


@dataclass(frozen=True, slots=True)
class Reordered:
    """A job that waits took the place in the queue that another job of its owner had, or got back
    its own; the others that change places with it have an event each, in the same transaction."""

    at_ns: int
    actor: str
    place: QueuePlace


@dataclass(frozen=True, slots=True)
class NeedMet:
    """A job that this one needs has succeeded."""

    at_ns: int
    need: JobId


@dataclass(frozen=True, slots=True)
class RoomCleared:
    """Others are stopped so that the job, or a task of it, can start where its team is guaranteed
    room, or where they moved out of its way; or it is being stopped itself, and keeps some of its
    nodes to go on with, or goes on elsewhere: `message` says why."""

    at_ns: int
    clearance: Clearance
    message: str = ""


@dataclass(frozen=True, slots=True)
class Noted:
    """Somebody wrote something about the job."""

    at_ns: int
    actor: str
    text: str


JobEvent = (
    Submitted
    | Placed
    | Seen
    | Started
    | StopRequested
    | Ended
    | Cancelled
    | Requeued
    | Held
    | Released
    | Reordered
    | NeedMet
    | RoomCleared
    | Noted
)

JOB_EVENTS: Final[tuple[type[JobEvent], ...]] = (
    Submitted,
    Placed,
    Seen,
    Started,
    StopRequested,
    Ended,
    Cancelled,
    Requeued,
    Held,
    Released,
    Reordered,
    NeedMet,
    RoomCleared,
    Noted,
)
