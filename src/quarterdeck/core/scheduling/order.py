"""Who goes before whom.

Priority comes first, and whoever is beyond a soft limit goes last. Among the others:

- *first come*: by the time of submission.
- *shortest*: by the GPU time that a job should need, smallest first, as this lets most jobs wait
  least (smallest area first; Carastan-Santos et al., "One can only gain by replacing EASY
  Backfilling", CCGrid 2019). A job counts as smaller the longer it has waited, measured by its own
  length, so that long ones come up too.
- *least served*: in classes by the GPU time that a job has had so far: up to an hour of a node with
  8 GPUs, to 10, to 100 … (discretised least attained service; Gu et al., "Tiresias", NSDI 2019), in
  a class those that need fewer GPUs first. It needs no durations: most jobs are short, and end in
  the first classes.
- *fair share*: teams take turns by what they hold for their weight, now and on average lately, and
  so do the people of a team (`fair`); priority counts within a team.
- *finish time*: small jobs first, late ones sooner, and in time who would finish last of all
  (`finish_time`).

All of it goes by a job's place (`QueuePlace`), which may be one that it has taken from another job
of the same person (`own_order`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.allowances import parties_of
from quarterdeck.core.scheduling.fair import fair_ranks
from quarterdeck.core.scheduling.finish_time import FinishTimes
from quarterdeck.core.scheduling.snapshot import Order, came_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.jobs.place import QueuePlace
    from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot, Waiting

    Key = tuple[bool, int, float, float, int, str]

EXPECTED_S: Final = 3600.0
"""What a job is taken to run of which nothing is known."""
AGING: Final = 10.0
"""After waiting for so many times its own length, and an hour, a job counts as half its size."""
AGING_LEAST_S: Final = 3600.0
AGES_EVERY_S: Final = 60.0
"""A minute of waiting changes little beside the hour that halves a short job at the soonest."""
CLASS_GPU_S: Final = 8 * 3600.0
CLASS_FACTOR: Final = 10.0
"""The first class is up to an hour of a node with 8 GPUs, each next one reaches ten times as far.
Where a limit lies matters where many jobs take about the same: they are stopped just before they
would have ended if it lies a little below (docs/benchmarks.md)."""

SMALLER_FACTOR: Final = 2
"""In one class a job makes room for one that needs half of its GPUs or fewer: with a quarter or an
eighth it is the same within 2 % on the traces."""


def order_of(snapshot: Snapshot, policy: Policy) -> Callable[[Waiting], Key]:
    """The key to sort the queue by. It is total: the id settles ties."""
    if policy.order is Order.FAIR_SHARE:
        return _fair_key(snapshot, policy)
    rank = _rank_of(snapshot, policy)

    def key(waiting: Waiting) -> Key:
        return (
            is_late(snapshot, waiting),
            -waiting.priority,
            *rank(waiting),
            *came_of(waiting),
        )

    return key


def _fair_key(snapshot: Snapshot, policy: Policy) -> Callable[[Waiting], Key]:
    ranks = fair_ranks(snapshot, policy.pools, policy.half_life_s)

    def key(waiting: Waiting) -> Key:
        rank = float(ranks[waiting.job_id])
        return (is_late(snapshot, waiting), 0, rank, 0.0, *came_of(waiting))

    return key


def place_order(
    snapshot: Snapshot, policy: Policy
) -> Callable[[QueuePlace], tuple[float, float, int, JobId]]:
    """The key to sort places by that are of one person, team and priority."""
    rank = _rank_of_place(snapshot, policy)
    return lambda place: (*rank(place), place.submitted_at_ns, place.job_id)


def order_lasts_s(policy: Policy) -> float | None:
    """For how long the order is taken to stay the same while nobody comes or goes; None for ever.
    Who waits comes up by and by, and past use fades, so somebody may overtake though nothing
    happens."""
    fades = policy.order is Order.FAIR_SHARE and policy.half_life_s is not None
    ages = policy.order in (Order.SHORTEST, Order.FINISH_TIME)
    return AGES_EVERY_S if fades or ages else None


def is_late(snapshot: Snapshot, waiting: Waiting) -> bool:
    """Whether its team or its owner is beyond a soft limit."""
    late = (snapshot.allowances.get(p) for p in parties_of(waiting.team, waiting.owner))
    return any(one is not None and one.is_late for one in late)


def class_of(served_gpu_s: float) -> int:
    """The class of a job that had so much GPU time: 0 below the first limit."""
    if served_gpu_s < CLASS_GPU_S:
        return 0
    return 1 + int(math.log(served_gpu_s / CLASS_GPU_S, CLASS_FACTOR) + 1e-9)


def next_class_ns(running: Running, now_ns: int) -> int | None:
    """When a running job comes into its next class; None for one without GPUs."""
    gpus = running.demand.gpus
    if not gpus:
        return None
    reach_gpu_s = CLASS_GPU_S * CLASS_FACTOR ** class_of(running.served_gpu_s)
    return now_ns + math.ceil((reach_gpu_s - running.served_gpu_s) / gpus * NS_PER_S)


def may_oust(waiting: Waiting, running: Running) -> bool:
    """Whether a job may take the place of one that runs: that has a lower priority, is in a later
    class, or is in the same one and holds many times as many GPUs."""
    mine = (-waiting.priority, class_of(waiting.served_gpu_s))
    its = (-running.priority, class_of(running.served_gpu_s))
    if mine != its:
        return mine < its
    gpus = waiting.demand.gpus
    return 0 < gpus * SMALLER_FACTOR <= running.demand.gpus


def _rank_of(snapshot: Snapshot, policy: Policy) -> Callable[[Waiting], tuple[float, float]]:
    if policy.order is Order.FIRST_COME:
        return lambda _: (0.0, 0.0)
    rank = _rank_of_place(snapshot, policy)
    return lambda waiting: rank(waiting.place)


def _rank_of_place(
    snapshot: Snapshot, policy: Policy
) -> Callable[[QueuePlace], tuple[float, float]]:
    if policy.order is Order.FINISH_TIME:
        return FinishTimes(snapshot, EXPECTED_S).rank
    return lambda place: _rank(place, policy, snapshot.now_ns)


def _rank(place: QueuePlace, policy: Policy, now_ns: int) -> tuple[float, float]:
    if policy.order is Order.SHORTEST:
        expected_s = EXPECTED_S if place.expected_s is None else place.expected_s
        waited_s = max(0, now_ns - place.submitted_at_ns) / NS_PER_S
        aged = 1 + waited_s / (AGING * expected_s + AGING_LEAST_S)
        # A job without GPUs takes none from anybody: it counts as one that needs very few.
        return (expected_s * max(0.01, place.gpus) / aged, 0.0)
    if policy.order is Order.LEAST_SERVED:
        return (class_of(place.served_gpu_s), place.gpus)
    return (0.0, 0.0)
