"""The Standard Workload Format of the Parallel Workloads Archive: 18 numbers a line.

After Chapin et al., "Benchmarks and Standards for the Evaluation of Parallel Job Schedulers" (JSSPP
1999), https://www.cs.huji.ac.il/labs/parallel/workload/swf.html; -1 is what is not known. It counts
processors and knows no GPUs, so they become CPUs, and GPUs as well where the caller says how many.
"""

from __future__ import annotations

import io
import math
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid, QuarterdeckError
from quarterdeck.sim.fast.cells import COUNT_MAX, check_text, number, seconds
from quarterdeck.sim.fast.remarks import Remarks
from quarterdeck.sim.fast.workload import SimJob, Workload, workload_of

if TYPE_CHECKING:
    from quarterdeck.sim.fast.formats.machine import Machine

FIELDS: Final = (
    "job number", "submit time", "wait time", "run time", "allocated processors",
    "average CPU time", "used memory", "requested processors", "requested time",
    "requested memory", "status", "user", "group", "executable", "queue", "partition",
    "preceding job", "think time",
)  # fmt: skip
KIB: Final = 1024


def read_swf(
    text: str, name: str, machine: Machine, *, gpus_per_processor: float = 0.0
) -> Workload:
    """The jobs of an SWF file. `Invalid` when none of its lines can be used."""
    remarks = Remarks()
    jobs: list[SimJob] = []
    for line, content in enumerate(io.StringIO(text), start=1):
        bare = content.strip()
        if not bare or bare.startswith(";"):
            continue
        try:
            jobs.append(_job_of(line, bare, machine, gpus_per_processor))
        except QuarterdeckError as error:
            remarks.leave_out(line, error)
    remarks.check_some_left(jobs, name, "workload")
    return workload_of(jobs, remarks, [_mapping(machine, gpus_per_processor)])


def _mapping(machine: Machine, gpus_per_processor: float) -> str:
    """How it was understood."""
    gpus = (
        f" and {gpus_per_processor:g} GPUs, up to {machine.gpus} a node"
        if gpus_per_processor
        else "; no GPUs (see --gpus-per-processor)"
    )
    return (
        f"SWF: a processor is one CPU, on as few nodes as can hold them{gpus}; the requested time "
        "is the estimate, the group is the team; waits and starts of the file are not used"
    )


def _job_of(line: int, text: str, machine: Machine, gpus_per_processor: float) -> SimJob:
    cells = text.split()
    check_text([text])
    if len(cells) != len(FIELDS):
        raise Invalid(f"{len(cells)} fields instead of {len(FIELDS)}")
    values = [number(cell, field) for field, cell in zip(FIELDS, cells, strict=True)]
    known = {field: value for field, value in zip(FIELDS, values, strict=True) if value != -1}
    for field in ("submit time", "run time"):
        if field not in known:
            raise Invalid(f"{field} is -1: it is not known")
    processors = known.get("requested processors") or known.get("allocated processors")
    if not processors:
        raise Invalid("neither requested nor allocated processors are known")
    if not 1 <= processors <= COUNT_MAX or processors != round(processors):
        told = f"processors are {processors:.10g}: whole numbers from 1 to {COUNT_MAX} can be used"
        raise Invalid(told)
    memory = known.get("requested memory", 0.0)
    if not 0 <= memory <= 2**50 / KIB:
        raise Invalid(f"requested memory is {memory:.10g} KB of each processor")
    demand = machine.spread(
        round(processors),
        math.ceil(round(processors * gpus_per_processor, 6)),
        round(processors * memory * KIB),
    )
    has_estimate = bool(known.get("requested time"))
    return SimJob(
        line,
        f"job {cells[0]}",
        seconds(cells[1], "submit time"),
        seconds(cells[3], "run time"),
        demand,
        team=f"group-{cells[12]}" if "group" in known else "default",
        user=f"user-{cells[11]}" if "user" in known else "",
        estimate_s=seconds(cells[8], "requested time") if has_estimate else None,
    )
