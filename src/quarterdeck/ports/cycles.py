"""Every plan that the scheduler made, and what it depended on beside the event log.

The log of events has jobs, placements and sites. A plan also depends on the time, on how far of the
log its maker had seen, on the policy and on people's limits; and what was asked lately and where
data lies is known to a server only since its start. With both logs any plan can be made again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from quarterdeck.core.calendar.occurrences import Occurrence
from quarterdeck.core.governance.limits import Quota
from quarterdeck.core.ledger.usage import Used
from quarterdeck.core.scheduling.allowances import Party
from quarterdeck.core.scheduling.imprint import Imprint
from quarterdeck.core.scheduling.promised import Promised
from quarterdeck.core.scheduling.snapshot import Policy

if TYPE_CHECKING:
    from collections.abc import Sequence


class Outcome(StrEnum):
    """What became of a plan."""

    KEPT = "kept"
    """It was committed; a job that was gone meanwhile just dropped out."""
    STALE = "stale"
    """Capacity was taken or a site changed meanwhile, so nothing was written."""
    UNSURE = "unsure"
    """The store did not answer: the log of events knows whether it was committed."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a plan depends on that stays as it is for long: the policy, everybody's limits, the
    times of the calendar as instants, so that later rules of time zones change nothing of it, and
    what the plan before promised, where the policy keeps that."""

    policy: Policy = field(default_factory=Policy)
    limits: tuple[tuple[Party, Quota], ...] = ()
    times: tuple[Occurrence, ...] = ()
    promised: tuple[Promised, ...] = ()


@dataclass(frozen=True, slots=True)
class Cycle:
    """One plan. `number` counts from 1 since the server's start, without a gap.

    `as_of` is the place in the log of events that its snapshot was taken at; `kept` how many of
    its placements were committed.
    """

    number: int
    at_ns: int
    as_of: int
    imprint: Imprint
    inputs: Inputs
    outcome: Outcome = Outcome.KEPT
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Start:
    """A server that began to schedule, with unfinished jobs and sites as of a place of the log.

    `ended_at_ns` is None while it runs, and for ever if it was killed: then it may have made plans
    at its end that nobody knows of. `used` is what attempts had that had ended before it.
    """

    number: int
    at_ns: int
    as_of: int
    version: str
    ended_at_ns: int | None = None
    used: tuple[Used, ...] = ()


class CycleLog(Protocol):
    """Kept apart from the store of jobs, whose writer has better things to do. A power cut may cost
    what the system had not yet brought to the disk, and a full disk costs cycles; neither costs
    anything else. The numbers tell which are missing, but for the last ones of a start: what is not
    yet added when a server is killed, and what a power cut takes, leaves a start without an end."""

    def begin(self, at_ns: int, as_of: int, version: str, used: tuple[Used, ...] = ()) -> int:
        """A server starts; says which start it is. Cycles that are added are of that one."""
        ...

    def add(self, cycles: Sequence[Cycle]) -> None:
        """Keep these."""
        ...

    def end(self, at_ns: int) -> None:
        """The server of the present start ends, and all its cycles were added."""
        ...

    def list_starts(self) -> list[Start]:
        """All that are known, oldest first."""
        ...

    def list_cycles(
        self, start: int, after: int = 0, *, since_ns: int = 0, limit: int = 1000
    ) -> list[Cycle]:
        """Those of a start with greater numbers that were not made before that time, in order."""
        ...

    def drop(self, before_ns: int, cycles_max: int) -> None:
        """Forget what is older, and then the oldest beyond so many; and starts without cycles that
        are older, but for the present one."""
        ...

    def close(self) -> None:
        """Let go of the file."""
        ...
