"""The answer of one scheduling decision: placements, and a verdict for each job left waiting."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.scheduling.promised import Promised

if TYPE_CHECKING:
    from collections.abc import Mapping


class Blocker(StrEnum):
    """Why a job waits: stable codes, part of the API."""

    NO_CAPACITY = "no_capacity"
    """Not now: what it needs exists but is held by others or down."""
    CORDONED = "cordoned"
    """Not now: it would fit, but for nodes or GPUs that are cordoned."""
    TOPOLOGY = "topology"
    """Not now: enough nodes have room, but not as near to each other as it requires, or as it
    still waits for."""
    FRAGMENTED = "fragmented"
    """Not now: as many GPUs as it needs are free, but not together on as many nodes."""
    GPU_MODEL = "gpu_model"
    """Not now: there is room, but not on GPUs of a model that it names."""
    MIG_SHAPE = "mig_shape"
    """Not now: the GPUs that could be cut for it are cut otherwise."""
    BEHIND_OTHERS = "behind_others"
    """Not now: a job before it has waited past the policy's patience, and room is kept for that."""
    DISK_FULL = "disk_full"
    """Not now: the site's disk has less free than is kept free, so nothing new is placed."""
    UNSATISFIABLE = "unsatisfiable"
    """Never: no site has nodes that could fit it even when empty."""
    NEEDS = "needs"
    """Not now: a job that it needs has not succeeded yet."""
    BACKOFF = "backoff"
    """Not now: it failed, and its next attempt waits a while."""
    LIMIT = "limit"
    """Not now: as many of the team's or the person's jobs run as may at once, or none of the sites
    that they may use could ever fit it."""
    BUDGET = "budget"
    """Not now: the team or the person has used all its device hours of this month."""
    POOL_LIMIT = "pool_limit"
    """Not now: its team, or its owner in that team, would hold more GPUs than their pool allows."""
    HELD = "held"
    """Not now: somebody keeps it from starting until it is released."""
    MAKING_ROOM = "making_room"
    """Not yet: others are being stopped to make room for it."""
    GUARANTEED = "guaranteed"
    """Not now: there is room, but others are guaranteed it, and this job could not make way."""
    RESERVED = "reserved"
    """Not now: it would fit, but for nodes that somebody has booked before it could be over."""
    ARRAY_LIMIT = "array_limit"
    """Not now: as many of its tasks run as the array allows at once."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Grants for one job, or one task of it: replica `i` gets `grants[i]`.

    `grounds` say why it lies there; `allreduce_gbytes_s` is the bus bandwidth of an all-reduce
    over all its GPUs, as far as it can be foretold. It `is_owed` where its team's guarantee covers
    it.
    """

    job_id: JobId
    site: str
    grants: tuple[Grant, ...]
    task: int | None = None
    grounds: tuple[str, ...] = ()
    allreduce_gbytes_s: float | None = None
    is_owed: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why one job does not start in this plan, with the numbers, and what would help.

    `change` is the cheapest change that would start it now, if there is one: keys of the job file
    and their values, of which an empty one is left out; or `resume` and a node, `release` and a
    job, or `limit` and whose jobs may run how many at once, for example `team red 2`.
    """

    job_id: JobId
    blocked_by: Blocker
    message: str
    hint: str = ""
    numbers: Mapping[str, int] = field(default_factory=dict)
    held_by: tuple[JobId, ...] = ()
    change: tuple[tuple[str, str], ...] = ()


class Because(StrEnum):
    """Why somebody has to make room."""

    ORDER = "order"
    """The other one comes before it in the policy's order."""
    GUARANTEE = "guarantee"
    """It borrowed what the other one's team is guaranteed."""
    PRIORITY = "priority"
    """The other one is of its team, and has a higher priority."""
    MOVE = "move"
    """It lies in the way of the other one, and goes on elsewhere."""


@dataclass(frozen=True, slots=True)
class Eviction:
    """A running job, or a task of it, that has to make room for another one, and goes on at once
    with the nodes that it `keeps`, or elsewhere with what it `goes_to`. One that stops already to
    go on keeps only these from now on."""

    job_id: JobId
    beneficiary: JobId
    task: int | None = None
    because: Because = Because.ORDER
    keeps: tuple[str, ...] = ()
    goes_to: tuple[Grant, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Placements in the order of the queue; every job of which something is left has a verdict.

    `head` is who nothing may make start later any more, and when that starts at the latest, where
    time limits tell; `promised` are all of these where the policy keeps more than one. `evictions`
    make room for jobs that are placed once those have gone, and `clearances` say where that is, for
    those who are guaranteed it or for whom others move. `next_ready_ns` is when the plan is worth
    making again though nothing has come, gone or ended: a retry's wait is over, or a gang's
    patience to lie nearer, a booking begins or ends, a running job comes after one that waits, or
    moves begin to pay.
    """

    as_of: int
    placements: tuple[Placement, ...] = ()
    verdicts: Mapping[JobId, Verdict] = field(default_factory=dict)
    next_ready_ns: int | None = None
    evictions: tuple[Eviction, ...] = ()
    clearances: Mapping[JobId, Clearance] = field(default_factory=dict)
    head: tuple[JobId, int] | None = None
    promised: tuple[Promised, ...] = ()
