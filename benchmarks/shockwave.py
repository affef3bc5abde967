"""The 120 jobs of Shockwave, whose batch size changes while they run, for 32 GPUs.

Zheng et al., "Shockwave: Fair and Efficient Cluster Scheduling for Dynamic Adaptation in Machine
Learning", NSDI 2023 (uw-mad-dash/shockwave). A line is a job: its model, its steps, its GPUs, how
its batch size changes, how long it should take if it runs alone, and when it comes.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.gangs import demand_of
from benchmarks.traces import read_lines
from quarterdeck.sim.fast.workload import SimJob

TRACE = "shockwave/120jobs_dynamic.trace"


@dataclass(frozen=True, slots=True)
class Training:
    """A line of the trace. `mode` is `static`, or how the batch size is adapted."""

    model: str
    steps: int
    gpus: int
    mode: str
    duration_s: float
    submit_s: float


def read_trainings() -> list[Training]:
    """The lines of the trace, who comes first first."""
    return [
        Training(cells[0], int(cells[5]), int(cells[6]), cells[7], float(cells[10]),
                 float(cells[11]))
        for cells in read_lines(TRACE)
    ]  # fmt: skip


def read_jobs() -> list[SimJob]:
    """The same, as jobs whose speed does not change."""
    return [
        SimJob(line, one.model, one.submit_s, one.duration_s, demand_of(one.gpus))
        for line, one in enumerate(read_trainings(), start=1)
    ]
