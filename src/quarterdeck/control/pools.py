"""What teams are guaranteed, what they hold of it, and what they borrow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quarterdeck.control.plan import look_ahead
from quarterdeck.core.cluster.parts import gpu_of
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.cover import Cover
from quarterdeck.core.scheduling.pools import Pool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.scheduling.snapshot import Running


@dataclass(frozen=True, slots=True)
class Share:
    """What jobs of somebody hold, in GPUs, and how many wait."""

    covered: int = 0
    borrowed: int = 0
    waiting: int = 0

    def __add__(self, other: Share) -> Share:
        """Both together."""
        return Share(
            self.covered + other.covered,
            self.borrowed + other.borrowed,
            self.waiting + other.waiting,
        )


@dataclass(frozen=True, slots=True)
class PoolStanding:
    """A team: its pool, how many of its cells are free, and what each of its people holds."""

    pool: Pool
    cells_free: int
    users: Mapping[str, Share]

    @property
    def total(self) -> Share:
        """Of all its people."""
        return sum(self.users.values(), Share())


@dataclass(frozen=True, slots=True)
class Pools:
    """All teams that are guaranteed something, hold something or wait, by name; `shortfall` counts
    guaranteed cells for which there is no node."""

    standings: tuple[PoolStanding, ...]
    gpus: int
    gpus_free: int
    shortfall: int


def list_pools(plane: ControlPlane) -> Pools:
    """As the scheduler sees it now."""
    snapshot, _ = look_ahead(plane)
    capacity = capacity_of(snapshot.rooms)
    cover = Cover(capacity, snapshot, plane.policy)
    covered = {id(one) for team in cover.book.teams for one in cover.covered_of(team)}
    users: dict[str, dict[str, Share]] = {}

    def add(team: str, user: str, share: Share) -> None:
        mine = users.setdefault(team, {})
        mine[user] = mine.get(user, Share()) + share

    for one in snapshot.running:
        job = plane.board.find_job(one.job_id)
        gpus = _gpus_of(one)
        share = Share(covered=gpus) if id(one) in covered else Share(borrowed=gpus)
        add(one.team, job.actor if job is not None else "", share)
    for waiting in snapshot.waiting:
        add(waiting.team, waiting.owner, Share(waiting=len(waiting.tasks)))
    pools = {pool.team: pool for pool in plane.policy.pools}
    standings = tuple(
        PoolStanding(
            pools.get(team, Pool(team)),
            cover.book.count_left(team) if cover.book.has(team) else 0,
            dict(sorted(users.get(team, {}).items())),
        )
        for team in sorted({*pools, *users})
    )
    is_open = capacity.is_open
    gpus = int(capacity.fleet.gpus[is_open].sum())
    return Pools(standings, gpus, int(capacity.gpus_free[is_open].sum()), cover.shortfall)


def _gpus_of(one: Running) -> int:
    """GPUs that it holds, in part or as a whole."""
    return len({(grant.node, gpu_of(part)) for grant in one.grants for part in grant.devices})
