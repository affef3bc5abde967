"""Under which policy and which limits the plans of a while were made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.sim.fast.limits import Ruling

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.ports.cycles import Cycle, CycleLog


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
    for cycle in _cycles(cycle_log, span_ns):
        plans += 1
        inputs = cycle.inputs
        if not policies or policies[-1] != inputs.policy:
            policies.append(inputs.policy)
        if not limits or dict(limits[-1].limits) != dict(inputs.limits):
            at_s = (cycle.at_ns - span_ns[0]) / NS_PER_S if limits else 0.0
            limits.append(Ruling(at_s, inputs.limits))
    return InForce(tuple(policies), tuple(limits), plans)


def _cycles(cycle_log: CycleLog, span_ns: tuple[int, int]) -> Iterator[Cycle]:
    from_ns, to_ns = span_ns
    for start in cycle_log.list_starts():
        after = 0
        while page := cycle_log.list_cycles(start.number, after, since_ns=from_ns):
            yield from (cycle for cycle in page if cycle.at_ns <= to_ns)
            after = page[-1].number
