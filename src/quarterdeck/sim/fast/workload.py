"""Workloads: jobs with when they come and how long they run, and the house's own file of them.

A CSV file with a header. `submit` and `duration` are seconds; `gpus` is what a job file says under
`resources.gpu`, for each of its `nodes`. What cannot be read is told with its line, never left out
in silence.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid, QuarterdeckError
from quarterdeck.basics.quantities import parse_bytes
from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.cluster.gpus import parse_gpus
from quarterdeck.core.jobs.spec import Priority
from quarterdeck.sim.fast.cells import count, find, rows_of, seconds, shown
from quarterdeck.sim.fast.remarks import Remark, Remarks

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NEEDED: Final = ("submit", "duration", "gpus")
OPTIONAL: Final = (
    "job", "nodes", "cpus", "memory", "team", "user", "priority", "estimate", "checkpoint",
    "preemptible",
)  # fmt: skip
COLUMNS: Final = (*NEEDED, *OPTIONAL)


@dataclass(frozen=True, slots=True)
class SimJob:
    """A job of a workload, as its line says it.

    `estimate_s` is how long its submitter or its history says that it runs, and all that the
    scheduler knows of its duration. Cut short, it goes on from a checkpoint that it makes every
    `checkpoint_s`; without any it starts again from nothing. `since_s` is from when on its place
    in the queue counts, if not from its submission: something else kept it from starting before.
    `limit_s` is its time limit: an attempt ends then.
    """

    line: int
    name: str
    submit_s: float
    duration_s: float
    demand: Demand
    team: str = "default"
    user: str = ""
    priority: Priority = Priority.NORMAL
    estimate_s: float | None = None
    checkpoint_s: float | None = None
    is_preemptible: bool = True
    since_s: float | None = None
    limit_s: float | None = None

    @property
    def gpus(self) -> float:
        """On all its nodes; a part of a GPU's time counts as that part."""
        return self.demand.gpus


@dataclass(frozen=True, slots=True)
class Workload:
    """Jobs in the order in which they come, and what was wrong with the file.

    `left_out` are lines that became no job; `untold` are remarks that were too many to keep.
    `notes` say how a file of another system was understood.
    """

    jobs: tuple[SimJob, ...]
    remarks: tuple[Remark, ...] = ()
    left_out: int = 0
    untold: int = 0
    notes: tuple[str, ...] = ()


def workload_of(jobs: Sequence[SimJob], remarks: Remarks, notes: Sequence[str] = ()) -> Workload:
    """The jobs by time. Time that goes back from one line to the next is told."""
    before: SimJob | None = None
    for job in jobs:
        if before is not None and job.submit_s < before.submit_s:
            told = f"submit {job.submit_s:.10g} is before line {before.line}: sorted by time"
            remarks.tell(job.line, told)
        before = job
    return Workload(
        tuple(sorted(jobs, key=lambda job: job.submit_s)),
        tuple(sorted(remarks.kept, key=lambda one: one.line)),
        remarks.left_out,
        remarks.untold,
        tuple(notes),
    )


def read_workload(text: str, name: str) -> Workload:
    """The jobs of a CSV file. `Invalid` when its header cannot be used, or none of its lines."""
    remarks = Remarks()
    jobs: list[SimJob] = []
    for line, cells in rows_of(text, NEEDED, OPTIONAL, name, "workload", remarks):
        try:
            jobs.append(_job_of(line, cells))
        except QuarterdeckError as error:
            remarks.leave_out(line, error)
    remarks.check_some_left(jobs, name, "workload")
    return workload_of(jobs, remarks)


def _job_of(line: int, cells: Mapping[str, str]) -> SimJob:
    gpus = cells["gpus"]
    wanted = Resources() if gpus in ("", "0") else parse_gpus(gpus, "gpus")
    memory = find(cells, "memory")
    resources = Resources(
        wanted.gpus,
        wanted.gpu_model,
        count(find(cells, "cpus") or "1", "cpus"),
        parse_bytes(memory, field="memory") if memory else 0,
        wanted.gpu_memory_bytes,
        wanted.gpu_unit,
        wanted.gpu_profile,
        wanted.gpu_percent,
    )
    priority = find(cells, "priority") or "normal"
    if priority not in list(Priority):
        raise Invalid(f"priority is {shown(priority)}, not low, normal or high")
    estimate, checkpoint = find(cells, "estimate"), find(cells, "checkpoint")
    return SimJob(
        line,
        find(cells, "job") or f"line {line}",
        seconds(cells["submit"], "submit"),
        seconds(cells["duration"], "duration"),
        Demand(count(find(cells, "nodes") or "1", "nodes", least=1), resources),
        find(cells, "team") or "default",
        find(cells, "user") or "",
        Priority(priority),
        seconds(estimate, "estimate") if estimate else None,
        seconds(checkpoint, "checkpoint") if checkpoint else None,
        _yes(find(cells, "preemptible") or "yes"),
    )


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise Invalid(f"preemptible is {shown(text)}, not yes or no")
    return text == "yes"
