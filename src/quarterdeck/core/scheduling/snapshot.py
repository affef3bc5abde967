"""What one scheduling decision looks at: free rooms, waiting jobs, and who holds the rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import islice

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.room import Room
from quarterdeck.core.jobs.array import Array
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.jobs.place import QueuePlace
from quarterdeck.core.jobs.tasks import Wait
from quarterdeck.core.ledger.usage import Usage
from quarterdeck.core.scheduling.allowances import Allowance, Party
from quarterdeck.core.scheduling.booked import Bookings
from quarterdeck.core.scheduling.pools import Pool
from quarterdeck.core.scheduling.promised import Promised


@dataclass(frozen=True, slots=True)
class Kept:
    """What a job goes on with that gave up some of its nodes, where it had `nodes_before`."""

    site: str
    grants: tuple[Grant, ...]
    nodes_before: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued job as the scheduler sees it.

    Of an array, `tasks` are the indices of those in the queue, and `room` is how many of them its
    own limit lets start; `array` is all of them. `unmet` are jobs that must succeed first, `waits`
    what a retry waits for.
    `data_at` are nodes that have a share of its input already. `expected_s` is how long it should
    run, None where nothing is known; `served_gpu_s` is the GPU time that earlier attempts had. A
    job that `is_preemptible` may have to make room once it has run for `min_runtime_s`.
    `clearance` is where others were stopped for it, `kept` what it goes on with. `limit_s` is its
    time limit, None without one, and `grace_s` what it has to end after that. `queue_place` is the
    place that it has taken from another job of its owner; None while it has its own. `goes_to` is
    what just this job starts with since others move out of its way, or since it moves itself.
    """

    job_id: JobId
    demand: Demand
    priority: int
    submitted_at_ns: int
    tasks: tuple[int | None, ...] = (None,)
    room: int = 1
    parallel: int | None = None
    unmet: tuple[JobId, ...] = ()
    waits: Mapping[int | None, Wait] = field(default_factory=dict)
    team: str = ""
    owner: str = ""
    data_at: tuple[tuple[str, float], ...] = ()
    array: Array | None = None
    expected_s: float | None = None
    served_gpu_s: float = 0.0
    is_preemptible: bool = True
    min_runtime_s: float = 0.0
    clearance: Clearance | None = None
    limit_s: float | None = None
    grace_s: float = 0.0
    queue_place: QueuePlace | None = None
    kept: Kept | None = None
    goes_to: Clearance | None = None

    @property
    def runs_s(self) -> float | None:
        """For how long it may hold its nodes; None without a time limit."""
        return None if self.limit_s is None else self.limit_s + self.grace_s

    def ready(self, now_ns: int) -> tuple[int | None, ...]:
        """What of it may be placed now, if there is room; `(None,)` for a job without tasks."""
        if self.unmet or self.room <= 0:
            return ()
        if not self.waits:
            return self.tasks[: self.room]
        over = (
            task
            for task in self.tasks
            if (wait := self.waits.get(task)) is None or wait.is_over(now_ns)
        )
        return tuple(islice(over, self.room))

    def next_ready_ns(self, now_ns: int) -> int | None:
        """When something of it that waits for a retry's time will be ready."""
        if self.unmet:
            return None
        left = [wait.until_ns for wait in self.waits.values() if not wait.is_over(now_ns)]
        return min(left, default=None)

    @property
    def place(self) -> QueuePlace:
        """By what the queue is sorted: its own, or what it has taken from another job."""
        return self.queue_place or self.own_place

    @property
    def gpus_at_once(self) -> float:
        """How many GPUs all of it that may start at once asks for, by its place."""
        if self.queue_place is not None:
            return self.queue_place.gpus_at_once
        return self.demand.gpus * max(1, self.room)

    @property
    def own_place(self) -> QueuePlace:
        """The place that it came with."""
        gpus = self.demand.gpus
        return QueuePlace(
            self.job_id,
            self.submitted_at_ns,
            gpus,
            gpus * max(1, self.room),
            self.expected_s,
            self.served_gpu_s,
            self.demand.nodes + self.demand.nodes_beside,
        )

    @property
    def order(self) -> tuple[int, int, str]:
        """Priority, then first come; the id settles ties, so the order is total."""
        return (-self.priority, *came_of(self))


