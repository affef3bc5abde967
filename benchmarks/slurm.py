"""The peer: Debian's Slurm, one controller and a few nodes on this machine, for one measurement.

Several `slurmd` on one host need the build option that Debian sets (`--enable-multiple-slurmd`);
`config_overrides` lets each claim more processors than the machine has, as pretend nodes do here.
Scheduling is set as eager as Slurm's options allow: no batching delay, no minimum interval.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from time import monotonic, sleep, time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NODES = 4
CPUS = 256
UP_S_MAX = 60.0
CONFIG = """\
ClusterName=bench
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
AuthType=auth/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmctldLogFile={folder}/ctld.log
SlurmdLogFile={folder}/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=5,bf_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
MailProg=/bin/true
MaxJobCount=100000
MinJobAge=300
AccountingStorageType=accounting_storage/none
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def is_installed() -> bool:
    """Whether the commands that this needs are there, and we are root, which `slurmd` wants."""
    needed = ("slurmctld", "slurmd", "sbatch", "squeue", "munged")
    return os.geteuid() == 0 and all(shutil.which(command) for command in needed)


@contextmanager
def running_slurm() -> Iterator[Path]:
    """A cluster, and its folder; its processes are ended by their ids."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="qd-slurm-")))
        ports = [free_port() for _ in range(NODES + 1)]
        lines = [
            CONFIG.format(host=socket.gethostname().split(".")[0], port=ports[0], folder=folder)
        ]
        names = [f"n{index}" for index in range(1, NODES + 1)]
        for name, port in zip(names, ports[1:], strict=True):
            lines.append(
                f"NodeName={name} NodeHostname=localhost NodeAddr=127.0.0.1 Port={port} "
                f"CPUs={CPUS} State=UNKNOWN\n"
            )
        config = folder / "slurm.conf"
        config.write_text("".join(lines))
        (folder / "cgroup.conf").write_text("CgroupAutomount=no\nCgroupPlugin=cgroup/v1\n")
        (folder / "state").mkdir()
        os.environ["SLURM_CONF"] = str(config)
        stack.callback(os.environ.pop, "SLURM_CONF")
        ensure_munge(stack)
        start(stack, ["slurmctld", "-D", "-f", str(config)], folder)
        for name in names:
            (folder / f"spool-{name}").mkdir()
            start(stack, ["slurmd", "-D", "-N", name, "-f", str(config)], folder)
        _wait_idle()
        yield folder


def measure_latency(folder: Path, jobs: int) -> list[float]:
    """Seconds from the call of `sbatch` to the command's own look at the clock, one by one."""
    script = folder / "stamp.sh"
    script.write_text("#!/bin/sh\nexec date +%s.%N\n")
    seconds = []
    for index in range(jobs):
        output = folder / f"stamp-{index}"
        asked = time()
        _sbatch("-o", str(output), "-n1", str(script))
        seconds.append(_read_stamp(output) - asked)
    return seconds


def measure_throughput(folder: Path, jobs: int, clients: int) -> float:
    """Jobs per second, from the first `sbatch` until none is left."""
    script = folder / "noop.sh"
    script.write_text("#!/bin/sh\nexec true\n")
    began = monotonic()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda _: _sbatch("-o", "/dev/null", "-n1", str(script)), range(jobs)))
    while _list_jobs():
        sleep(0.1)
    return jobs / (monotonic() - began)


def end_jobs() -> None:
    """End all that runs there, and wait until nothing does."""
    deadline = monotonic() + UP_S_MAX
    while jobs := _list_jobs():
        if monotonic() > deadline:
            raise TimeoutError(f"jobs did not end within {UP_S_MAX:g}s: {', '.join(jobs)}")
        subprocess.run(["scancel", *jobs], check=False)  # Some may have ended meanwhile.
        sleep(0.1)


def _list_jobs() -> list[str]:
    return _capture("squeue", "-h", "-o", "%i").split()


def _sbatch(*arguments: str) -> None:
    subprocess.run(["sbatch", *arguments], check=True, stdout=subprocess.DEVNULL)


def _capture(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _read_stamp(output: Path) -> float:
    deadline = monotonic() + UP_S_MAX
    while monotonic() < deadline:
        text = output.read_text() if output.exists() else ""
        if text.endswith("\n"):
            return float(text)
        sleep(0.005)
    raise TimeoutError(f"{output} did not appear within {UP_S_MAX:g}s")


def _wait_idle() -> None:
    deadline = monotonic() + UP_S_MAX
    while monotonic() < deadline:
        shown = subprocess.run(
            ["sinfo", "-h", "-o", "%T %D"], check=False, capture_output=True, text=True
        ).stdout.split()
        if shown == ["idle", str(NODES)]:
            return
        sleep(0.2)
    raise TimeoutError(f"Slurm was not up within {UP_S_MAX:g}s: {shown}")


def ensure_munge(stack: ExitStack) -> None:
    """Slurm's own authentication. A daemon that runs already is used and left running."""
    if subprocess.run(["munge", "-n"], check=False, capture_output=True).returncode == 0:
        return
    Path("/run/munge").mkdir(exist_ok=True)
    shutil.chown("/run/munge", "munge", "munge")
    daemon = subprocess.Popen(
        ["munged", "--foreground"],
        user="munge",
        group="munge",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    stack.callback(_end, daemon)
    deadline = monotonic() + UP_S_MAX
    while subprocess.run(["munge", "-n"], check=False, capture_output=True).returncode:
        if monotonic() > deadline:
            raise TimeoutError("munged did not start")
        sleep(0.1)


def start(stack: ExitStack, command: list[str], folder: Path) -> None:
    with (folder / "daemons.log").open("ab") as output:
        daemon = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
    stack.callback(_end, daemon)


def _end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(10)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
