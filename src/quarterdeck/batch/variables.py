"""The variables of a batch script and of the tasks of its steps, by the names of sbatch(1).

What is not known is left out rather than made up: GPUs go by the names that CUDA_VISIBLE_DEVICES
has, and there are no numbers of CPUs.
"""

from __future__ import annotations

import getpass
import os
import re
import time
from typing import Any, Iterable

from quarterdeck.core.cluster.hostlist import compress_hostlist

from .numbers import indices_of, number_of, number_of_task

RANKS_OWN = (
    *("MASTER_ADDR", "MASTER_PORT", "WORLD_SIZE", "RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE"),
    "CUDA_VISIBLE_DEVICES",
)


def spread(tasks: int, nodes: int) -> list[int]:
    """How many tasks each node gets: as equal as may be, more on the first ones."""
    each, over = divmod(tasks, nodes)
    return [each + (number < over) for number in range(nodes)]


def tell_counts(counts: Iterable[int]) -> str:
    """`8,8,7` as Slurm writes it: `8(x2),7`."""
    runs: list[list[int]] = []
    for count in counts:
        if runs and runs[-1][0] == count:
            runs[-1][1] += 1
        else:
            runs.append([count, 1])
    return ",".join("%d(x%d)" % (n, times) if times > 1 else "%d" % n for n, times in runs)


def find_user() -> str:
    """Who runs it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def script_variables(
    facts: dict[str, Any], around: dict[str, str], names: list[str], root: str, restarts: int
) -> dict[str, str]:
    """Those of the script. `around`: what the runner gave; `root`: the work folder."""
    given = facts["given"]
    tasks = facts["tasks"] or facts["tasks_per_node"] * len(names)
    gpus = [one for one in around.get("CUDA_VISIBLE_DEVICES", "").split(",") if one]
    found = {
        **_identity(facts, around),
        "ENVIRONMENT": "BATCH",
        "SLURM_CLUSTER_NAME": "quarterdeck",
        "SLURM_JOB_NAME": facts["name"],
        "SLURM_JOB_USER": find_user(),
        "SLURM_JOB_UID": str(os.getuid()),
        "SLURM_JOB_GID": str(os.getgid()),
        "SLURM_SUBMIT_DIR": root,
        "SLURM_SUBMIT_HOST": facts["host"],
        "SLURM_TASKS_PER_NODE": tell_counts(spread(tasks, len(names))),
        "SLURM_JOB_CPUS_PER_NODE": tell_counts([facts["cpus"]] * len(names)),
        "SLURM_CPUS_ON_NODE": str(facts["cpus"]),
        "SLURM_CPUS_PER_TASK": str(facts["cpus_per_task"]),
        "SLURM_JOB_START_TIME": str(int(time.time())),
        "SLURM_GTIDS": "0",
        "SLURM_NODEID": "0",
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
        "SLURMD_NODENAME": names[0],
    }
    found.update(dict.fromkeys(("SLURM_JOB_NODELIST", "SLURM_NODELIST"), compress_hostlist(names)))
    found.update(dict.fromkeys(("SLURM_JOB_NUM_NODES", "SLURM_NNODES"), str(len(names))))
    found.update(dict.fromkeys(("SLURM_NTASKS", "SLURM_NPROCS"), str(tasks)))
    if gpus:
        found["SLURM_GPUS_ON_NODE"] = str(len(gpus))
        found["SLURM_JOB_GPUS"] = ",".join(gpus)
    if facts["limit_s"] is not None:
        found["SLURM_JOB_END_TIME"] = str(int(time.time() + facts["limit_s"]))
    if facts["memory_mib"] is not None:
        found["SLURM_MEM_PER_NODE"] = str(facts["memory_mib"])
    if restarts:
        found["SLURM_RESTART_COUNT"] = str(restarts)
    for name, option in (
        ("SLURM_GPUS", "gpus"),
        ("SLURM_GPUS_PER_NODE", "gpus-per-node"),
        ("SLURM_GPUS_PER_TASK", "gpus-per-task"),
        ("SLURM_JOB_ACCOUNT", "account"),
        ("SLURM_JOB_PARTITION", "partition"),
        ("SLURM_JOB_QOS", "qos"),
        ("SLURM_NTASKS_PER_NODE", "ntasks-per-node"),
    ):
        if option in given:
            found[name] = given[option]
    return found


def _identity(facts: dict[str, Any], around: dict[str, str]) -> dict[str, str]:
    """The job's number, and which task of an array it is."""
    job_id, index = around["QD_JOB_ID"], around.get("QD_TASK_INDEX")
    number = str(number_of(job_id))
    text = facts["given"].get("array")
    if index is None or text is None:
        return {"SLURM_JOB_ID": number, "SLURM_JOBID": number}
    indices = indices_of(text)
    own = str(number_of_task(job_id, indices.index(int(index))))
    steps = {after - before for before, after in zip(indices, indices[1:])}
    return {
        "SLURM_JOB_ID": own,
        "SLURM_JOBID": own,
        "SLURM_ARRAY_JOB_ID": number,
        "SLURM_ARRAY_TASK_ID": index,
        "SLURM_ARRAY_TASK_COUNT": str(len(indices)),
        "SLURM_ARRAY_TASK_MIN": str(min(indices)),
        "SLURM_ARRAY_TASK_MAX": str(max(indices)),
        "SLURM_ARRAY_TASK_STEP": str(steps.pop() if len(steps) == 1 else 1),
    }


def clean(around: dict[str, str], kept: dict[str, str]) -> dict[str, str]:
    """The runner's variables for a script: it is no rank, and must not look like one. `kept` are
    those of the same names that the job itself asks for."""
    found = {
        name: value
        for name, value in around.items()
        if name not in RANKS_OWN[:-1] and not re.match(r"(SLURM|SLURMD|SRUN|SBATCH)_", name)
    }
    return {**found, **kept}


def task_variables(
    order: dict[str, Any], task: dict[str, Any], own: dict[str, str]
) -> dict[str, str]:
    """Those of one task: of the srun that starts it, of its node (`own`), and its place."""
    step = order["step"]
    found = dict(order["env"])
    found.update({name: text for name, text in own.items() if name.startswith("QD_")})
    devices = task["devices"]
    if devices is None:
        devices = [one for one in own.get("CUDA_VISIBLE_DEVICES", "").split(",") if one]
    found["CUDA_VISIBLE_DEVICES"] = ",".join(devices)
    if devices:
        found["SLURM_STEP_GPUS"] = ",".join(order["devices"] or devices)
        found["SLURM_GPUS_ON_NODE"] = str(len(order["devices"] or devices))
    found.update(step)
    found.update(
        {
            "SLURM_PROCID": str(task["rank"]),
            "SLURM_LOCALID": str(task["local"]),
            "SLURM_NODEID": str(order["node"]),
            "SLURM_GTIDS": ",".join(str(one["rank"]) for one in order["tasks"]),
            "SLURMD_NODENAME": order["name"],
        }
    )
    return found