@dataclass(frozen=True, slots=True)
class Running:
    """An attempt that holds devices, where it may have to make room for others.

    `served_gpu_s` is the GPU time that all attempts of the job had until now. It
    `keeps_checkpoints` where a stop costs it little, `is_owed` where it was started within its
    team's guarantee, and `is_leaving` once it is being stopped, whatever for. `min_runtime_s` is
    its own. `ends_at_ns` is when its time limit and grace are over; None without a limit.
    `expected_s` is how long the job should run, None where nothing is known. `queue_place` is as of
    one that waits. Once it has stopped it goes on with the nodes that it `keeps`, or elsewhere with
    what it `goes_to`; one that `is_going_on` is what is kept of a job that stops.
    """

    job_id: JobId
    site: str
    demand: Demand
    grants: tuple[Grant, ...]
    priority: int
    submitted_at_ns: int
    started_at_ns: int
    served_gpu_s: float
    is_preemptible: bool = True
    task: int | None = None
    team: str = ""
    min_runtime_s: float = 0.0
    keeps_checkpoints: bool = False
    is_owed: bool = False
    is_leaving: bool = False
    owner: str = ""
    ends_at_ns: int | None = None
    expected_s: float | None = None
    queue_place: QueuePlace | None = None
    keeps: tuple[str, ...] = ()
    is_going_on: bool = False
    goes_to: tuple[Grant, ...] = ()

    @property
    def gpus(self) -> float:
        """How many it holds: a gang that takes what is free may have more than it asks for."""
        if self.demand.nodes_max is None:
            return self.demand.gpus
        own = max(self.demand.nodes, len(self.grants) - self.demand.nodes_beside)
        return replace(self.demand, nodes=own).gpus

    @property
    def leaves(self) -> tuple[Grant, ...]:
        """What comes free once it has stopped."""
        if not self.keeps:
            return self.grants
        return tuple(grant for grant in self.grants if grant.node not in self.keeps)

    @property
    def rest(self) -> Running:
        """As it is while it stops and then goes on with what it keeps: it has run as long as it had
        to, and cells of its team cover it if nobody before it needs them."""
        kept = tuple(grant for grant in self.grants if grant.node in self.keeps)
        return replace(
            self, grants=kept, keeps=(), is_leaving=False, is_owed=False, is_going_on=True
        )

    @property
    def may_give(self) -> tuple[str, ...]:
        """The nodes of which it can do without some: where only its own command runs, of a gang
        that takes what is free. A task of an array gives up none."""
        demand, count = self.demand, len(self.grants) - self.demand.nodes_beside
        if demand.nodes_max is None or self.task is not None or count <= demand.nodes:
            return ()
        beside = {grant.node for grant in self.grants[count:]}
        return tuple(one.node for one in self.grants[:count] if one.node not in beside)

    @property
    def gives_most(self) -> int:
        """How many of these it can do without."""
        spare = len(self.grants) - self.demand.nodes_beside - self.demand.nodes
        return min(spare, len(self.may_give))

    def giving_up(self, nodes: Collection[str]) -> Running:
        """As it leaves these nodes: it keeps the others if they are enough for it, else none."""
        if len(nodes) > self.gives_most or not {*nodes} <= {*self.may_give}:
            return self
        kept = dict.fromkeys(one.node for one in self.grants if one.node not in nodes)
        return replace(self, keeps=tuple(kept))


def came_of(one: Waiting | Running) -> tuple[int, JobId]:
    """When it came, as far as the queue is concerned; the id settles ties."""
    place = one.queue_place
    if place is None:
        return one.submitted_at_ns, one.job_id
    return place.submitted_at_ns, place.job_id


