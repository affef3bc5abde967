"""What `sacct -P` (or `-p`) prints, with any columns: the header decides which there are.

Every job has a line of its own; lines of its steps (`123.batch`) are counted and passed over. GPUs
are those of AllocTRES, else of ReqTRES, and divided evenly among the job's nodes. The columns are
those of Slurm's manual page of sacct, 22.05 to 25.05 (https://slurm.schedmd.com/sacct.html).
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Invalid, QuarterdeckError
from quarterdeck.core.cluster.models import is_model
from quarterdeck.sim.fast.cells import check_row, count, find, seconds, shown
from quarterdeck.sim.fast.remarks import Remarks
from quarterdeck.sim.fast.workload import SimJob, Workload, workload_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from quarterdeck.core.cluster.demand import Demand
    from quarterdeck.sim.fast.formats.machine import Machine

NEEDED: Final = ("JobID", "Submit")
USED: Final = (
    *("JobID", "JobIDRaw", "JobName", "Submit", "Start", "End", "Elapsed", "ElapsedRaw"),
    *("Timelimit", "TimelimitRaw", "NNodes", "AllocNodes", "NCPUS", "AllocCPUS", "ReqCPUS"),
    *("AllocTRES", "ReqTRES", "User", "Account", "State"),
)
COMMAND: Final = (
    "sacct -P -a --format=JobID,JobName,Submit,Start,End,ElapsedRaw,TimelimitRaw,NNodes,NCPUS,"
    "ReqTRES,AllocTRES,User,Account,State"
)
_CLOCK: Final = re.compile(
    r"(?:(?:(?P<days>[0-9]{1,6})-)?(?P<hours>[0-9]{1,4}):)?(?P<minutes>[0-9]{1,6}):"
    r"(?P<seconds>[0-9]{2})(?:\.[0-9]+)?",
    re.ASCII,
)
_MEMORY: Final = re.compile(r"(?P<size>[0-9]{1,15}(?:\.[0-9]{1,6})?)(?P<unit>[KMGTP]?)", re.ASCII)
_UNITS: Final = {"": 2**20, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40, "P": 2**50}
_NOTHING: Final = frozenset({"", "Unknown", "None", "N/A", "INVALID", "Partition_Limit"})
_UNLIMITED: Final = "UNLIMITED"


def read_sacct(text: str, name: str, machine: Machine) -> Workload:
    """The jobs of what sacct printed. `Invalid` when its header, or no line, can be used."""
    rows = csv.reader(io.StringIO(text), delimiter="|", quoting=csv.QUOTE_NONE)
    remarks = Remarks()
    try:
        columns = _columns(next(rows, []), name, remarks)
    except csv.Error as error:
        told = f"{name}:1: {error}"
        raise Invalid(told, field="workload", hint=f"print it with {COMMAND}") from None
    found = _Reader(columns, machine, remarks)
    try:
        for row in rows:
            found.read(rows.line_num, row)
    except csv.Error as error:
        remarks.leave_out(rows.line_num, Invalid(f"{error}: nothing after this line was read"))
    remarks.check_some_left(found.jobs, name, "workload")
    begin_s = min((job.submit_s for job in found.jobs), default=0.0)
    jobs = [replace(job, submit_s=job.submit_s - begin_s) for job in found.jobs]
    return workload_of(jobs, remarks, list(found.notes()))


def _columns(header: Sequence[str], name: str, remarks: Remarks) -> list[str]:
    """`-p` ends each line with a bar, so its last column has no name."""
    columns = [column.strip() for column in header]
    if columns and not columns[-1]:
        columns.pop()
    missing = [one for one in NEEDED if one not in columns]
    if not {"Elapsed", "ElapsedRaw"} & set(columns) and not {"Start", "End"} <= set(columns):
        missing.append("ElapsedRaw")
    if missing:
        raise Invalid(
            f"{name}:1: the header has no column {', '.join(missing)}",
            field="workload",
            hint=f"print it with {COMMAND}",
        )
    if doubled := sorted({one for one in columns if columns.count(one) > 1}):
        told = f"{name}:1: the header has {', '.join(map(shown, doubled))} twice"
        raise Invalid(told, field="workload", hint="name each column once")
    for column in columns:
        if column not in USED:
            remarks.tell(1, f"column {shown(column)}: not used")
    return columns


class _Reader:
    """Line by line; what is the same for many of them is only counted."""

    def __init__(self, columns: list[str], machine: Machine, remarks: Remarks) -> None:
        self.jobs: list[SimJob] = []
        self._columns = columns
        self._machine = machine
        self._remarks = remarks
        self._steps = 0
        self._unmatched: dict[str, int] = {}

    def read(self, line: int, row: list[str]) -> None:
        """One line."""
        cells = [cell.strip() for cell in row]
        if not any(cells):
            return
        if len(cells) == len(self._columns) + 1 and not cells[-1]:
            cells.pop()
        try:
            check_row(cells, self._columns)
            job = self._job_of(line, dict(zip(self._columns, cells, strict=True)))
        except QuarterdeckError as error:
            self._remarks.leave_out(line, error)
            return
        if job is not None:
            self.jobs.append(job)

    def notes(self) -> Iterator[str]:
        """How the file was understood."""
        yield (
            "sacct: GPUs and memory are of AllocTRES (else ReqTRES), in equal parts on its nodes; "
            "the time limit is the estimate, the account is the team; the earliest submission "
            "is second 0; times are taken as they are printed, without a time zone"
        )
        if self._steps:
            yield f"{self._steps} lines are steps of jobs: the jobs' own lines count"
        for model, jobs in sorted(self._unmatched.items()):
            yield (
                f"{jobs} jobs had GPUs of the type {shown(model)}, which no node of the cluster "
                "has: any GPU will do for them"
            )

    def _job_of(self, line: int, cells: Mapping[str, str]) -> SimJob | None:
        if "." in cells["JobID"]:
            self._steps += 1
            return None
        submit_s = _time_s(cells["Submit"], "Submit")
        if submit_s is None:
            raise Invalid(f"Submit is {shown(cells['Submit'])}: it is not known")
        return SimJob(
            line,
            find(cells, "JobID") or f"line {line}",
            submit_s,
            self._duration_s(line, cells),
            self._demand_of(cells),
            team=find(cells, "Account") or "default",
            user=find(cells, "User") or "",
            estimate_s=_limit_s(cells),
        )

    def _duration_s(self, line: int, cells: Mapping[str, str]) -> float:
        state = (find(cells, "State") or "").partition(" ")[0]
        start_s = _time_s(cells.get("Start", ""), "Start")
        end_s = _time_s(cells.get("End", ""), "End")
        if "Start" in cells and start_s is None:
            raise Invalid(f"it never started: State is {shown(state)}")
        elapsed = find(cells, "ElapsedRaw")
        if elapsed is not None:
            found_s = seconds(elapsed, "ElapsedRaw")
        elif (clock := find(cells, "Elapsed")) is not None:
            found_s = _clock_s(clock, "Elapsed")
        elif start_s is None or end_s is None:
            raise Invalid("how long it ran is not known: no ElapsedRaw, no Start and End")
        else:
            found_s = seconds(f"{end_s - start_s:.6f}", "End - Start")
        if start_s is not None and end_s is not None and end_s < start_s:
            raise Invalid(f"End {cells['End']} is before Start {cells['Start']}")
        if not found_s and state in ("CANCELLED", "PENDING"):
            raise Invalid(f"it never started: State is {shown(state)}")
        if state in ("RUNNING", "SUSPENDED"):
            self._remarks.tell(line, f"State is {state}: taken as if it had ended by now")
        return found_s

    def _demand_of(self, cells: Mapping[str, str]) -> Demand:
        tres = _tres(find(cells, "AllocTRES") or find(cells, "ReqTRES") or "")
        nodes = _first(cells, "NNodes", "AllocNodes") or tres.get("node", "1")
        cpus = _first(cells, "NCPUS", "AllocCPUS", "ReqCPUS") or tres.get("cpu", "1")
        return self._machine.spread(
            count(cpus, "NCPUS"),
            count(tres.get("gres/gpu", "0"), "gres/gpu"),
            _memory_bytes(tres.get("mem", "0")),
            nodes=count(nodes, "NNodes", least=1),
            model=self._model_of(tres),
        )

    def _model_of(self, tres: Mapping[str, str]) -> str | None:
        """The type of its GPUs, where all are of one and the cluster knows it."""
        kinds = [key.partition(":")[2] for key in tres if key.startswith("gres/gpu:")]
        if len(kinds) != 1:
            return None
        if any(is_model(model, kinds[0]) for model in self._machine.models):
            return kinds[0]
        self._unmatched[kinds[0]] = self._unmatched.get(kinds[0], 0) + 1
        return None


def _first(cells: Mapping[str, str], *columns: str) -> str | None:
    """The first of these that counts something."""
    return next((text for one in columns if (text := find(cells, one)) not in (None, "0")), None)


def _tres(text: str) -> dict[str, str]:
    """`cpu=8,gres/gpu:a100=2,mem=64G` as a table; the sum of types where `gres/gpu` is missing."""
    found: dict[str, str] = {}
    for part in text.split(",") if text else ():
        key, equals, value = part.partition("=")
        if not equals:
            raise Invalid(f"TRES is {shown(text)}, not name=count, …")
        found[key] = value
    typed = [value for key, value in found.items() if key.startswith("gres/gpu:")]
    if typed and "gres/gpu" not in found:
        found["gres/gpu"] = str(sum(count(value, "gres/gpu") for value in typed))
    return found


def _memory_bytes(text: str) -> int:
    match = _MEMORY.fullmatch(text)
    size = float(match["size"]) * _UNITS[match["unit"]] if match is not None else -1
    if not 0 <= size <= 2**60:
        raise Invalid(f"mem is {shown(text)}, not a size as 64G")
    return round(size)


def _time_s(text: str, name: str) -> float | None:
    """Seconds since 1970 of a time as sacct prints it, or of `SLURM_TIME_FORMAT=%s`."""
    if text in _NOTHING:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 11:
        return float(text)
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S").replace(tzinfo=UTC).timestamp()
    except ValueError:
        told = f"{name} is {shown(text)}, not a time as 2026-06-30T08:15:00"
        raise Invalid(told) from None


def _clock_s(text: str, name: str) -> float:
    """`[days-[hours:]]minutes:seconds`, as sacct prints spans."""
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise Invalid(f"{name} is {shown(text)}, not a span as 1-02:03:04")
    days, hours, minutes, rest = (int(part or 0) for part in match.groups())
    return seconds(str(((days * 24 + hours) * 60 + minutes) * 60 + rest), name)


def _limit_s(cells: Mapping[str, str]) -> float | None:
    """What the job was let run at most; `Timelimit` as a clock, `TimelimitRaw` in minutes."""
    minutes = cells.get("TimelimitRaw", "")
    if minutes not in _NOTHING and minutes.upper() != _UNLIMITED:
        return seconds(minutes, "TimelimitRaw") * 60 or None
    clock = cells.get("Timelimit", "")
    if clock not in _NOTHING and clock.upper() != _UNLIMITED:
        return _clock_s(clock, "Timelimit") or None
    return None
