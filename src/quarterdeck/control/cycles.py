"""Notes every plan that the scheduler makes, so that it can be made again later."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.allowances import quotas_of
from quarterdeck.core.scheduling.imprint import imprint_of
from quarterdeck.ports.cycles import Cycle, Inputs

if TYPE_CHECKING:
    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.core.governance.people import People
    from quarterdeck.core.scheduling.plan import Plan
    from quarterdeck.core.scheduling.promised import Promised
    from quarterdeck.core.scheduling.snapshot import Policy
    from quarterdeck.ports.cycles import CycleLog, Outcome

Given = tuple["Policy", "People | None", "tuple[Occurrence, ...]", "tuple[Promised, ...]"]
"""What a plan was made under."""

APART_S: Final = 0.25
"""Cycles are handed over not more often than this: of hundreds of plans a second, each takes a
millisecond and must not wait for a file. So this much is lost when the server is killed, and more
only while the scheduler is at work on a turn or rests after one that was long or has failed."""
KEPT_S: Final = 30 * 86_400.0
CYCLES_MAX: Final = 2_000_000
"""What a log of cycles keeps: a plan a second for three weeks, in about 400 MB."""


class Cycles:
    """The cycles of one start of a server. One thread at a time."""

    def __init__(self, cycle_log: CycleLog) -> None:
        """On a log that has been told of the start."""
        self._log = cycle_log
        self._number = 0
        self._pending: list[Cycle] = []
        self._written_ns = 0
        self._known: tuple[Given, Inputs] | None = None

    def note(
        self,
        made: Plan,
        at_ns: int,
        given: Given,
        became: tuple[Outcome, int],
    ) -> None:
        """A plan was made at that time under this policy, these people's limits, these bookings and
        these promises, and this became of it: how many of its placements were committed."""
        self._number += 1
        inputs = self._inputs_of(given)
        outcome, kept = became
        cycle = Cycle(self._number, at_ns, made.as_of, imprint_of(made), inputs, outcome, kept)
        self._pending.append(cycle)
        self.hand_over(at_ns)

    def hand_over(self, now_ns: int) -> None:
        """Give the log what is held back, unless it was given some just now."""
        if self._pending and not 0 <= now_ns - self._written_ns < APART_S * NS_PER_S:
            self._write()
            self._written_ns = now_ns

    def due_in_s(self, now_ns: int) -> float | None:
        """How long from now what is held back may still wait; None if that is nothing."""
        if not self._pending:
            return None
        since_ns = now_ns - self._written_ns
        return max(0.0, APART_S - since_ns / NS_PER_S) if since_ns >= 0 else 0.0

    def end(self, now_ns: int) -> None:
        """Give the log all there is, and the word that nothing follows."""
        self._write()
        self._log.end(now_ns)

    def _write(self) -> None:
        pending, self._pending = self._pending, []
        if pending:
            self._log.add(pending)

    def _inputs_of(self, given: Given) -> Inputs:
        """The same object for as long as nobody changes anything."""
        known = self._known
        if known is None or any(one is not old for one, old in zip(given, known[0], strict=True)):
            policy, people, times, promised = given
            limits = quotas_of(people).of.items() if people is not None else ()
            self._known = known = (given, Inputs(policy, tuple(limits), times, promised))
        return known[1]