@dataclass(frozen=True, slots=True)
class Holder:
    """A job that holds part of a site, for explanations."""

    job_id: JobId
    site: str
    nodes: int
    gpus: int
    cpus: int


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a plan depends on. `as_of` is the place in the event log that it was taken at.

    A plan made on it holds until capacity is taken or a site changes; capacity that only comes
    free leaves it right. Where they are at hand `rooms` is a `Capacity`, `running` is `Runs` and
    `holders` are `Holders`. `asked` is what jobs have asked of a node lately, and how often.
    `running` is looked at by policies that evict.
    `bookings` are the calendar's of the coming days. `used` is what attempts had that have ended.
    `promised` is what the plan before promised, where the policy keeps that.
    `started_lately` are the last starts that moves are counted over, `moved_lately` the moves.
    """

    now_ns: int
    as_of: int
    rooms: Sequence[Room]
    waiting: tuple[Waiting, ...]
    holders: Sequence[Holder] = ()
    allowances: Mapping[Party, Allowance] = field(default_factory=dict)
    asked: tuple[tuple[Resources, int], ...] = ()
    running: Sequence[Running] = ()
    bookings: Bookings = field(default_factory=Bookings)
    used: Usage = field(default_factory=Usage)
    promised: tuple[Promised, ...] = ()
    started_lately: int = 0
    moved_lately: int = 0


class Backfill(StrEnum):
    """Whom nobody who starts may make later, of those that have waited for the patience."""

    EASY = "easy"
    """The first in the order."""
    CONSERVATIVE = "conservative"
    """As many as are looked after (`shadows.PROTECTED_MAX`): each keeps its promised start."""


class Order(StrEnum):
    """Who goes first among jobs of one priority."""

    FIRST_COME = "first_come"
    SHORTEST = "shortest"
    """Who should need least GPU time; waiting makes a job count as smaller."""
    LEAST_SERVED = "least_served"
    """Who had least GPU time so far, which needs no durations; others make room for it."""
    FAIR_SHARE = "fair_share"
    """Teams take turns by what they hold now, and the people of each team likewise."""
    FINISH_TIME = "finish_time"
    """Small jobs first, late ones sooner, and in time who would finish last of all."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be tuned.

    `patience_s` bounds how long smaller jobs may pass a waiting one, and `backfill` says for how
    many from then on nothing is started that would make them later. `min_runtime_s` is how long an
    attempt runs at least before it may have to make room for others.
    `nearness_patience_s` bounds how long a gang that has room waits to lie in as few racks and
    units as it could, `pod_patience_s` the same of pods; both from its submission, less for large
    gangs, and never longer than `patience_s` (`nearness`). On the lingjun lists at a load of 0.9
    half as long for pods left half as many gangs again over several pods, a quarter more than
    twice as many.
    `pools` are what teams are guaranteed; `reclaim_after_s` is how long a run that borrows lasts at
    least before it may have to go for who is owed the nodes.
    `half_life_s` is the time in which past use comes to count half as much where teams take turns;
    None: what has ended does not count.
    `moves_max` running jobs are moved at most for one that fits nowhere, and no more than
    `moves_percent` of the jobs that started lately (`core/scheduling/moving`).
    A reservation that its owner has not used `release_after_s` after it began is given back.
    """

    patience_s: float = 300.0
    order: Order = Order.FIRST_COME
    nearness_patience_s: float = 450.0
    pod_patience_s: float = 7200.0
    min_runtime_s: float = 600.0
    moves_max: int = 0
    moves_percent: float = 5.0
    release_after_s: float = 1800.0
    pools: tuple[Pool, ...] = ()
    reclaim_after_s: float = 0.0
    half_life_s: float | None = None
    backfill: Backfill = Backfill.EASY

    @property
    def orders_evictions(self) -> bool:
        """Whether who comes before another in the order may take its place."""
        return self.order is Order.LEAST_SERVED

    @property
    def may_evict(self) -> bool:
        """Whether running jobs may have to make room."""
        return self.orders_evictions or self.guarantees

    @property
    def guarantees(self) -> bool:
        """Whether any team is guaranteed anything."""
        return any(pool.guarantee for pool in self.pools)
