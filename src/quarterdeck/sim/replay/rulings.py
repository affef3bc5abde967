"""Under which policy and which limits the plans of a while were made."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.sim.fast.agendas import BookedFrom
from quarterdeck.sim.fast.limits import Ruling
from quarterdeck.sim.replay.cycles import load_cycles

if TYPE_CHECKING:
    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.ports.cycles import CycleLog


@dataclass(frozen=True, slots=True)
class InForce:
    """`policies` are those that were in force, the last one last; `limits` and what was `booked`
    change with time."""

    policies: tuple[Policy, ...]
    limits: tuple[Ruling, ...]
    plans: int
    booked: tuple[BookedFrom, ...] = ()


def read_in_force(cycle_log: CycleLog, span_ns: tuple[int, int]) -> InForce:
    """From the cycles of that time; nothing is known where there are none."""
    policies: list[Policy] = []
    limits: list[Ruling] = []
    booked: list[BookedFrom] = []
    known: tuple[Occurrence, ...] | None = None
    plans = 0
    starts = cycle_log.list_starts()
    for cycle in (one for start in starts for one in load_cycles(cycle_log, start.number, span_ns)):
        plans += 1
        inputs = cycle.inputs
        if not policies or policies[-1] != inputs.policy:
            policies.append(inputs.policy)
        if not limits or dict(limits[-1].limits) != dict(inputs.limits):
            at_s = (cycle.at_ns - span_ns[0]) / NS_PER_S if limits else 0.0
            limits.append(Ruling(at_s, inputs.limits))
        if known != inputs.times:
            known = inputs.times
            at_s = (cycle.at_ns - span_ns[0]) / NS_PER_S if booked else 0.0
            booked.append(BookedFrom(at_s, tuple(_since(span_ns[0], time) for time in known)))
    return InForce(tuple(policies), tuple(limits), plans, tuple(booked))


def _since(from_ns: int, time: Occurrence) -> Occurrence:
    """The same on the simulator's clock, and at its one site."""
    start_ns, end_ns = time.start_ns - from_ns, time.end_ns - from_ns
    return replace(time, start_ns=start_ns, end_ns=end_ns, site="")
