"""Jobs out of squeue(1) and sacct(1): `--Format`, `--format`, `--parsable2 --delimiter`.

A name or a comment may hold anything, a new line or what looks like the line of another job
included. So the sign between fields is made of chance in every call (`mark`), and what it does not
cut into the right number of fields is skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from quarterdeck.adapters.engines.slurm.records import Listing, SlurmJob
from quarterdeck.adapters.engines.slurm.values import (
    parse_count,
    parse_exit,
    parse_gres,
    parse_hosts,
    parse_instant_s,
    parse_span_s,
    parse_tres,
    text_or_empty,
)

T = TypeVar("T")

SQUEUE_FIELDS: Final = (
    "JobID", "ArrayJobID", "ArrayTaskID", "Name", "Comment", "UserName", "Account", "QOS",
    "Partition", "State", "Reason", "NodeList", "SubmitTime", "StartTime", "EndTime", "TimeLimit",
    "tres-per-node", "tres-per-job", "tres-alloc", "NumCPUs", "RestartCnt", "exit_code",
)  # fmt: skip
SACCT_FIELDS: Final = (
    "JobIDRaw", "JobID", "JobName", "Comment", "User", "Account", "QOS", "Partition", "State",
    "Reason", "NodeList", "Submit", "Start", "End", "Timelimit", "ReqTRES", "AllocTRES",
    "AllocCPUS", "ExitCode",
)  # fmt: skip
EXAMPLE_CHARS: Final = 120
_END: Final = "."


def format_squeue(mark: str) -> str:
    """The value of squeue's `--Format`: after a colon comes what is put behind a field."""
    ends = [mark] * (len(SQUEUE_FIELDS) - 1) + [mark + _END]
    return ",".join(f"{name}:{end}" for name, end in zip(SQUEUE_FIELDS, ends, strict=True))


def parse_squeue(text: str, mark: str) -> Listing[SlurmJob]:
    """Jobs of an answer to `format_squeue`."""
    records = text.split(f"{mark}{_END}\n")
    return gather(records, lambda record: _squeue_job(record.split(mark)))


def parse_sacct(text: str, mark: str) -> Listing[SlurmJob]:
    """Jobs of an answer to `--format` with SACCT_FIELDS and the mark as delimiter; steps are left
    out by `--allocations`."""
    return gather(_join_lines(text, mark), lambda record: _sacct_job(record.split(mark)))


def gather(records: Iterable[str], parse: Callable[[str], T | None]) -> Listing[T]:
    """What `parse` understands; it gives None for what it does not."""
    items: list[T] = []
    skipped, example = 0, ""
    for record in records:
        if not record or record.isspace():
            continue
        item = parse(record)
        if item is not None:
            items.append(item)
            continue
        skipped += 1
        example = example or ascii(record[:EXAMPLE_CHARS])[1:-1]
    return Listing(tuple(items), skipped, example)


def _squeue_job(fields: list[str]) -> SlurmJob | None:
    if len(fields) != len(SQUEUE_FIELDS):
        return None
    job_id, state = parse_count(fields[0]), state_word(fields[9])
    if not job_id or not state:
        return None
    code, signal = parse_exit(fields[21])
    return SlurmJob(
        id=job_id,
        array_id=_array_id(fields[1], fields[2]),
        array_task=text_or_empty(fields[2]),
        name=fields[3],
        comment=text_or_empty(fields[4]),
        user=fields[5],
        account=text_or_empty(fields[6]),
        qos=text_or_empty(fields[7]),
        partition=fields[8],
        state=state,
        reason=text_or_empty(fields[10]),
        nodes=parse_hosts(fields[11]),
        submitted_s=parse_instant_s(fields[12]),
        started_s=parse_instant_s(fields[13]),
        ended_s=parse_instant_s(fields[14]),
        time_limit_s=parse_span_s(fields[15]),
        asked_gres=parse_gres(fields[16]) or parse_gres(fields[17]),
        tres=parse_tres(fields[18]),
        cpus=parse_count(fields[19]),
        restarts=parse_count(fields[20]),
        exit_code=code,
        exit_signal=signal,
    )


def _sacct_job(fields: list[str]) -> SlurmJob | None:
    if len(fields) != len(SACCT_FIELDS):
        return None
    job_id, state = parse_count(fields[0]), state_word(fields[8])
    if not job_id or not state:
        return None
    array, _, task = fields[1].partition("_")
    code, signal = parse_exit(fields[18])
    return SlurmJob(
        id=job_id,
        array_id=parse_count(array) if task else 0,
        array_task=task.strip("[]"),
        name=fields[2],
        comment=text_or_empty(fields[3]),
        user=fields[4],
        account=text_or_empty(fields[5]),
        qos=text_or_empty(fields[6]),
        partition=fields[7],
        state=state,
        reason=text_or_empty(fields[9]),
        nodes=parse_hosts(fields[10]),
        submitted_s=parse_instant_s(fields[11]),
        started_s=parse_instant_s(fields[12]),
        ended_s=parse_instant_s(fields[13]),
        time_limit_s=parse_span_s(fields[14]),
        asked_gres=(),
        tres=parse_tres(fields[16] or fields[15]),
        cpus=parse_count(fields[17]),
        restarts=0,
        exit_code=code,
        exit_signal=signal,
    )


def state_word(text: str) -> str:
    """`CANCELLED` of `CANCELLED by 0`, `COMPLETED` of `COMPLETED+`; empty for what is no word."""
    word = text.split(" ", 1)[0].rstrip("+")
    return word if word.isascii() and word.replace("_", "").isalpha() else ""


def _array_id(array: str, task: str) -> int:
    """0 for a job of no array: squeue repeats its id there."""
    return parse_count(array) if text_or_empty(task) else 0


def _join_lines(text: str, mark: str) -> Iterable[str]:
    """A new line ends a record of sacct, and a name may hold one: a record goes on until it has all
    of its fields."""
    wanted = len(SACCT_FIELDS) - 1
    whole, marks = "", 0
    for line in text.split("\n"):
        whole = f"{whole}\n{line}" if whole else line
        marks += line.count(mark)
        if marks >= wanted:
            yield whole
            whole, marks = "", 0
    yield whole
