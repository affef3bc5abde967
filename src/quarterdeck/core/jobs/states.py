"""The state machines of job, attempt and replica: one table each.

The diagram in the docs is drawn from these tables, the checks read them, and so do the tests.
Whatever is not in a table cannot happen: `take_step` raises `IllegalStep` with the job's story.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class JobState(StrEnum):
    """Where a job is, for ever visible to its owner."""

    QUEUED = "queued"
    HELD = "held"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether only a person's `requeue` leads out of it."""
        return self in FINAL_STATES


class JobSignal(StrEnum):
    """What can happen to a job."""

    HOLD = "hold"
    RELEASE = "release"
    PLACE = "place"
    START = "start"
    STOP = "stop"
    SUCCEED = "succeed"
    FAIL = "fail"
    RETRY = "retry"
    CANCEL = "cancel"
    REQUEUE = "requeue"


class AttemptState(StrEnum):
    """Where one numbered try is. Its devices are held until `ENDED`."""

    GRANTED = "granted"
    RUNNING = "running"
    ENDING = "ending"
    ENDED = "ended"


class AttemptSignal(StrEnum):
    """What can happen to an attempt."""

    START = "start"
    STOP = "stop"
    END = "end"


class ReplicaState(StrEnum):
    """Where one of an attempt's replicas is, as its site last reported."""

    PENDING = "pending"
    PULLING = "pulling"
    STANDING = "standing"
    STARTED = "started"
    EXITED = "exited"
    LOST = "lost"

    @property
    def is_gone(self) -> bool:
        """Whether nothing of the replica is alive any more."""
        return self in (ReplicaState.EXITED, ReplicaState.LOST)


class ReplicaSignal(StrEnum):
    """What can be seen of a replica."""

    PULL = "pull"
    STAND = "stand"
    START = "start"
    EXIT = "exit"
    LOSE = "lose"


FINAL_STATES: Final = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})

JOB_STEPS: Final[Mapping[JobState, Mapping[JobSignal, JobState]]] = {
    JobState.QUEUED: {
        JobSignal.HOLD: JobState.HELD,
        JobSignal.PLACE: JobState.STARTING,
        JobSignal.CANCEL: JobState.CANCELLED,
    },
    JobState.HELD: {
        JobSignal.RELEASE: JobState.QUEUED,
        JobSignal.CANCEL: JobState.CANCELLED,
    },
    JobState.STARTING: {
        JobSignal.START: JobState.RUNNING,
        JobSignal.STOP: JobState.STOPPING,
        JobSignal.FAIL: JobState.FAILED,
        JobSignal.RETRY: JobState.QUEUED,
    },
    JobState.RUNNING: {
        JobSignal.STOP: JobState.STOPPING,
        JobSignal.SUCCEED: JobState.SUCCEEDED,
        JobSignal.FAIL: JobState.FAILED,
        JobSignal.RETRY: JobState.QUEUED,
    },
    JobState.STOPPING: {
        JobSignal.STOP: JobState.STOPPING,
        JobSignal.SUCCEED: JobState.SUCCEEDED,
        JobSignal.FAIL: JobState.FAILED,
        JobSignal.RETRY: JobState.QUEUED,
        JobSignal.CANCEL: JobState.CANCELLED,
    },
    JobState.SUCCEEDED: {JobSignal.REQUEUE: JobState.QUEUED},
    JobState.FAILED: {JobSignal.REQUEUE: JobState.QUEUED},
    JobState.CANCELLED: {JobSignal.REQUEUE: JobState.QUEUED},
}

ATTEMPT_STEPS: Final[Mapping[AttemptState, Mapping[AttemptSignal, AttemptState]]] = {
    AttemptState.GRANTED: {
        AttemptSignal.START: AttemptState.RUNNING,
        AttemptSignal.STOP: AttemptState.ENDING,
        AttemptSignal.END: AttemptState.ENDED,
    },
    AttemptState.RUNNING: {
        AttemptSignal.STOP: AttemptState.ENDING,
        AttemptSignal.END: AttemptState.ENDED,
    },
    AttemptState.ENDING: {
        AttemptSignal.STOP: AttemptState.ENDING,
        AttemptSignal.END: AttemptState.ENDED,
    },
    AttemptState.ENDED: {},
}

REPLICA_STEPS: Final[Mapping[ReplicaState, Mapping[ReplicaSignal, ReplicaState]]] = {
    ReplicaState.PENDING: {
        ReplicaSignal.PULL: ReplicaState.PULLING,
        ReplicaSignal.STAND: ReplicaState.STANDING,
        ReplicaSignal.START: ReplicaState.STARTED,
        ReplicaSignal.EXIT: ReplicaState.EXITED,
        ReplicaSignal.LOSE: ReplicaState.LOST,
    },
    ReplicaState.PULLING: {
        ReplicaSignal.STAND: ReplicaState.STANDING,
        ReplicaSignal.START: ReplicaState.STARTED,
        ReplicaSignal.EXIT: ReplicaState.EXITED,
        ReplicaSignal.LOSE: ReplicaState.LOST,
    },
    ReplicaState.STANDING: {
        ReplicaSignal.START: ReplicaState.STARTED,
        ReplicaSignal.EXIT: ReplicaState.EXITED,
        ReplicaSignal.LOSE: ReplicaState.LOST,
    },
    ReplicaState.STARTED: {
        ReplicaSignal.EXIT: ReplicaState.EXITED,
        ReplicaSignal.LOSE: ReplicaState.LOST,
    },
    ReplicaState.EXITED: {},
    ReplicaState.LOST: {},
}


class IllegalStep(AssertionError):
    """A step that no table holds: a bug in the house. `story` is what led to it."""

    def __init__(self, state: str, signal: str, story: Sequence[str]) -> None:
        told = "\n  ".join(story) or "(nothing yet)"
        super().__init__(f"{signal!r} is not a step from {state!r}; the story so far:\n  {told}")
        self.state = state
        self.signal = signal
        self.story = tuple(story)


State = TypeVar("State", bound=StrEnum)
Signal = TypeVar("Signal", bound=StrEnum)


def take_step(
    table: Mapping[State, Mapping[Signal, State]],
    state: State,
    signal: Signal,
    story: Sequence[str] = (),
) -> State:
    """The next state, or `IllegalStep`."""
    target = table[state].get(signal)
    if target is None:
        raise IllegalStep(state.value, signal.value, story)
    return target
