"""Under which policy and which limits the plans of a while were made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.sim.fast.limits import Ruling
from quarterdeck.sim.replay.cycles import load_cycles

if TYPE_CHECKING:
    from quarterdeck.ports.cycles import CycleLog


@dataclass(frozen=True, slots=True)
class InForce:
    """`policies` are those that were in force, the last one last; `limits` change with time."""

    policies: tuple[Policy, ...]
    limits: tuple[Ruling, ...]
    plans: int


def read_in_force(cycle_log: CycleLog, span_ns: tuple[int, int]) -> InForce:
    """From the cycles of that time; nothing is known where there are none."""
    policies: list[Policy] = []
    limits: list[Ruling] = []
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
    return InForce(tuple(policies), tuple(limits), plans)
