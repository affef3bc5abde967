"""Small records of Slurm's, for tests that say what matters and no more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from quarterdeck.adapters.engines.slurm.gpus import read_gpus
from quarterdeck.adapters.engines.slurm.records import (
    Gres,
    SlurmJob,
    SlurmNode,
    SlurmPartition,
    SlurmReservation,
)
from quarterdeck.adapters.engines.slurm.view import Look, Rare

GIB = 1 << 30
NODE = SlurmNode(
    name="n1", address="10.0.0.1", hostname="n1", state="IDLE", flags=frozenset(), reason="",
    cpus=64, cpus_used=0, memory_bytes=512 * GIB, memory_used_bytes=0,
    gres=(Gres("gpu", "h100", 8),), gres_used=(), features=(), partitions=("main",),
    booted_s=None, slurmd_started_s=None, version="",
)  # fmt: skip
JOB = SlurmJob(
    id=7, array_id=7, array_task="", name="", comment="", user="", account="", qos="",
    partition="main", state="RUNNING", reason="", nodes=("n1",), submitted_s=None, started_s=None,
    ended_s=None, time_limit_s=None, asked_gres=(), tres={}, cpus=0, restarts=0, exit_code=0,
    exit_signal=0,
)  # fmt: skip
KEPT = SlurmReservation(
    name="course", starts_s=2000, ends_s=3000, nodes=("n1",), flags=frozenset(), state="INACTIVE",
    partition="", users=("eve",), accounts=(),
)  # fmt: skip


def make_node(**changes: Any) -> SlurmNode:
    return replace(NODE, **changes)


def make_job(**changes: Any) -> SlurmJob:
    return replace(JOB, **changes)


def indexed(*indices: int, count: int = 1) -> tuple[Gres, ...]:
    """GPUs that have a type of their own each."""
    return tuple(Gres("gpu", f"i{index}", count) for index in indices)


def look_at(
    *nodes: SlurmNode,
    jobs: tuple[SlurmJob, ...] = (),
    reservations: tuple[SlurmReservation, ...] = (),
    limit_s: int | None = None,
    state: str = "UP",
) -> Look:
    names = tuple(node.name for node in nodes)
    partition = SlurmPartition("main", names, state, True, limit_s, None, True, ())
    return Look(
        Rare(partition, reservations),
        {job.id: job for job in jobs},
        {job.comment: job for job in jobs if job.comment},
        nodes,
        {node.name: read_gpus(node.name, node.gres) for node in nodes},
        0.0,
    )
