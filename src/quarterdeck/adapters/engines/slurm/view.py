"""What Slurm says of its jobs and nodes, asked for beside everything else.

An answer takes a while, and none may come for half a minute while slurmctld is down. So it is
waited for on a thread of its own, and until it is there the last one holds.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from quarterdeck.adapters.engines.slurm.gpus import NodeGpus, read_gpus
from quarterdeck.adapters.engines.slurm.keys import own_account
from quarterdeck.adapters.engines.slurm.locations import locate_nodes
from quarterdeck.basics.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from quarterdeck.adapters.engines.slurm.commands import SlurmCommands
    from quarterdeck.adapters.engines.slurm.records import (
        Listing,
        SlurmJob,
        SlurmNode,
        SlurmPartition,
        SlurmReservation,
    )
    from quarterdeck.core.cluster.hardware import Location

RARELY_S: Final = 30.0
"""How often is asked for what seldom changes: partitions, reservations, the topology."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rare:
    """What seldom changes. `partition` is the one that jobs go to."""

    partition: SlurmPartition
    reservations: tuple[SlurmReservation, ...] = ()
    locations: Mapping[str, Location] = field(default_factory=dict)
    asked_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Look:
    """One answer. `jobs` are everybody's by id, `own` those of our account, `by_comment` the one of
    ours with each comment, see `index_own`. `asked_at`: when it was asked for, on the monotonic
    clock; whatever came after that it may not know."""

    rare: Rare
    jobs: Mapping[int, SlurmJob]
    by_comment: Mapping[str, SlurmJob]
    nodes: tuple[SlurmNode, ...]
    gpus: Mapping[str, NodeGpus]
    asked_at: float
    own: tuple[SlurmJob, ...] = ()

    @property
    def longest_s(self) -> float | None:
        """The partition's own limit of time, if it has one."""
        return self.rare.partition.time_limit_s


class PerLook(Generic[T]):
    """Something that is reckoned once for each look: for a large cluster it takes a while."""

    def __init__(self) -> None:
        self._made: tuple[Look, T] | None = None

    def get(self, look: Look, make: Callable[[], T]) -> T:
        """What was made of this look, or is now."""
        if self._made is None or self._made[0] is not look:
            self._made = (look, make())
        return self._made[1]

    def drop(self) -> None:
        """It has to be made again."""
        self._made = None


class ClusterView:
    """See the module. `name` is the partition's, empty for Slurm's default."""

    def __init__(self, commands: SlurmCommands, name: str) -> None:
        self._commands = commands
        self._name = name
        self._account = own_account()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="slurm")
        self._asked: Future[Look] | None = None
        self._rare: Rare | None = None

    def ask(self) -> None:
        """Begin to look, unless it is being looked already."""
        if self._asked is None:
            self._asked = self._pool.submit(self._look, monotonic())

    def take(self, *, wait: bool = False) -> Look | None:
        """The answer, if a new one is there. `Unavailable` or `SlurmRefused` if there was none;
        `Invalid` for a partition that Slurm does not know."""
        if self._asked is None or not (wait or self._asked.done()):
            return None
        asked, self._asked = self._asked, None
        return asked.result()

    def close(self) -> None:
        """Ask no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _look(self, asked_at: float) -> Look:
        if self._rare is None or asked_at - self._rare.asked_at >= RARELY_S:
            self._rare = self._look_rarely(asked_at)
        rare = self._rare
        jobs = _understood("jobs", self._commands.list_jobs())
        own = tuple(job for job in jobs if job.user == self._account)
        mine = set(rare.partition.nodes)
        listed = _understood("nodes", self._commands.list_nodes())
        nodes = tuple(node for node in listed if node.name in mine)
        return Look(
            rare,
            {job.id: job for job in jobs},
            index_own(own),
            nodes,
            {node.name: read_gpus(node.name, node.gres) for node in nodes},
            asked_at,
            own,
        )

    def _look_rarely(self, asked_at: float) -> Rare:
        partition = find_partition(self._commands, self._name)
        switches = self._commands.show_topology().items
        reservations = self._commands.list_reservations().items
        return Rare(partition, reservations, locate_nodes(switches), asked_at)


def index_own(jobs: Iterable[SlurmJob]) -> dict[str, SlurmJob]:
    """By comment; of several the one that runs, the first that was handed in, then one that waits,
    then the last that has ended. The comment alone proves nothing: everybody may write it."""
    found: dict[str, SlurmJob] = {}
    for job in sorted(jobs, key=lambda job: (rank_of(job), -job.id if rank_of(job) else job.id)):
        if job.comment:
            found[job.comment] = job
    return found


def rank_of(job: SlurmJob) -> int:
    """How much a job of ours is worth: 2 if it has its nodes, 1 if it waits, 0 if it has ended."""
    return 0 if job.has_ended else 1 if job.state == "PENDING" else 2


def _understood(what: str, listing: Listing[T]) -> tuple[T, ...]:
    """All that was listed. `Unavailable` if a part of it was not understood: whoever is missing
    would be taken for gone."""
    if listing.skipped:
        raise Unavailable(
            f"{listing.skipped} of Slurm's {what} could not be read, for example "
            f"{listing.example[:80]!a}",
            hint="if this stays so, its version may be one that Quarterdeck does not know",
        )
    return listing.items


def find_partition(commands: SlurmCommands, name: str) -> SlurmPartition:
    """The partition of this name, or Slurm's default for none. `Invalid` without one."""
    known = _understood("partitions", commands.list_partitions())
    for one in known:
        if one.name == name or (not name and one.is_default):
            return one
    names = ", ".join(one.name for one in known) or "none that this account may see"
    raise Invalid(
        f"partition is {name!r}, which this Slurm does not have"
        if name
        else "partition is not given, and this Slurm has no default",
        field="partition",
        hint=f"its partitions: {names}",
    )
