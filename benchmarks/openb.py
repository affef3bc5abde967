"""Alibaba's OpenB: nodes, lists of pods, and the order in which the pods come.

Weng et al., "Beware of Fragmentation: Scheduling GPU-Sharing Workloads with Fragmentation Gradient
Descent", USENIX ATC 2023. Pods are taken in a random order, then clones of random pods are appended
until so many GPUs are asked for that the cluster would hold 100 % / 130 % of it; nothing ever ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Final

from benchmarks.traces import find, folder, read_rows

MILLI: Final = 1000
ASKED: Final = 1.3
"""What all pods ask for, as a share of the cluster's GPUs."""
SEEDS: Final = (42, 43, 44, 45, 46)


@dataclass(frozen=True, slots=True)
class Host:
    """A node: CPUs in thousandths, GPUs of one model."""

    name: str
    cpu_milli: int
    memory_mib: int
    gpus: int
    model: str


@dataclass(frozen=True, slots=True)
class Pod:
    """What a pod asks of one node: whole GPUs, or `gpu_milli` thousandths of one; `models` are the
    only ones that will do, and none is any."""

    cpu_milli: int
    memory_mib: int
    gpus: int
    gpu_milli: int
    models: tuple[str, ...] = ()

    @property
    def total_milli(self) -> int:
        """Of all its GPUs."""
        return self.gpus * self.gpu_milli


def list_names() -> list[str]:
    """The lists of pods that there are."""
    start = "openb_pod_list_"
    files = (folder() / "openb").glob(f"{start}*.csv*")
    return sorted({file.name.removeprefix(start).partition(".csv")[0] for file in files})


def read_hosts() -> list[Host]:
    """The nodes with GPUs."""
    return [
        Host(row["sn"], int(row["cpu_milli"]), int(row["memory_mib"]), int(row["gpu"]),
             row["model"])
        for row in read_rows("openb/openb_node_list_gpu_node.csv")
    ]  # fmt: skip


def read_pods(name: str) -> dict[int, Pod]:
    """The pods of a list, by the number in their name."""
    return {
        int(row["name"].rpartition("-")[2]): Pod(
            int(row["cpu_milli"]),
            int(row["memory_mib"]),
            int(row["num_gpu"]),
            int(row["gpu_milli"]) if int(row["num_gpu"]) else 0,
            tuple(filter(None, (row.get("gpu_spec") or "").split("|"))),
        )
        for row in read_rows(f"openb/openb_pod_list_{name}.csv")
    }


def read_arrivals(name: str, pods: dict[int, Pod], hosts: list[Host]) -> dict[int, list[int]]:
    """Pod numbers in the order of arrival, by seed: as published where that is known, else drawn in
    the same way."""
    if find(f"openb/arrivals_{name}.csv") is None:
        return {seed: _draw(pods, hosts, seed) for seed in SEEDS}
    orders: dict[int, list[int]] = {}
    for row in read_rows(f"openb/arrivals_{name}.csv"):
        for column, number in row.items():
            if number:
                orders.setdefault(int(column.removeprefix("seed")), []).append(int(number))
    return orders


def _draw(pods: dict[int, Pod], hosts: list[Host], seed: int) -> list[int]:
    rng = Random(seed)
    order = sorted(pods)
    rng.shuffle(order)
    left = ASKED * MILLI * sum(host.gpus for host in hosts)
    left -= sum(pods[number].total_milli for number in order)
    numbers = sorted(pods)
    while left > 0:
        order.append(rng.choice(numbers))
        left -= pods[order[-1]].total_milli
    return order
