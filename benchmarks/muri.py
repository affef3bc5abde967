"""Jobs of Philly as Muri's simulator takes them, and what being placed costs them there.

Zhao et al., "Multi-Resource Interleaving for Deep Learning Training", SIGCOMM 2022 (pkusys/Muri). A
job's duration is its iterations times what one takes.
"""

from __future__ import annotations

from typing import Final

from benchmarks.baselines.queueing import Gang
from benchmarks.gangs import demand_of
from benchmarks.traces import read_rows
from quarterdeck.sim.fast.workload import SimJob

SLOWED: Final = 1.015
"""So much longer an iteration takes there than the trace says, for every policy."""
MS_PER_S: Final = 1000
OVERHEADS_S: Final = {
    "vgg16": (7, 7, 8, 9, 9, 10),
    "vgg19": (7, 7, 8, 9, 10, 10),
    "resnet18": (4, 5, 5, 7, 7, 7),
    "shufflenet_v2_x1_0": (4, 4, 5, 5, 7, 8),
    "bert": (10, 10, 10, 10, 10, 10),
    "gpt2": (10, 10, 10, 10, 10, 10),
    "a2c": (38, 39, 39, 46, 46, 46),
    "dqn": (5, 5, 6, 6, 8, 8),
}
"""Of a model on 1, 2, 4, 8, 16 and 32 GPUs, as measured there."""
OVERHEAD_MOST_S: Final = 46.0


def read_jobs(trace: str) -> list[SimJob]:
    """The jobs of a trace: `1` or `3`, `1_pr` or `3_pr` where all come at once."""
    return [
        SimJob(
            line,
            f"{row['job_id']} {row['model_name']}",
            int(row["submit_time"]) / MS_PER_S,
            _duration_s(row),
            demand_of(int(row["num_gpu"])),
        )
        for line, row in enumerate(read_rows(f"muri/trace{trace}.csv"), start=2)
    ]


def read_charged(trace: str) -> list[Gang]:
    """The same jobs in that simulator's physics: slower, and charged for being placed."""
    return [
        Gang(
            int(row["submit_time"]) / MS_PER_S,
            _duration_s(row) * SLOWED,
            int(row["num_gpu"]),
            _overhead_s(row["model_name"], int(row["num_gpu"])),
        )
        for row in read_rows(f"muri/trace{trace}.csv")
    ]


def read_nodes() -> int:
    """How many nodes the cluster has."""
    (row,) = read_rows("muri/n8g8.csv")
    return int(row["num_switch"]) * int(row["num_node_p_switch"])


def _duration_s(row: dict[str, str]) -> float:
    return int(row["iterations"]) * float(row["iteration_time"]) / MS_PER_S


def _overhead_s(model: str, gpus: int) -> float:
    return float(OVERHEADS_S[model][gpus.bit_length() - 1])
