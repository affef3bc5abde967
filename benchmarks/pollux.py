"""The workloads of Pollux: 160 jobs in eight hours, with their models and numbers of GPUs.

Qiao et al., "Pollux: Co-adaptive Cluster Scheduling for Goodput-Optimized Deep Learning", OSDI
2021 (petuum/adaptdl). The files have no durations, as those depend there on what the scheduler
does. Here a job gets the GPU time in the middle of its model's class (section 5.1: up to 1, 10,
100, 1,000 GPU hours), and runs for as long as its own GPUs need for that. So these are jobs of
about the right sizes, and not a repetition of that study.
"""

from __future__ import annotations

import math
from typing import Final

from benchmarks.gangs import demand_of
from benchmarks.traces import read_packed_rows
from quarterdeck.sim.fast.workload import SimJob

GPU_HOURS: Final = {
    "cifar10": math.sqrt(0.1 * 1),
    "ncf": math.sqrt(0.1 * 1),
    "bert": math.sqrt(1 * 10),
    "deepspeech2": math.sqrt(1 * 10),
    "yolov3": math.sqrt(10 * 100),
    "imagenet": math.sqrt(100 * 1000),
}
S_PER_H: Final = 3600


def read_jobs(kind: str, number: int) -> list[SimJob]:
    """One of eight lists of a kind: `workloads` (GPUs tuned) or `workloads-realistic` (as users
    asked)."""
    rows = read_packed_rows(f"pollux/{kind}.tar", f"{kind}/workload-{number}.csv")
    return [
        SimJob(
            line,
            row["name"],
            float(row["time"]),
            GPU_HOURS[row["application"]] * S_PER_H / int(row["num_replicas"]),
            demand_of(int(row["num_replicas"])),
        )
        for line, row in enumerate(rows, start=2)
    ]
