"""A while as files of the simulator: its jobs and its outages, as CSV."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING, Final

from quarterdeck.core.cluster.demand import Demand
from quarterdeck.core.cluster.gpus import format_gpus

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quarterdeck.sim.fast.story import Outage
    from quarterdeck.sim.fast.workload import SimJob
    from quarterdeck.sim.replay.workload import Told

COLUMNS: Final = (
    "submit", "duration", "gpus", "job", "nodes", "cpus", "memory", "team", "user", "priority",
    "estimate", "checkpoint", "preemptible",
)  # fmt: skip


def workload_csv(told: Told) -> str:
    """The jobs by time. What runs at the beginning comes first, and runs for what was left."""
    jobs = sorted((*(one.job for one in told.begun), *told.jobs), key=lambda job: job.submit_s)
    return _csv(COLUMNS, map(_row, jobs))


def outages_csv(told: Told) -> str:
    """The outages by time. One that never ends has an empty `for`."""
    return _csv(("at", "node", "for", "kind"), map(_outage_row, told.outages))


def count_simplified(told: Told) -> int:
    """Of how many jobs a workload file cannot say all: several groups, a number of nodes between
    two, a topology, or a place in the queue that counts from before they could start."""
    jobs = (*(one.job for one in told.begun), *told.jobs)
    return sum(
        job.demand != Demand(job.demand.nodes, job.demand.resources) or job.since_s is not None
        for job in jobs
    )


def _row(job: SimJob) -> Sequence[object]:
    wanted = job.demand.resources
    return (
        _seconds(job.submit_s),
        _seconds(job.duration_s),
        format_gpus(wanted),
        job.name,
        job.demand.nodes,
        wanted.cpus,
        f"{wanted.memory_bytes}B" if wanted.memory_bytes else "",
        job.team,
        job.user,
        job.priority.value,
        "" if job.estimate_s is None else _seconds(job.estimate_s),
        "" if job.checkpoint_s is None else _seconds(job.checkpoint_s),
        "yes" if job.is_preemptible else "no",
    )


def _outage_row(outage: Outage) -> Sequence[object]:
    for_s = _seconds(outage.for_s) if math.isfinite(outage.for_s) else ""
    return _seconds(outage.at_s), outage.node, for_s, outage.kind.value


def _seconds(span_s: float) -> str:
    """To the microsecond, without a tail of zeros."""
    return f"{span_s:.6f}".rstrip("0").rstrip(".")


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
