"""What Slurm says, as values. Its own words are kept where the engine has to tell them on.

Instants are whole seconds since the epoch and None where Slurm says that it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

T = TypeVar("T")

ENDED_STATES: Final = frozenset(
    {
        "BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "LAUNCH_FAILED", "NODE_FAIL",
        "OUT_OF_MEMORY", "PREEMPTED", "RECONFIG_FAIL", "REVOKED", "TIMEOUT",
    }
)  # fmt: skip
"""States after which a job never runs again under this start: squeue(1), JOB STATE CODES."""


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """What was understood of an answer. `skipped` counts what nobody understood, and `example` is
    the beginning of the first of these."""

    items: tuple[T, ...] = ()
    skipped: int = 0
    example: str = ""


@dataclass(frozen=True, slots=True)
class Gres:
    """So many generic resources of a kind, `gpu:h100:4`; `indices` where Slurm says which. `type`
    is empty where none was given."""

    name: str
    type: str
    count: int
    indices: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class SlurmJob:
    """A line of squeue(1) or sacct(1).

    `state` is one word, `RUNNING` or `NODE_FAIL`; `reason` why it waits or why it ended. `nodes`
    are those it has or had; of a `COMPLETING` job only those it has not yet given back.
    `array_task` is the index, or for those of an array that still wait all of them (`3-9%3`).
    `tres` is what it has, or asks for while it waits, memory in bytes. `asked_gres` is per node, or
    in all where the job asked so. `exit_code` and `exit_signal` are of the batch script, and 0
    before the end.
    """

    id: int
    array_id: int
    array_task: str
    name: str
    comment: str
    user: str
    account: str
    qos: str
    partition: str
    state: str
    reason: str
    nodes: tuple[str, ...]
    submitted_s: int | None
    started_s: int | None
    ended_s: int | None
    """The end, or while it runs the latest by its limit."""
    time_limit_s: int | None
    """None without a limit."""
    asked_gres: tuple[Gres, ...]
    tres: Mapping[str, int]
    cpus: int
    restarts: int
    exit_code: int
    exit_signal: int

    @property
    def has_ended(self) -> bool:
        """Whether it never runs again under this start."""
        return self.state in ENDED_STATES

    @property
    def memory_bytes(self) -> int:
        """All of its memory, on all of its nodes; 0 where Slurm does not say."""
        return self.tres.get("mem", 0)


@dataclass(frozen=True, slots=True)
class SlurmNode:
    """A node: scontrol(1), `show node -d`.

    `state` is the base (`IDLE`, `MIXED`, `ALLOCATED`, `DOWN`, …), `flags` all that is said beside
    it (`DRAIN`, `NOT_RESPONDING`, `MAINTENANCE`, `RESERVED`, `PLANNED`, `POWERED_DOWN`, …).
    """

    name: str
    address: str
    hostname: str
    state: str
    flags: frozenset[str]
    reason: str
    cpus: int
    cpus_used: int
    memory_bytes: int
    memory_used_bytes: int
    gres: tuple[Gres, ...]
    gres_used: tuple[Gres, ...]
    features: tuple[str, ...]
    partitions: tuple[str, ...]
    booted_s: int | None
    slurmd_started_s: int | None
    version: str

    @property
    def may_run(self) -> bool:
        """Whether Slurm would start a job of everybody there, now or when there is room."""
        return self.state in _WORKING and not self.flags & _STOPPING


_WORKING: Final = frozenset({"IDLE", "MIXED", "ALLOCATED", "MIX", "ALLOC", "COMPLETING"})
_STOPPING: Final = frozenset(
    {
        "DRAIN", "DRAINED", "DRAINING", "DOWN", "FAIL", "FAILING", "INVALID_REG", "INVAL",
        "MAINT", "MAINTENANCE", "NOT_RESPONDING", "NO_RESPOND", "POWERING_DOWN", "POWER_DOWN",
        "REBOOT", "REBOOT_ISSUED", "REBOOT_REQUESTED", "UNKNOWN", "BLOCKED", "PERFCTRS",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class SlurmReservation:
    """A reservation: scontrol(1), `show reservation`."""

    name: str
    starts_s: int | None
    ends_s: int | None
    nodes: tuple[str, ...]
    flags: frozenset[str]
    state: str
    partition: str
    users: tuple[str, ...]
    accounts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SlurmPartition:
    """A partition: scontrol(1), `show partition`. Limits are None where there are none."""

    name: str
    nodes: tuple[str, ...]
    state: str
    is_default: bool
    time_limit_s: int | None
    nodes_max: int | None
    may_share: bool
    accounts: tuple[str, ...]
    """Empty when all may."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch (`switches` are below it) or a block: scontrol(1), `show topology`."""

    name: str
    level: int
    nodes: tuple[str, ...] = ()
    switches: tuple[str, ...] = ()
    is_block: bool = False


@dataclass(frozen=True, slots=True)
class SlurmVersion:
    """`22.05.8`, and how the program said it."""

    major: int
    minor: int
    patch: int = 0
    text: str = field(default="", compare=False)
