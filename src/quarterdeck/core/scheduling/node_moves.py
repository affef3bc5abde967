"""Which running jobs to move so that a job fits on one node that fits nowhere, as what is free is
scattered: those that lose the least work.

On each node the sets of movable jobs are looked at that make room and of which none could stay; the
cheapest of all nodes that is proven is taken (`regrouping`). Since each of the moved jobs goes on
with what is free elsewhere, there is one only where as many GPUs are free as the job asks for.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.scheduling.borrowers import loss_gpu_s
from quarterdeck.core.scheduling.regrouping import again_of, first_proven, has_room, prove

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from quarterdeck.core.cluster.demand import Demand
    from quarterdeck.core.scheduling.free import Free
    from quarterdeck.core.scheduling.placer import Placer
    from quarterdeck.core.scheduling.regrouping import Allowed, Regrouping, Where
    from quarterdeck.core.scheduling.snapshot import Running, Waiting

SETS_MAX: Final = 256
"""So many sets of jobs of one node are looked at, small and cheap ones first: all there are of
eight jobs."""


@dataclass(frozen=True, slots=True)
class _Way:
    """These jobs could leave a node, and what is lost by it in GPU seconds."""

    row: int
    jobs: tuple[Running, ...]
    lost_gpu_s: float

    @property
    def price(self) -> tuple[float, int, int, int]:
        """Less is better; what started last goes before what has run for longer."""
        return (
            self.lost_gpu_s,
            len(self.jobs),
            -sum(one.started_at_ns for one in self.jobs),
            self.row,
        )


def find_node_moves(
    placer: Placer,
    running: Iterable[Running],
    wanting: tuple[Waiting, int | None],
    most: int,
    where: Where,
    now_ns: int,
) -> Regrouping | None:
    """The moves of at most so many of these running jobs that make room for a job, or a task of
    it, that wants whole GPUs of one node and for which there is no room in what this placer has:
    those by which the least work is lost. None if nothing was found."""
    waiting, task = wanting
    if not is_on_one_node(waiting.demand):
        return None
    held = _movable(placer, running, where)
    allowed, free = where(waiting), placer.free
    rows = _rows_of(placer, waiting, allowed) if held else []
    ways = [
        way
        for row in rows
        if row in held
        for way in _ways_on(free, row, waiting.demand, held[row], most, now_ns)
    ]

    def attempt(way: _Way) -> Regrouping | None:
        only = np.zeros(len(free.cpus), bool)
        only[way.row] = True

        def on_it(one: Waiting) -> Allowed:
            may = where(one)
            return may._replace(within=only) if one is waiting else may

        return prove(placer, waiting, task, way.jobs, on_it)

    ways.sort(key=lambda way: way.price)
    return first_proven((_likeness(free, way), partial(attempt, way)) for way in ways)


def is_on_one_node(demand: Demand) -> bool:
    """Whether it wants whole GPUs of one node, and nothing else."""
    wanted = demand.resources
    is_single = demand.most_nodes == 1 and not demand.beside
    return is_single and wanted.gpu_unit is GpuUnit.WHOLE and wanted.gpus > 0


def _movable(placer: Placer, running: Iterable[Running], where: Where) -> dict[int, list[Running]]:
    """Who could go on elsewhere, by the row of its node: what is free has room for it."""
    found: dict[int, list[Running]] = {}
    known: dict[tuple[object, ...], bool] = {}
    for one in running:
        row = placer.free.fleet.rows.get((one.site, one.grants[0].node)) if one.grants else None
        if row is None or len(one.grants) > 1 or not is_on_one_node(one.demand):
            continue
        # Of two that differ by their time limit alone a booking may bar one.
        limit_ns = None if one.ends_at_ns is None else one.ends_at_ns - one.started_at_ns
        key = (one.demand, one.site, one.team, one.owner, limit_ns)
        if key not in known:
            again = again_of(one)
            known[key] = has_room(placer, again, where(again))
        if known[key]:
            found.setdefault(row, []).append(one)
    return found


def _rows_of(placer: Placer, waiting: Waiting, allowed: Allowed) -> list[int]:
    """The nodes on which it may lie."""
    free = placer.free
    rows = np.zeros(len(free.cpus), bool)
    for site in placer.sites_for(waiting.demand, allowed.sites):
        rows[free.fleet.sites[site]] = True
    rows &= free.is_open
    if allowed.within is not None:
        rows &= allowed.within
    if allowed.bars is not None:
        rows &= ~allowed.bars.rows
    return [int(row) for row in np.flatnonzero(rows)]


def _ways_on(
    free: Free, row: int, demand: Demand, held: Sequence[Running], most: int, now_ns: int
) -> Iterator[_Way]:
    """The sets of these jobs of a node that make room there and of which none could stay."""
    wanted = demand.resources
    lacks = (
        wanted.gpus - int(free.gpus_free[row]),
        wanted.cpus - int(free.cpus[row]),
        wanted.memory_bytes - int(free.memory_bytes[row]),
    )
    if max(lacks) <= 0:
        return  # it is not for want of these that it does not fit
    losses = {id(one): loss_gpu_s(one, now_ns) for one in held}
    cheap_first = sorted(held, key=lambda one: (losses[id(one)], -one.started_at_ns, one.job_id))
    tried = 0
    for size in range(1, min(most, len(held)) + 1):
        for jobs in combinations(cheap_first, size):
            tried += 1
            if tried > SETS_MAX:
                return
            if _is_enough(jobs, lacks) and not any(
                _is_enough([other for other in jobs if other is not one], lacks) for one in jobs
            ):
                yield _Way(row, jobs, sum(losses[id(one)] for one in jobs))


def _is_enough(jobs: Sequence[Running], lacks: tuple[int, int, int]) -> bool:
    grants = [one.grants[0] for one in jobs]
    return (
        sum(len(grant.devices) for grant in grants) >= lacks[0]
        and sum(grant.cpus for grant in grants) >= lacks[1]
        and sum(grant.memory_bytes for grant in grants) >= lacks[2]
    )


def _likeness(free: Free, way: _Way) -> tuple[object, ...]:
    """Where one of these failed, so does the other."""
    row = way.row
    return (
        frozenset(Counter((one.demand, one.team, one.owner) for one in way.jobs).items()),
        int(free.gpus_free[row]),
        int(free.cpus[row]),
        int(free.memory_bytes[row]),
        free.fleet.kind[row].tobytes(),
    )
