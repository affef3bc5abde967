"""A job, its numbered attempts and their replicas: immutable, and only what has happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.jobs.place import QueuePlace
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.jobs.states import AttemptState, JobState, ReplicaState
from quarterdeck.core.jobs.tasks import Tasks, Wait

if TYPE_CHECKING:
    from collections.abc import Iterator

_WAITING: Final = (JobState.QUEUED, JobState.HELD)


@dataclass(frozen=True, slots=True)
class RankExit:
    """How one rank of the command ended: a code, or the signal that ended it.

    `stopped` marks a rank that ended because we asked; its code says nothing about the command.
    """

    rank: int
    code: int | None = None
    signal: int | None = None
    stopped: bool = False

    @property
    def exit_code(self) -> int:
        """The shell's convention: the code, or 128 plus the signal's number."""
        return self.code if self.code is not None else 128 + (self.signal or 0)


@dataclass(frozen=True, slots=True)
class Replica:
    """One node's part of an attempt."""

    node_rank: int
    grant: Grant
    state: ReplicaState = ReplicaState.PENDING
    started_at_ns: int | None = None
    ended_at_ns: int | None = None
    exits: tuple[RankExit, ...] = ()
    reason: Reason | None = None
    message: str = ""
    image: str = ""
    pull_s: float | None = None


@dataclass(frozen=True, slots=True)
class StopWish:
    """Why an attempt is being stopped, and how long it may take."""

    reason: Reason
    grace_s: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One numbered try. The number is also its fence: a smaller one can do nothing any more.

    `task` is the index of the array's task that it is of; None in a job without tasks. `grounds`
    say why it lies where it does. It `is_owed` where its team's guarantee covered it. It `goes_on`
    where the one before it was and gave up nodes: the job's least run time has been served.
    """

    number: int
    site: str
    placed_at_ns: int
    replicas: tuple[Replica, ...]
    state: AttemptState = AttemptState.GRANTED
    started_at_ns: int | None = None
    ended_at_ns: int | None = None
    stop: StopWish | None = None
    reason: Reason | None = None
    message: str = ""
    exit_code: int | None = None
    task: int | None = None
    grounds: tuple[str, ...] = ()
    allreduce_gbytes_s: float | None = None
    is_owed: bool = False
    goes_on: bool = False

    @property
    def holds_devices(self) -> bool:
        """Whether its grants are taken: until the site has said that nothing of it lives."""
        return self.state is not AttemptState.ENDED


@dataclass(frozen=True, slots=True)
class Note:
    """What somebody wrote about the job."""

    at_ns: int
    actor: str
    text: str


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked, kept for ever, and how it went. `revision` counts its events.

    `unmet` are the jobs that it needs and that have not succeeded yet. `wait` is what the next
    attempt waits for after a fault, `clearance` where others were stopped for it, or which of its
    nodes it keeps. An array has `tasks`, and of their attempts those that live and the last few
    that failed. `expected_s` is how long it, or each task, should run by what was learned before it
    was submitted; None where nothing was known. `queue_place` is the place in the queue that it has
    taken from another job of its owner; None while it has its own. `image` is what its image meant
    when an attempt first looked, by digest: every later attempt runs in that.
    """

    id: JobId
    spec: JobSpec
    actor: str
    submitted_at_ns: int
    state: JobState = JobState.QUEUED
    revision: int = 1
    reason: Reason | None = None
    message: str = ""
    exit_code: int | None = None
    ended_at_ns: int | None = None
    retries: int = 0
    attempts: tuple[Attempt, ...] = ()
    unmet: tuple[JobId, ...] = ()
    wait: Wait | None = None
    tasks: Tasks | None = None
    notes: tuple[Note, ...] = ()
    clearance: Clearance | None = None
    expected_s: float | None = None
    queue_place: QueuePlace | None = None
    image: str | None = None
    story: tuple[str, ...] = field(default=(), repr=False)

    @property
    def should_run_s(self) -> float | None:
        """How long it, or each task, should run: as was learned, and never beyond its limit."""
        known = (self.spec.time_limit_s, self.expected_s)
        return min((one for one in known if one is not None), default=None)

    @property
    def attempt(self) -> Attempt | None:
        """The latest attempt, alive or not."""
        return self.attempts[-1] if self.attempts else None

    @property
    def next_number(self) -> int:
        """What its next attempt is called."""
        if self.tasks is not None:
            return self.tasks.made + 1
        return self.attempts[-1].number + 1 if self.attempts else 1

    @property
    def waiting(self) -> int:
        """How many of its tasks wait to be started, held ones too; without an array 1 or 0."""
        if self.tasks is None:
            return int(self.state in _WAITING)
        return self.tasks.count(*_WAITING)

    @property
    def is_queued(self) -> bool:
        """Whether it, or any task of it, is in the queue."""
        if self.tasks is None:
            return self.state is JobState.QUEUED
        return self.tasks.count(JobState.QUEUED) > 0

    @property
    def live_attempts(self) -> tuple[Attempt, ...]:
        """The attempts that hold devices now; at most one without an array."""
        if self.tasks is None:
            return self.attempts[-1:] if self.attempts and self.attempts[-1].holds_devices else ()
        return tuple(attempt for attempt in self.attempts if attempt.holds_devices)

    def find_live(self, number: int) -> Attempt | None:
        """The attempt of that number, if it holds devices now."""
        return next((one for one in self.live_attempts if one.number == number), None)

    def wants(self, task: int | None) -> bool:
        """Whether it, or that task of it, is in the queue."""
        if (self.tasks is None) != (task is None):
            return False
        if self.tasks is None or task is None:
            return self.state is JobState.QUEUED
        return self.tasks.state(self.position(task)) is JobState.QUEUED

    def position(self, task: int) -> int:
        """The place of a task's index among the array's."""
        assert self.spec.array is not None
        return self.spec.array.positions[task]

    def retries_of(self, task: int | None) -> int:
        """How often it, or that task of it, was tried again."""
        if self.tasks is None or task is None:
            return self.retries
        return self.tasks.retries_of(self.position(task))

    def grants(self) -> Iterator[Grant]:
        """Everything the job holds now."""
        for attempt in self.live_attempts:
            for replica in attempt.replicas:
                yield replica.grant
