"""Jobs of Microsoft's Philly cluster up to October 2017, as Pollux cut them down.

Jeon et al., "Analysis of Large-Scale Multi-Tenant GPU Clusters for DNN Training Workloads", ATC
2019 (msr-fiddle/philly-traces, CC-BY-4.0); the cut is that of petuum/adaptdl. A virtual cluster is
a team.
"""

from __future__ import annotations

from datetime import datetime

from benchmarks.gangs import demand_of
from benchmarks.traces import read_rows
from quarterdeck.sim.fast.workload import SimJob


def read_jobs(virtual_cluster: str | None = None) -> list[SimJob]:
    """All jobs, or those of one virtual cluster; the first of the file comes at 0."""
    rows = [*enumerate(read_rows("philly/philly_jobs_to_2017-10.csv"), start=2)]
    begin = min(_at(row) for _, row in rows)
    jobs = [
        SimJob(
            line,
            row["job"],
            (_at(row) - begin).total_seconds(),
            float(row["duration"]),
            demand_of(int(row["num_gpus"])),
            team=row["cluster"],
        )
        for line, row in rows
        if virtual_cluster in (None, row["cluster"])
    ]
    return sorted(jobs, key=lambda job: job.submit_s)


def read_virtual_clusters() -> dict[str, int]:
    """How many nodes of eight GPUs each virtual cluster had."""
    return {row["vc"]: int(row["node num"]) for row in read_rows("philly/philly_vc_nodes.csv")}


def _at(row: dict[str, str]) -> datetime:
    # Of this zone or that: only differences are used.
    return datetime.fromisoformat(f"{row['timestamp']}+00:00")
