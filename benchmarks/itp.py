"""Jobs of Microsoft's ITP clusters, two months of 2021 each.

Gu et al., "ElasticFlow: An Elastic Serverless Training Platform for Distributed Deep Learning",
ASPLOS 2023 (microsoft/elasticflow-traces).
"""

from __future__ import annotations

from benchmarks.gangs import demand_of
from benchmarks.traces import read_rows
from quarterdeck.sim.fast.workload import SimJob


def read_jobs(cluster: str) -> list[SimJob]:
    """The jobs of a cluster, `01` to `05`, in the order in which they come."""
    return [
        SimJob(
            line,
            row["job_id"],
            float(row["submission_time"]),
            float(row["duration"]),
            demand_of(int(row["num_gpu"])),
        )
        for line, row in enumerate(read_rows(f"itp/cluster{cluster}.csv"), start=2)
    ]
