"""The peer of the scheduler: Slurm's controller alone, with as many nodes as the cluster of ours.

Its nodes are of the kind that is switched on when a job comes (`State=CLOUD`, with a program that
does nothing), so no `slurmd` is needed: jobs hold their nodes while these never come up. What is
read is the controller's own time, by `sdiag`, without the client's.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import TYPE_CHECKING, Final

from benchmarks import slurm

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NODES: Final = 1250
NODES_PER_UNIT, UNITS_PER_POD = 20, 32
ASKED: Final = 50
PENDING: Final = 250
"""Two backfill cycles over four times as many took more than three minutes on a slow machine."""
FILLED: Final = 0.70
CONFIG: Final = """\
GresTypes=gpu
MaxArraySize=20001
TopologyPlugin=topology/tree
SuspendProgram=/bin/true
ResumeProgram=/bin/true
SuspendTime=600000
ResumeTimeout=60000
NodeName=n[0001-{nodes:04}] NodeAddr=127.0.0.1 Port={port} CPUs=256 Sockets=2 CoresPerSocket=64 \
ThreadsPerCore=2 RealMemory=2000000 Gres=gpu:a100:8 State=CLOUD
PartitionName=main Nodes=ALL Default=YES MaxTime=7-0 DefaultTime=1-0 State=UP
"""
EAGER: Final = (
    "batch_sched_delay=0,sched_min_interval=0,sched_interval=5,default_queue_depth=10000,"
    "bf_interval=2,bf_max_job_test=10000,bf_max_time=300,bf_window=11520,bf_continue,bf_yield_interval=60000000"
)


@dataclass(frozen=True, slots=True)
class Found:
    """Seconds of the controller for a job of one node, gangs of 2 to 128 nodes on average, a gang
    of 512 nodes on the empty cluster, and each of the jobs that wait for a full one."""

    single_s: float
    gang_s: float
    gang_512_s: float
    pending_s: float


def measure_decisions() -> Found:
    """First while nothing runs, then with most GPUs held, then with all."""
    with _running_controller() as folder:
        gang_512_s = _decision_s(512)
        script = folder / "never.sh"
        script.write_text("#!/bin/sh\n")
        for gpus, share in ((8, 0.20), (4, 0.15), (2, 0.15), (1, 0.20)):
            # In all 70 % of the GPUs.
            _submit(script, "-N1", f"--gres=gpu:{gpus}", f"-c{8 * gpus}",
                    f"--array=1-{int(share * 8 * NODES / gpus)}")  # fmt: skip
        _wait_for(lambda: _states() == {"CONFIGURING"})
        single_s = _decision_s(1)
        gang_s = sum(_decision_s(nodes) for nodes in (2, 4, 8, 16, 32, 64, 128)) / 7
        _submit(script, "-N1", "--gres=gpu:1", "-c8", f"--array=1-{8 * NODES}")
        _wait_for(lambda: _states() == {"CONFIGURING", "PENDING"} and _is_quiet())
        subprocess.run(["scancel", "--state=PENDING", "--user=root"], check=True)
        _wait_for(lambda: _states() == {"CONFIGURING"})
        with ThreadPoolExecutor(4) as pool:
            wanted = [f"--gres=gpu:{(1, 2, 4, 8)[number % 4]}" for number in range(PENDING)]
            list(pool.map(lambda gpus: _submit(script, "-N1", gpus, "-c4"), wanted))
        pending_s = _pending_s()
    return Found(single_s, gang_s, gang_512_s, pending_s)


@contextmanager
def _running_controller() -> Iterator[Path]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qd-slurm-")))
        host = socket.gethostname().split(".")[0]
        base = slurm.CONFIG.format(host=host, port=slurm.free_port(), folder=folder)
        kept = [
            line
            for line in base.splitlines()
            if not line.startswith(("PartitionName", "SchedulerParameters"))
        ]
        told = CONFIG.format(nodes=NODES, port=slurm.free_port())
        config = folder / "slurm.conf"
        config.write_text("\n".join([*kept, f"SchedulerParameters={EAGER}", told]))
        (folder / "gres.conf").write_text("")
        (folder / "topology.conf").write_text("\n".join(_switches()) + "\n")
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\nCgroupPlugin=cgroup/v1\n")
        (folder / "state").mkdir()
        os.environ["SLURM_CONF"] = str(config)
        stack.callback(os.environ.pop, "SLURM_CONF")
        slurm.ensure_munge(stack)
        slurm.start(stack, ["slurmctld", "-D", "-f", str(config)], folder)
        _wait_for(lambda: "responding" not in _tell("scontrol", "ping") and _is_up())
        yield folder


def _switches() -> list[str]:
    """A tree of units, pods and what joins those."""
    units = [
        f"SwitchName=u{first // NODES_PER_UNIT} "
        f"Nodes=n[{first + 1:04}-{min(first + NODES_PER_UNIT, NODES):04}]"
        for first in range(0, NODES, NODES_PER_UNIT)
    ]
    pods = [
        f"SwitchName=p{first // UNITS_PER_POD} "
        f"Switches=u[{first}-{min(first + UNITS_PER_POD, len(units)) - 1}]"
        for first in range(0, len(units), UNITS_PER_POD)
    ]
    return [*units, *pods, f"SwitchName=top Switches=p[0-{len(pods) - 1}]"]


def _decision_s(nodes: int) -> float:
    """The mean time that the controller takes to say where and when a job would start."""
    before = _asked()
    for _ in range(ASKED if nodes == 1 else ASKED // 5):
        subprocess.run(
            ["sbatch", "--test-only", f"-N{nodes}", "--gres=gpu:8", "--wrap", "true"],
            check=True,
            capture_output=True,
        )
    after = _asked()
    return (after[1] - before[1]) / (after[0] - before[0]) / 1e6


def _asked() -> tuple[int, int]:
    """How often it was asked so, and microseconds for all of it."""
    line = re.search(r"REQUEST_JOB_WILL_RUN.*count:(\d+).*total_time:(\d+)", _tell("sdiag"))
    return (int(line[1]), int(line[2])) if line else (0, 0)


def _pending_s() -> float:
    """Of the first backfill cycle that began after now, the time for each job that it looked at.
    It does not come to the end of them all: it stops when its locks were wanted by others."""

    def look(what: str) -> int:
        found = re.search(rf"Backfilling stats(?s:.*?){what}: +(\d+)", _tell("sdiag"))
        return int(found[1]) if found else 0

    cycles = look("Total cycles")
    _wait_for(lambda: look("Total cycles") >= cycles + 2)
    return look("Last cycle") / look("Last depth cycle") / 1e6


def _states() -> set[str]:
    return set(_tell("squeue", "-h", "-o", "%T").split())


def _is_quiet() -> bool:
    """Whether no GPU is left to give."""
    before = _tell("squeue", "-h", "-t", "CF", "-o", "%i", "-r").count("\n")
    sleep(5)
    return _tell("squeue", "-h", "-t", "CF", "-o", "%i", "-r").count("\n") == before


def _is_up() -> bool:
    asked = ["sbatch", "--test-only", "-N1", "--wrap", "true"]
    return subprocess.run(asked, check=False, capture_output=True).returncode == 0


def _submit(script: Path, *options: str) -> None:
    command = ["sbatch", "-o", "/dev/null", *options, str(script)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _tell(*command: str) -> str:
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout


def _wait_for(is_so: Callable[[], bool]) -> None:
    deadline = monotonic() + 180
    while not is_so():
        if monotonic() > deadline:
            raise TimeoutError("Slurm's controller did not come so far")
        sleep(0.5)
