"""A job, its numbered attempts and their replicas: immutable, and only what has happened."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.spec import JobSpec
from quarterdeck.core.jobs.states import AttemptState, JobState, ReplicaState

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@dataclass(frozen=True, slots=True)
class StopWish:
    """Why an attempt is being stopped, and how long it may take."""

    reason: Reason
    grace_s: float
    message: str = ""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One numbered try. The number is also its fence: a smaller one can do nothing any more."""

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

    @property
    def holds_devices(self) -> bool:
        """Whether its grants are taken: until the site has said that nothing of it lives."""
        return self.state is not AttemptState.ENDED


@dataclass(frozen=True, slots=True)
class Job:
    """What was asked, kept for ever, and how it went. `revision` counts its events."""

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
    story: tuple[str, ...] = field(default=(), repr=False)

    @property
    def attempt(self) -> Attempt | None:
        """The latest attempt, alive or not."""
        return self.attempts[-1] if self.attempts else None

    @property
    def live_attempt(self) -> Attempt | None:
        """The attempt that holds devices now."""
        latest = self.attempt
        return latest if latest is not None and latest.holds_devices else None

    def grants(self) -> Iterator[Grant]:
        """Everything the job holds now."""
        live = self.live_attempt
        if live is not None:
            for replica in live.replicas:
                yield replica.grant
