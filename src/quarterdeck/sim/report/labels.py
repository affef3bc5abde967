"""Each figure for people: what it is called, and how its value is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.sim.report.words import number, percent, span

if TYPE_CHECKING:
    from collections.abc import Callable

LABELS: Final[dict[str, tuple[str, Callable[[float], str]]]] = {
    "jobs": ("jobs that ran", number),
    "jobs_never": ("jobs that never ran", number),
    "wait_mean_s": ("wait, mean", span),
    "wait_p50_s": ("wait, median", span),
    "wait_p99_s": ("wait, 99th percentile", span),
    "completion_mean_s": ("completion, mean", span),
    "completion_p50_s": ("completion, median", span),
    "completion_p99_s": ("completion, 99th percentile", span),
    "slowdown_mean": ("slowdown, mean", number),
    "makespan_s": ("first submission to last end", span),
    "gpu_hours": ("GPU hours held", number),
    "utilisation": ("GPU time held", percent),
    "queue_mean": ("jobs waiting, mean", number),
    "queue_most": ("jobs waiting, most", number),
    "fragmentation": ("free GPU time of no use to a typical job", percent),
    "gangs": ("jobs on several nodes", number),
    "racks_per_gang": ("racks of such a job, mean", number),
    "units_per_gang": ("units of such a job, mean", number),
    "pods_per_gang": ("pods of such a job, mean", number),
    "gangs_in_one_rack": ("of them in one rack", percent),
    "gangs_in_one_unit": ("of them in one unit", percent),
    "gangs_in_one_pod": ("of them in one pod", percent),
    "jain_teams": ("Jain's index of teams", number),
    "finish_time_worst": ("finish-time fairness, worst job", number),
    "finish_time_unfair": ("jobs with finish-time fairness above 1.05", percent),
    "guarantee_violation_minutes": ("minutes below what somebody is guaranteed", number),
    "preemptions": ("preemptions", number),
    "runs_lost_with_nodes": ("runs lost with their nodes", number),
    "runs_drained": ("runs stopped by drains", number),
    "lost_gpu_hours": ("GPU hours that had to be spent again", number),
    "lost_share": ("as a share of all that were held", percent),
    "energy_kwh": ("energy of the nodes with GPUs, kWh at most", number),
}
