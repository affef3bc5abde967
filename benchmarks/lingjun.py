"""Alibaba's lingjun fabric, and lists of jobs made for it.

847 hosts of a production Clos of three tiers (Cao et al., "Crux", SIGCOMM 2024): an access switch
(ASW) joins up to 8 hosts, and all access switches of a pod hang on one pair of spines (PSW). Access
switches of one name in two pods are two. The lists offer a share of the fabric's GPUs, for example
0.9 in `workload_load90_seed1`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from benchmarks.traces import folder, read_rows

GPUS_PER_HOST: Final = 8
HOSTS_PER_LEAF: Final = 8


@dataclass(frozen=True, slots=True)
class Host:
    """A host with 8 GPUs, and the switches above it."""

    name: str
    pod: str
    leaf: str


@dataclass(frozen=True, slots=True)
class Job:
    """So many GPUs for so long; more than a host has are whole hosts."""

    number: int
    submit_s: float
    gpus: int
    duration_s: float

    @property
    def hosts(self) -> int:
        """How many it takes."""
        return -(-self.gpus // GPUS_PER_HOST)


def read_hosts() -> list[Host]:
    """The hosts by pod, then by access switch, in the order of their numbers."""
    rows = [
        Host(row["ip"], row["PSW"], row["ASW"]) for row in read_rows("topology/lingjun_topo.csv")
    ]
    return sorted(rows, key=lambda host: (_number(host.pod), _number(host.leaf)))


def list_names(percent: int) -> list[str]:
    """The lists that offer so much of the fabric's GPUs, in the order of their seeds."""
    start = f"workload_load{percent}_seed"
    files = (folder() / "topology").glob(f"{start}*.csv*")
    names = {file.name.partition(".csv")[0] for file in files}
    return sorted(names, key=lambda name: int(name.removeprefix(start)))


def read_jobs(name: str) -> list[Job]:
    """The jobs of a list, in the order in which they come."""
    return [
        Job(int(row["job_id"]), float(row["submit_s"]), int(row["gpus"]), float(row["duration_s"]))
        for row in read_rows(f"topology/{name}.csv")
    ]


def _number(switch: str) -> int:
    return int(switch.lstrip("PS"))
