"""How often this job, or this task of an array, was started before."""

from __future__ import annotations

import os
from typing import Mapping


def count_restarts(around: Mapping[str, str]) -> int:
    """From the number of the attempt; attempts of an array are numbered across its tasks, so each
    start of a task leaves a sign in the task's own checkpoint folder."""
    if "QD_TASK_INDEX" not in around:
        return int(around["QD_ATTEMPT"]) - 1
    folder = os.path.join(around["QD_CHECKPOINT"], ".slurm-starts")
    os.makedirs(folder, exist_ok=True)
    before = [name for name in os.listdir(folder) if name != around["QD_ATTEMPT"]]
    with open(os.path.join(folder, around["QD_ATTEMPT"]), "w"):
        pass
    return len(before)
