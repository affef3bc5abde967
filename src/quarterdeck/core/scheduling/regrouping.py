"""Running jobs that go on elsewhere so that one that waits has room, and the proof that all of them
have a place: with all of these gone the waiting one is placed first and then each of them, by the
same rule as always."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.placer import Placer
from quarterdeck.core.scheduling.snapshot import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from quarterdeck.core.scheduling.bookings import Bars
    from quarterdeck.core.scheduling.placer import Sites
    from quarterdeck.core.scheduling.plan import Placement
    from quarterdeck.core.scheduling.snapshot import Running

PROOFS_MAX: Final = 16
"""So many ways that differ are tried in earnest, then it is given up."""


class Allowed(NamedTuple):
    """Where a job may lie: at these sites, not behind these bars, and on these rows or on any."""

    sites: Sites = None
    bars: Bars | None = None
    within: NDArray[np.bool_] | None = None


Where = Callable[[Waiting], Allowed]


@dataclass(frozen=True, slots=True)
class Move:
    """A running job that stops, and where it starts again."""

    job: Running
    after: Placement


@dataclass(frozen=True, slots=True)
class Regrouping:
    """The moves that make room for a job, and the place that it gets then."""

    moves: tuple[Move, ...]
    placement: Placement


def again_of(one: Running) -> Waiting:
    """A running job as it would wait for another place at its site."""
    limit_s = None if one.ends_at_ns is None else (one.ends_at_ns - one.started_at_ns) / NS_PER_S
    return Waiting(
        one.job_id,
        replace(one.demand, site=one.site),
        one.priority,
        one.submitted_at_ns,
        tasks=(one.task,),
        team=one.team,
        owner=one.owner,
        limit_s=limit_s,
    )


def has_room(placer: Placer, waiting: Waiting, allowed: Allowed) -> bool:
    """Whether the job could be placed as things are."""
    placer.bar(allowed.bars)
    return placer.could_place(waiting.demand, allowed.sites, within=allowed.within)


def prove(
    placer: Placer, waiting: Waiting, task: int | None, jobs: Sequence[Running], where: Where
) -> Regrouping | None:
    """What comes of it when all of these jobs stop, or None if one of them finds no place."""
    gone = [(one.site, grant) for one in jobs for grant in one.grants]
    cleared = Placer(placer.free.returned(gone))
    placement = _place(cleared, waiting, task, where(waiting))
    if placement is None:
        return None
    moves = []
    for job in jobs:
        again = again_of(job)
        after = _place(cleared, again, job.task, where(again))
        if after is None:
            return None
        if after.grants != job.grants:
            moves.append(Move(job, after))
    return Regrouping(tuple(moves), placement)


def first_proven(
    ways: Iterable[tuple[tuple[object, ...], Callable[[], Regrouping | None]]],
) -> Regrouping | None:
    """The first of these ways that can be proven. Each comes with its likeness: what failed is not
    tried again, and after so many that differ it is given up."""
    failed: set[tuple[object, ...]] = set()
    for alike, attempt in ways:
        if alike in failed:
            continue
        found = attempt()
        if found is not None:
            return found
        failed.add(alike)
        if len(failed) == PROOFS_MAX:
            break
    return None


def _place(
    placer: Placer, waiting: Waiting, task: int | None, allowed: Allowed
) -> Placement | None:
    placer.bar(allowed.bars)
    data_at = dict(waiting.data_at)
    return placer.place(
        waiting.job_id, waiting.demand, allowed.sites, task, data_at, within=allowed.within
    )
