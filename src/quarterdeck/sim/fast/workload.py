"""Workload files: one line a job, and what is wrong with lines that say none.

A CSV file with a header. `submit` and `duration` are seconds; `gpus` is what a job file says under
`resources.gpu`, for each of its `nodes`. What cannot be read is told with its line, never left out
in silence.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid, QuarterdeckError
from quarterdeck.basics.quantities import parse_bytes
from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.cluster.gpus import parse_gpus
from quarterdeck.core.jobs.spec import Priority

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NEEDED: Final = ("submit", "duration", "gpus")
OPTIONAL: Final = ("job", "nodes", "cpus", "memory", "team", "user", "priority")
COLUMNS: Final = (*NEEDED, *OPTIONAL)
SECONDS_MAX: Final = 100 * 366 * 86400.0
COUNT_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class SimJob:
    """A job of a workload, as its line says it.

    `estimate_s` is how long its submitter or its history says that it runs, and all that the
    scheduler knows of its duration. Cut short, it goes on from a checkpoint that it makes every
    `checkpoint_s`; without any it starts again from nothing. `since_s` is from when on its place
    in the queue counts, if not from its submission: something else kept it from starting before.
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

    @property
    def gpus(self) -> float:
        """On all its nodes; a part of a GPU's time counts as that part."""
        wanted = self.demand.resources
        return self.demand.nodes * wanted.gpus * wanted.gpu_percent / 100


@dataclass(frozen=True, slots=True)
class Remark:
    """What is wrong with a line. `is_left_out`: no job was made of it."""

    line: int
    what: str
    is_left_out: bool = True


@dataclass(frozen=True, slots=True)
class Workload:
    """Jobs in the order in which they come, and what was wrong with the file."""

    jobs: tuple[SimJob, ...]
    remarks: tuple[Remark, ...] = ()


def read_workload(text: str, name: str) -> Workload:
    """The jobs of a CSV file. `Invalid` when its header cannot be used."""
    rows = csv.reader(io.StringIO(text))
    header = [column.strip() for column in next(rows, [])]
    if missing := [column for column in NEEDED if column not in header]:
        raise Invalid(
            f"{name}:1: the header has no column {', '.join(missing)}",
            field="workload",
            hint=f"the columns are {', '.join(COLUMNS)}; the first three are needed",
        )
    if doubled := sorted({column for column in header if header.count(column) > 1}):
        raise Invalid(
            f"{name}:1: the header has {', '.join(doubled)} twice",
            field="workload",
            hint="name each column once",
        )
    remarks = [
        Remark(1, f"unknown column {column!r}: not used", is_left_out=False)
        for column in header
        if column not in COLUMNS
    ]
    jobs: list[SimJob] = []
    for row in _rows(rows, remarks):
        line = rows.line_num
        if not any(cell.strip() for cell in row):
            continue
        try:
            if len(row) != len(header):
                raise Invalid(f"{len(row)} columns instead of {len(header)}")
            cells = zip(header, (cell.strip() for cell in row), strict=True)
            job = _job_of(line, dict(cells))
        except QuarterdeckError as error:
            remarks.append(Remark(line, error.message))
            continue
        if jobs and job.submit_s < jobs[-1].submit_s:
            told = f"submit {job.submit_s:g} is before line {jobs[-1].line}: sorted by time"
            remarks.append(Remark(line, told, is_left_out=False))
        jobs.append(job)
    return Workload(tuple(sorted(jobs, key=lambda job: job.submit_s)), tuple(remarks))


def _rows(rows: Iterable[list[str]], remarks: list[Remark]) -> Iterable[list[str]]:
    """Row by row, up to one that is no CSV."""
    try:
        yield from rows
    except csv.Error as error:
        line = getattr(rows, "line_num", 0)
        remarks.append(Remark(line, f"{error}: nothing after this line was read"))


def _job_of(line: int, cells: Mapping[str, str]) -> SimJob:
    gpus = cells["gpus"]
    wanted = Resources() if gpus in ("", "0") else parse_gpus(gpus, "gpus")
    memory = cells.get("memory", "")
    resources = Resources(
        wanted.gpus,
        wanted.gpu_model,
        _count(cells, "cpus", 1, least=0),
        parse_bytes(memory, field="memory") if memory else 0,
        wanted.gpu_memory_bytes,
        wanted.gpu_unit,
        wanted.gpu_profile,
        wanted.gpu_percent,
    )
    priority = cells.get("priority") or "normal"
    if priority not in list(Priority):
        raise Invalid(f"priority is {priority!r}, not low, normal or high")
    return SimJob(
        line,
        cells.get("job") or f"line {line}",
        _seconds(cells, "submit"),
        _seconds(cells, "duration"),
        Demand(_count(cells, "nodes", 1, least=1), resources),
        cells.get("team") or "default",
        cells.get("user") or "",
        Priority(priority),
    )


def _seconds(cells: Mapping[str, str], column: str) -> float:
    text = cells[column]
    try:
        found = float(text)
    except ValueError:
        raise Invalid(f"{column} is {text!r}, not a number of seconds") from None
    if not (math.isfinite(found) and 0 <= found <= SECONDS_MAX):
        raise Invalid(f"{column} is {text}: seconds from 0 to {SECONDS_MAX:.0f} can be used")
    return found


def _count(cells: Mapping[str, str], column: str, usual: int, *, least: int) -> int:
    text = cells.get(column) or str(usual)
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise Invalid(f"{column} is {text!r}, not a whole number")
    if not least <= int(text) <= COUNT_MAX:
        raise Invalid(f"{column} is {text}: from {least} to {COUNT_MAX} can be used")
    return int(text)
