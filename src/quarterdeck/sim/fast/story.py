"""What happened in a run: who ran when and where, and what cut it short."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.hardware import Node
    from quarterdeck.sim.fast.workload import SimJob


class OutageKind(StrEnum):
    """What is the matter with a node."""

    LOSS = "loss"
    """It is gone, and what ran on it goes back to its last checkpoint."""
    DRAIN = "drain"
    """Nothing new goes to it, and what runs there is stopped and goes on elsewhere."""
    CORDON = "cordon"
    """Nothing new goes to it, and what runs there goes on."""


@dataclass(frozen=True, slots=True)
class Outage:
    """A node that is not to be had from `at_s` on, for `for_s` seconds."""

    node: str
    at_s: float
    for_s: float
    kind: OutageKind = OutageKind.LOSS


class Cut(StrEnum):
    """What ended an attempt."""

    DONE = "done"
    PREEMPTED = "preempted"
    NODE_LOST = "node_lost"
    DRAINED = "drained"


@dataclass(frozen=True, slots=True)
class Span:
    """One attempt: replica `i` held `grants[i]`."""

    start_s: float
    end_s: float
    grants: tuple[Grant, ...]
    cut: Cut = Cut.DONE


@dataclass(frozen=True, slots=True)
class Begun:
    """A job that holds these grants already when a run begins. Its duration is what is left."""

    job: SimJob
    grants: tuple[Grant, ...]


@dataclass(frozen=True, slots=True)
class Ran:
    """A job with its attempts. `lost_s` is run time that had to be spent again: since the last
    checkpoint before each cut, and on starting again."""

    job: SimJob
    spans: tuple[Span, ...]
    lost_s: float = 0.0

    @property
    def start_s(self) -> float:
        """When it first started."""
        return self.spans[0].start_s

    @property
    def end_s(self) -> float:
        """When it ended."""
        return self.spans[-1].end_s

    @property
    def grants(self) -> tuple[Grant, ...]:
        """What its last attempt held."""
        return self.spans[-1].grants

    @property
    def wait_s(self) -> float:
        """From its submission to its first start."""
        return self.start_s - self.job.submit_s

    @property
    def held_s(self) -> float:
        """How long its attempts held what they were granted, all together."""
        return sum(span.end_s - span.start_s for span in self.spans)


@dataclass(frozen=True, slots=True)
class Story:
    """What became of a workload: every job ran, in the order of their ends, or never did."""

    nodes: tuple[Node, ...]
    ran: tuple[Ran, ...]
    never: tuple[tuple[SimJob, str], ...]
    plans: int
    outages: tuple[Outage, ...] = field(default=())
