"""What really lives at the virtual site: the truth that reports are judged by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quarterdeck.core.jobs.events import Sighting
from quarterdeck.core.jobs.job import RankExit
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import ReplicaState
from quarterdeck.ports.engine import AttemptRef, Observation

if TYPE_CHECKING:
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.ports.engine import LaunchOrder
    from quarterdeck.sim.workload import Script


@dataclass(slots=True)
class VirtualReplica:
    """One runner and its command. `lives` is the truth; `state` is what its spool says."""

    node_rank: int
    grant: Grant
    attempt: VirtualAttempt
    lives: bool = False
    state: ReplicaState = ReplicaState.PENDING
    has_stood: bool = False
    starts: int = 0
    started_at_ns: int | None = None
    ended_at_ns: int | None = None
    exits: tuple[RankExit, ...] = ()
    reason: Reason | None = None
    message: str = ""
    is_overdue: bool = False
    kill_at_ns: int | None = None

    @property
    def has_failed(self) -> bool:
        """Whether the rest of its gang waits for it in vain."""
        return not self.lives and not self.has_succeeded

    @property
    def has_succeeded(self) -> bool:
        """Whether every rank ended by itself with code 0, and in time."""
        return (
            bool(self.exits)
            and not self.is_overdue
            and all(end.exit_code == 0 and not end.stopped for end in self.exits)
        )

    def sighting(self) -> Sighting:
        """What the engine says of it."""
        return Sighting(
            self.node_rank,
            self.state,
            started_at_ns=self.started_at_ns,
            ended_at_ns=self.ended_at_ns,
            exits=self.exits,
            reason=self.reason,
            message=self.message,
        )

    def make_exits(
        self, *, code: int | None = None, signal: int | None = None, stopped: bool = False
    ) -> tuple[RankExit, ...]:
        """All ranks ended the same way, unless one failed: then the others were stopped for it."""
        per_node = self.attempt.order.spec.ranks_per_node
        first = self.node_rank * per_node
        ends = [RankExit(first, code, signal, stopped)]
        for rank in range(first + 1, first + per_node):
            if stopped or code == 0:
                ends.append(RankExit(rank, code, signal, stopped))
            else:
                ends.append(RankExit(rank, None, 15, stopped=True))
        return tuple(ends)


@dataclass(slots=True)
class VirtualAttempt:
    """A launched attempt, remembered for ever; the engine may be told to forget it."""

    order: LaunchOrder
    script: Script
    replicas: list[VirtualReplica] = field(default_factory=list)
    is_released: bool = False
    seen: Observation | None = None

    @property
    def ref(self) -> AttemptRef:
        """Which one."""
        return self.order.ref

    @property
    def lives(self) -> bool:
        """Whether anything of it lives."""
        return any(replica.lives for replica in self.replicas)

    @property
    def is_gone(self) -> bool:
        """Whether the engine says of every replica that it is gone."""
        return all(replica.state.is_gone for replica in self.replicas)

    @property
    def has_succeeded(self) -> bool:
        """Whether the whole command ended by itself, with code 0 everywhere."""
        return all(replica.has_succeeded for replica in self.replicas)

    def failures(self) -> set[Reason]:
        """Everything that went wrong with it of its own accord."""
        found: set[Reason] = set()
        for replica in self.replicas:
            if replica.is_overdue:
                found.add(Reason.TIMED_OUT)
            if replica.reason in (Reason.SETUP_FAILED, Reason.NODE_FAILURE):
                found.add(replica.reason)
            elif any(end.exit_code != 0 and not end.stopped for end in replica.exits):
                found.add(Reason.USER_ERROR)
        return found

    def observe(self) -> Observation:
        """What the engine says of it; made anew only when something changed."""
        if self.seen is None:
            self.seen = Observation(self.ref, tuple(r.sighting() for r in self.replicas))
        return self.seen
