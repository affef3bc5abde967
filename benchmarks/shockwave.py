"""The 120 jobs of Shockwave, whose batch size changes while they run, for 32 GPUs.

Zheng et al., "Shockwave: Fair and Efficient Cluster Scheduling for Dynamic Adaptation in Machine
Learning", NSDI 2023 (uw-mad-dash/shockwave). A job's duration is what it takes with those changes.
"""

from __future__ import annotations

import re
from typing import Final

from benchmarks.adaptation import duration_s, read_speeds
from benchmarks.gangs import demand_of
from benchmarks.traces import read_lines
from quarterdeck.sim.fast.workload import SimJob

TRACE: Final = "shockwave/120jobs_dynamic.trace"
NODES: Final = 4


def read_jobs() -> list[SimJob]:
    """The jobs, who comes first first."""
    speeds = read_speeds()
    jobs = []
    for line, cells in enumerate(read_lines(TRACE), start=1):
        name, steps, gpus, mode, submit_s = (cells[column] for column in (0, 5, 6, 7, 11))
        match = re.fullmatch(r"(\S+) \(batch size (\d+)\)", name)
        assert match, name
        model, batch = match[1], int(match[2])
        takes_s = duration_s(mode, model, batch, int(gpus), int(steps), speeds)
        jobs.append(SimJob(line, name, float(submit_s), takes_s, demand_of(int(gpus))))
    return jobs
