"""Names of files with `%j` and the like, as sbatch(1) and srun(1) know them."""

from __future__ import annotations

import os
import re

PATTERN = re.compile(r"%(%|[0-9]*[A-Za-z])")
PAD_MAX = 10


def fill(pattern: str, values: dict[str, str]) -> str:
    """The name. What is not among the values stays as it is, as with Slurm."""

    def one(match: re.Match[str]) -> str:
        sign = match[1]
        if sign == "%":
            return "%"
        width, letter = sign[:-1], sign[-1]
        if letter not in values:
            return match[0]
        return values[letter].rjust(min(int(width or 0), PAD_MAX), "0")

    return PATTERN.sub(one, pattern)


def script_values(variables: dict[str, str], job_name: str) -> dict[str, str]:
    """What the letters stand for in the names of a script's own files."""
    job = variables["SLURM_JOB_ID"]
    task = variables.get("SLURM_ARRAY_TASK_ID")
    return {
        "A": variables.get("SLURM_ARRAY_JOB_ID", job),
        "a": "4294967294" if task is None else task,
        "b": "4" if task is None else str(int(task) % 10),
        "j": job,
        "J": job,
        "N": variables["SLURMD_NODENAME"].partition(".")[0],
        "n": "0",
        "s": "batch",
        "t": "0",
        "u": variables["SLURM_JOB_USER"],
        "x": job_name,
    }


def inside(folder: str, name: str) -> str:
    """A place in the folder for the name; one that leads elsewhere keeps only its last part."""
    place = os.path.normpath(name)
    if os.path.isabs(place) or place.startswith(".."):
        place = os.path.basename(place)
    return os.path.join(folder, place)
