"""What goes wrong, how often, and how often it did.

A fault strikes when its countdown ends, and a new countdown is drawn. Unlike a probability, that
makes sure of it: a run that is long enough has met every fault.
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.basics.chance import Chance


class Fault(StrEnum):
    """Everything that can go wrong here."""

    NODE_LOST = "node lost"
    NODE_RETURNED = "node returned"
    NODE_CORDONED = "node cordoned"
    GPU_CORDONED = "GPU cordoned"
    RUNNER_LOST = "runner lost"
    NEWS_DROPPED = "runner's poke dropped"
    REPORT_LOST = "report lost"
    ANSWER_LOST = "answer lost"
    REPORT_DOUBLED = "report doubled"
    REPORT_LATE = "report delivered late"
    NODES_LATE = "old node list delivered late"
    BLOB_LOST = "blob fetch lost"
    CLOCK_BACK = "clock jumped back"
    CLOCK_FORWARD = "clock jumped forward"
    STORE_STALE = "store said stale"
    STORE_RACE = "commit overtook the scheduler"
    STORE_UNREADABLE = "store unavailable for a read"
    STORE_LOST_BEFORE = "store lost before commit"
    STORE_LOST_AFTER = "store lost after commit"
    PLANE_RESTART = "control plane restarted"
    PLANE_CRASH_BEFORE = "control plane died before commit"
    PLANE_CRASH_AFTER = "control plane died after commit"
    RESTORE = "restored from the log"
    AGENT_RESTART = "agent restarted"
    AGENT_CRASH = "agent died within a turn"
    ENGINE_UNAVAILABLE = "engine unavailable"
    LAUNCH_HALFWAY = "launch failed half-way"
    LAUNCH_REPEATED = "launch repeated"
    SUBMIT_REPEATED = "submit repeated with its key"


STRIKES_EVERY: Final = {
    Fault.NEWS_DROPPED: 12,
    Fault.REPORT_LOST: 60,
    Fault.ANSWER_LOST: 60,
    Fault.REPORT_DOUBLED: 40,
    Fault.REPORT_LATE: 70,
    Fault.NODES_LATE: 2,
    Fault.BLOB_LOST: 4,
    Fault.STORE_STALE: 90,
    Fault.STORE_RACE: 8,
    Fault.STORE_UNREADABLE: 250,
    Fault.STORE_LOST_BEFORE: 110,
    Fault.STORE_LOST_AFTER: 70,
    Fault.PLANE_CRASH_BEFORE: 300,
    Fault.PLANE_CRASH_AFTER: 250,
    Fault.AGENT_CRASH: 400,
    Fault.ENGINE_UNAVAILABLE: 150,
    Fault.LAUNCH_HALFWAY: 12,
    Fault.LAUNCH_REPEATED: 12,
    Fault.SUBMIT_REPEATED: 8,
}
"""The mean number of occasions between two strikes."""

SECONDS_BETWEEN: Final = {
    Fault.NODE_LOST: 350.0,
    Fault.NODE_CORDONED: 500.0,
    Fault.GPU_CORDONED: 250.0,
    Fault.RUNNER_LOST: 300.0,
    Fault.CLOCK_BACK: 600.0,
    Fault.CLOCK_FORWARD: 600.0,
    Fault.PLANE_RESTART: 500.0,
    Fault.RESTORE: 1000.0,
    Fault.AGENT_RESTART: 400.0,
}
"""The mean virtual time between two of those that need no occasion."""


class Faults:
    """The countdowns, and the tally."""

    def __init__(self, chance: Chance) -> None:
        self.counts = dict.fromkeys(Fault, 0)
        self._is_on = True
        self._chances = {fault: chance.split() for fault in Fault}
        self._left = {fault: self._draw(fault) for fault in STRIKES_EVERY}

    def strikes(self, fault: Fault) -> bool:
        """Whether it goes wrong this time."""
        if not self._is_on:
            return False
        self._left[fault] -= 1
        if self._left[fault] > 0:
            return False
        self._left[fault] = self._draw(fault)
        self.counts[fault] += 1
        return True

    def draw_pause_s(self, fault: Fault) -> float:
        """How long until it happens again."""
        return SECONDS_BETWEEN[fault] * self._chances[fault].between(0.5, 1.5)

    def note(self, fault: Fault) -> None:
        """It was made to happen."""
        self.counts[fault] += 1

    def take_back(self, fault: Fault) -> None:
        """It was to happen, and could not."""
        self.counts[fault] -= 1

    @property
    def are_on(self) -> bool:
        """Whether things go wrong at present."""
        return self._is_on

    def cease(self) -> None:
        """From now on nothing goes wrong any more."""
        self._is_on = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing goes wrong meanwhile."""
        before, self._is_on = self._is_on, False
        try:
            yield
        finally:
            self._is_on = before

    def _draw(self, fault: Fault) -> int:
        mean = STRIKES_EVERY[fault]
        return 1 + self._chances[fault].below(2 * mean - 1)
