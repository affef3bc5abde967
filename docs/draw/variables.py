"""Every environment variable that the code reads or sets, with what it means."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

READ: Final = {
    "QD_HOME": "The home: the folder with everything that a server keeps, and the files by which "
    "it is found; goes before the last login. `~/.quarterdeck` when it is not set.",
    "QD_URL": "Address of the server for `qd` and the SDK; goes before the home's `server.json`.",
    "QD_SERVER": "The same as `qd --server`, for the SDK too: the server's address, or the host of "
    "a `qd login`. Goes before `QD_URL`, and that before the last login.",
    "QD_TOKEN": "Token for the server; goes before a login's and before the home's. The home's own "
    "token is not sent to other machines.",
    "QD_STORE": "The same as `qd up --store`; `qd restore` reads it too.",
    "QD_WEBHOOKS_TO_PRIVATE_ADDRESSES": "The same as `qd up --webhooks-to-private-addresses`.",
    "QD_DISK_RESERVE": "The same as `qd up --disk-reserve`.",
    "QD_BALLAST": "The same as `qd up --ballast`.",
    "QD_SITE": "The same as `qd up --site`; `qd doctor` reads it too.",
    "QD_LAUNCHER": "The same as `qd up --launcher`; `qd doctor` reads it too.",
    "QD_IMAGES": "`enroot`: jobs on the server's own machine get their images by enroot, where "
    "podman could do it, too.",
    "QD_JOBS_FOLDER": "The same as `qd up --jobs-folder`.",
    "QD_KEEP_": "`QD_KEEP_LOGS`, `QD_KEEP_RESULTS` and so on, one for each kind above: the same as "
    "`qd up --keep KIND=…`, which goes before it.",
    "QD_KEEP_KIND": "",
    "QD_LIMIT_": "`QD_LIMIT_CONNECTIONS` and so on, one for each limit above: the same as "
    "`qd up --limit NAME=…`, which goes before it.",
    "QD_LIMIT_NAME": "",
}
GIVEN: Final = {
    "QD_JOB_ID": "The job's id.",
    "QD_ATTEMPT": "Number of this attempt, from 1.",
    "QD_NODE": "Name of the node.",
    "QD_NODE_RANK": "Number of this node among those of the job (of the role), from 0.",
    "QD_NNODES": "How many nodes the job (the role) has.",
    "QD_ROLE": "The role of this replica, in a job with `roles`; `main` is the job's own command.",
    "QD_PEERS_": "`QD_PEERS_MAIN` and so on, one for each role of a job with `roles`: address:port "
    "of its nodes, separated by commas, each with a port that is free when the command starts.",
    "QD_GPUS_PER_NODE": "How many GPUs it has on each.",
    "QD_NICS": "The network interfaces nearest to its GPUs on this node, separated by commas.",
    "QD_HOSTFILE": "A file with one line per node.",
    "QD_RESULTS": "A folder of this replica; what is in it at the end is kept.",
    "QD_CHECKPOINT": "A folder of the job (of the task, in an array) that its attempts share.",
    "QD_METRICS": "The folder into which `quarterdeck.job` writes.",
    "QD_CREDENTIALS": "Path of a file with the server's `url` and a `token` for this job alone.",
    "QD_STOP": "Path of a file that is there from the warning on.",
    "QD_TASK_INDEX": "Index of this task; in arrays only.",
    "QD_TASK_COUNT": "How many tasks the array has; in arrays only.",
    "QD_REPLICA": "The mark by which everything that a job has started is found again.",
}
INNER: Final = {
    "QD_READY_FD": "How `qd up --detach` hears from the server that it starts.",
    "QD_STEPS": "How `srun` in a batch script finds the job's first node.",
    "QD_COMPLETE": "`_QD_COMPLETE`: how the shell asks for completions.",
}
_NAME: Final = re.compile(r"QD_[A-Z_]+")


def find_variables(root: Path) -> set[str]:
    """Names of variables that any text of the code mentions."""
    found: set[str] = set()
    for path in sorted((root / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(_NAME.findall(node.value))
    return found
