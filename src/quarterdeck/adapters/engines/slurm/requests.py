"""A batch job for sbatch(1), and what may stand in its options.

Everything is checked before anything runs, and goes as `--option=value` in a list: no value can
become another option or reach a shell.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from quarterdeck.basics.errors import Invalid

SCRIPT_BYTES_MAX: Final = 4 << 20
"""slurm.conf(5): `max_script_size`, 4 MiB by default."""
TEXT_CHARS_MAX: Final = 1000
NAME_CHARS_MAX: Final = 200
_WORD: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
_WORDS: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._,-]*", re.ASCII)
_HOSTS: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._,\[\]-]*", re.ASCII)
_GRES: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._:,=-]*", re.ASCII)
_SIGNAL: Final = re.compile(r"[A-Z0-9]{1,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """What to submit. What is None or empty is left to Slurm.

    `script` begins with `#!` and its interpreter. `nodes` are the exact nodes. Memory is of each
    node, 0 for all it has. Slurm counts a time limit in whole minutes, so it is rounded up.
    `warning` is a signal and how many seconds before the limit the batch script alone gets it.
    `output` and `folder` are absolute paths, taken as they are. Of our environment the job gets
    only what every login has: PATH, HOME and who we are.
    """

    script: str
    name: str = ""
    comment: str = ""
    partition: str = ""
    account: str = ""
    qos: str = ""
    reservation: str = ""
    nodes: tuple[str, ...] = ()
    node_count: int | None = None
    tasks_per_node: int | None = None
    cpus_per_task: int | None = None
    memory_bytes: int | None = None
    gres: str = ""
    constraint: str = ""
    is_exclusive: bool = False
    time_limit_s: float | None = None
    output: str = ""
    folder: str = ""
    warning: tuple[str, int] | None = None
    is_held: bool = False


def check_word(text: str, field: str) -> str:
    """A name of Slurm's: a partition, an account, a node."""
    return _check(text, field, _WORD, "letters, digits, dots, dashes and underscores")


def check_words(text: str, field: str) -> str:
    """Names between commas: a job may name several partitions."""
    return _check(text, field, _WORDS, "names of letters, digits, dots and dashes between commas")


def check_signal(text: str, field: str) -> str:
    """A signal by name or number."""
    return _check(text.removeprefix("SIG"), field, _SIGNAL, "a signal such as USR1")


def check_job_ids(ids: Sequence[int]) -> list[str]:
    """Ids as Slurm's commands take them."""
    for job_id in ids:
        if type(job_id) is not int or not 0 < job_id < 1 << 32:
            raise Invalid(
                f"job id is {job_id!a:.40}, which is no id of Slurm's",
                field="job id",
                hint="Slurm's ids are whole numbers above 0",
            )
    return [str(job_id) for job_id in ids]


def list_options(request: BatchRequest) -> list[str]:
    """Options of sbatch. `Invalid` names a value that Slurm must not see."""
    return [
        # All of the little that `SlurmCommands` gives it. With NONE the node asks for the user's
        # login environment, which may take minutes, and 22.05 takes NIL for the name of a variable,
        # for which it asks so, too.
        "--export=ALL",
        "--propagate=NONE",
        "--no-requeue",  # Who runs again, and when, is ours to say.
        *_names(request),
        *_shape(request),
        *_manner(request),
    ]


def check_script(script: str) -> bytes:
    """The script as bytes."""
    content = script.encode("utf-8", "surrogateescape")
    told = ""
    if not script.startswith("#!"):
        told = "does not begin with #! and an interpreter"
    elif "\r" in script or "\0" in script:
        told = "has carriage returns or null bytes"
    elif len(content) > SCRIPT_BYTES_MAX:
        told = f"has {len(content)} bytes, above Slurm's {SCRIPT_BYTES_MAX}"
    if told:
        raise Invalid(f"the script {told}", field="script", hint="begin with #!/bin/sh")
    return content


def _names(request: BatchRequest) -> Iterator[str]:
    if request.name:
        yield f"--job-name={_text(request.name, 'name', NAME_CHARS_MAX)}"
    if request.comment:
        yield f"--comment={_text(request.comment, 'comment', TEXT_CHARS_MAX)}"
    if request.partition:
        yield f"--partition={check_words(request.partition, 'partition')}"
    for option in ("account", "qos", "reservation"):
        if value := getattr(request, option):
            yield f"--{option}={check_word(value, option)}"


def _shape(request: BatchRequest) -> Iterator[str]:
    count = request.node_count
    if request.nodes:
        names = [check_word(name, "nodes") for name in request.nodes]
        yield f"--nodelist={','.join(names)}"
        count = len(set(names)) if count is None else count
    if count is not None:
        yield f"--nodes={_number(count, 'node_count')}"
    if request.tasks_per_node is not None:
        yield f"--ntasks-per-node={_number(request.tasks_per_node, 'tasks_per_node')}"
    if request.cpus_per_task is not None:
        yield f"--cpus-per-task={_number(request.cpus_per_task, 'cpus_per_task')}"
    if request.memory_bytes is not None:
        mib = -(-_number(request.memory_bytes, "memory_bytes", lowest=0) // (1 << 20))
        yield f"--mem={mib}M"
    if request.gres:
        yield f"--gres={_check(request.gres, 'gres', _GRES, 'for example gpu:h100:4')}"
    if request.constraint:
        yield f"--constraint={check_word(request.constraint, 'constraint')}"
    if request.is_exclusive:
        yield "--exclusive"


def _manner(request: BatchRequest) -> Iterator[str]:
    if request.time_limit_s is not None:
        is_number = math.isfinite(request.time_limit_s)
        minutes = math.ceil(request.time_limit_s / 60) if is_number else 0
        yield f"--time={_number(minutes, 'time_limit_s')}"
    if request.output:
        # A percent sign would begin one of sbatch's patterns.
        yield f"--output={_path(request.output, 'output').replace('%', '%%')}"
    if request.folder:
        yield f"--chdir={_path(request.folder, 'folder')}"
    if request.warning is not None:
        name, before_s = request.warning
        yield f"--signal=B:{check_signal(name, 'warning')}@{_number(before_s, 'warning')}"
    if request.is_held:
        yield "--hold"


def _check(text: str, field: str, pattern: re.Pattern[str], wanted: str) -> str:
    if len(text) > 60_000 or not pattern.fullmatch(text):
        raise Invalid(f"{field} is {_shown(text)}", field=field, hint=f"use {wanted}")
    return text


def _text(text: str, field: str, chars_max: int) -> str:
    if not text.isprintable() or not text.isascii() or len(text) > chars_max:
        raise Invalid(
            f"{field} is {_shown(text)}",
            field=field,
            hint=f"use at most {chars_max} printable ASCII characters",
        )
    return text


def _path(path: str, field: str) -> str:
    if not path.startswith("/") or not path.isprintable() or "\\" in path:
        raise Invalid(
            f"{field} is {_shown(path)}",
            field=field,
            hint="use an absolute path without backslashes and control characters",
        )
    return path


def _number(value: int, field: str, *, lowest: int = 1) -> int:
    if not lowest <= value < 1 << 52:
        raise Invalid(f"{field} is {value}", field=field, hint=f"use a number from {lowest}")
    return value


def _shown(text: str) -> str:
    return ascii(text if len(text) <= 60 else f"{text[:57]}...")
