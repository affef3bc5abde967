"""What a cluster of the tests is to be like, and the files that tell Slurm so.

slurm.conf(5), gres.conf(5), topology.conf(5), cgroup.conf(5) of Slurm 22.05. Several `slurmd` on
one machine need Debian's build (`--enable-multiple-slurmd`); `config_overrides` lets each claim
more processors and memory than there are.
"""

from __future__ import annotations

import getpass
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

CLUSTER = "practice"
HUB = "hub"
HUB_ADDRESS = "10.88.0.1"
MODEL, OTHER_MODEL = "h100", "a100"
PARTITIONS = (
    "main Nodes=ALL Default=YES MaxTime=INFINITE PriorityTier=10 PreemptMode=OFF",
    "short Nodes=ALL MaxTime=00:10:00 PriorityTier=10 PreemptMode=OFF",
    "spot Nodes=ALL MaxTime=INFINITE PriorityTier=1 PreemptMode=REQUEUE GraceTime=2",
)


@dataclass(frozen=True)
class ClusterOptions:
    """A cluster to be made. `gres` is how its GPUs are known to Slurm: by their model
    (`gpu:h100:8`), each index as a type of its own (`gpu:i0:1,gpu:i1:1`), so that a job may say
    which it wants, or by their model, which is another one on every second node. `has_hosts` gives
    each node a network and a name of its own, and a job no other device than those it was given
    (root only). `has_accounting` keeps jobs in a database, with accounts and limits; then a user
    needs an account. `partitions` and `extra` are lines of slurm.conf."""

    nodes: int = 4
    gpus: int = 8
    gres: Literal["plain", "indexed", "mixed"] = "plain"
    cpus: int = 64
    memory_mib: int = 500_000
    rack_nodes: int = 2
    racks_in_unit: int = 2
    partitions: tuple[str, ...] = PARTITIONS
    slurmd_timeout_s: int = 60
    min_job_age_s: int = 300
    kill_wait_s: int = 3
    max_job_count: int = 10_000
    has_hosts: bool = False
    has_accounting: bool = False
    node_prefix: str = "n"
    extra: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The nodes, first to last."""
        return tuple(f"{self.node_prefix}{number:03d}" for number in range(1, self.nodes + 1))


def write_config(
    folder: Path,
    options: ClusterOptions,
    ports: tuple[int, ...],
    munge_socket: Path,
    accounting: list[str],
) -> Path:
    """All files of the cluster in the folder; the slurm.conf. The controller has the first port."""
    (folder / "topology.conf").write_text(_topology(options))
    (folder / "gres.conf").write_text(_gres(folder, options))
    (folder / "cgroup.conf").write_text(
        "CgroupAutomount=no\nCgroupPlugin=cgroup/v1\nConstrainDevices=yes\n"
        "ConstrainCores=no\nConstrainRAMSpace=no\n"
    )
    config = folder / "slurm.conf"
    lines = [
        *_daemons(folder, options, ports[0], munge_socket),
        *_manner(options),
        *accounting,
        *_nodes(options, ports[1:]),
        *(f"PartitionName={line} State=UP" for line in options.partitions),
        options.extra,
    ]
    config.write_text("\n".join(lines) + "\n")
    return config


def address_of(options: ClusterOptions, number: int) -> str:
    """Where the node of this number, from 0, is reached."""
    return f"10.88.{(number + 10) // 250}.{(number + 10) % 250 + 1}" if options.has_hosts else LOCAL


LOCAL = "127.0.0.1"


def _daemons(folder: Path, options: ClusterOptions, port: int, munge_socket: Path) -> list[str]:
    host = HUB if options.has_hosts else socket.gethostname().partition(".")[0]
    user = "root" if os.geteuid() == 0 else getpass.getuser()
    return [
        f"ClusterName={CLUSTER}",
        f"SlurmctldHost={host}({HUB_ADDRESS if options.has_hosts else LOCAL})",
        f"SlurmctldPort={port}",
        # Bound to their addresses only, not to every interface of this machine.
        "CommunicationParameters=NoInAddrAny,NoCtldInAddrAny",
        f"SlurmUser={user}",
        f"SlurmdUser={user}",
        "AuthType=auth/munge",
        f"AuthInfo=socket={munge_socket}",
        f"StateSaveLocation={folder}/state",
        f"SlurmdSpoolDir={folder}/spool/%n",
        f"SlurmctldPidFile={folder}/slurmctld.pid",
        f"SlurmdPidFile={folder}/slurmd-%n.pid",
        f"SlurmctldLogFile={folder}/log/slurmctld.log",
        f"SlurmdLogFile={folder}/log/slurmd-%n.log",
    ]


def _manner(options: ClusterOptions) -> list[str]:
    is_jailed = options.has_hosts
    return [
        f"ProctrackType=proctrack/{'cgroup' if is_jailed else 'linuxproc'}",
        f"TaskPlugin=task/{'cgroup' if is_jailed else 'none'}",
        "JobAcctGatherType=jobacct_gather/linux",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        "SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2",
        "TopologyPlugin=topology/tree",
        "PreemptType=preempt/partition_prio",
        "PreemptMode=REQUEUE",
        "SlurmdParameters=config_overrides",
        "ReturnToService=2",
        "MailProg=/bin/true",
        f"SlurmdTimeout={options.slurmd_timeout_s}",
        f"KillWait={options.kill_wait_s}",
        f"MinJobAge={options.min_job_age_s}",
        f"MaxJobCount={options.max_job_count}",
        # Without it a job takes all the memory of its node, and nothing shares one.
        "DefMemPerCPU=1000",
        *(["GresTypes=gpu"] if options.gpus else []),
    ]


def _nodes(options: ClusterOptions, ports: tuple[int, ...]) -> list[str]:
    lines = []
    for number, name in enumerate(options.names):
        types = [f"gpu:i{index}:1" for index in range(options.gpus)]
        if options.gres != "indexed" and options.gpus:
            types = [f"gpu:{_model(options, number)}:{options.gpus}"]
        gres = f" Gres={','.join(types)}" if types else ""
        host = name if options.has_hosts else "localhost"
        port = "" if options.has_hosts else f" Port={ports[number]}"
        lines.append(
            f"NodeName={name} NodeHostname={host} NodeAddr={address_of(options, number)}{port}"
            f" CPUs={options.cpus} RealMemory={options.memory_mib}{gres}"
            f" Feature={MODEL},rack{number // options.rack_nodes} State=UNKNOWN"
        )
    return lines


def _gres(folder: Path, options: ClusterOptions) -> str:
    nodes = f"NodeName={','.join(options.names)} Name=gpu"
    if options.gres == "indexed":
        lines = [f"{nodes} Type=i{i} File={folder}/dev/gpu{i}" for i in range(options.gpus)]
    else:
        lines = [
            f"NodeName={name} Name=gpu Type={_model(options, number)} "
            f"File={folder}/dev/gpu[0-{options.gpus - 1}]"
            for number, name in enumerate(options.names)
        ]
    return "\n".join(lines if options.gpus else []) + "\n"


def _model(options: ClusterOptions, number: int) -> str:
    """Of the GPUs of the node of this number."""
    return OTHER_MODEL if options.gres == "mixed" and number % 2 else MODEL


def _topology(options: ClusterOptions) -> str:
    """Racks of nodes, units of racks, and one spine."""
    names, rack, unit = options.names, options.rack_nodes, options.racks_in_unit
    racks = [names[start : start + rack] for start in range(0, len(names), rack)]
    units = [range(len(racks))[start : start + unit] for start in range(0, len(racks), unit)]
    lines = [f"SwitchName=rack{n} Nodes={','.join(nodes)}" for n, nodes in enumerate(racks)]
    for number, members in enumerate(units):
        lines.append(f"SwitchName=unit{number} Switches={','.join(f'rack{n}' for n in members)}")
    lines.append(f"SwitchName=spine Switches={','.join(f'unit{n}' for n in range(len(units)))}")
    return "\n".join(lines) + "\n"
