"""What teams are guaranteed, what they hold of it, and what they borrow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.control.plan import look_ahead
from quarterdeck.core.cluster.parts import gpu_of
from quarterdeck.core.scheduling.budgets import MonthUse
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.cover import Cover
from quarterdeck.core.scheduling.pools import Pool, pool_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.governance.people import Team
    from quarterdeck.core.scheduling.cells import CellBook
    from quarterdeck.core.scheduling.snapshot import Running


@dataclass(frozen=True, slots=True)
class Share:
    """What jobs of somebody hold, in GPUs, how many wait, the GPU hours of this month, and on how
    many cells of their own none of them runs."""

    covered: int = 0
    borrowed: int = 0
    waiting: int = 0
    hours: float = 0.0
    cells_free: int = 0

    def __add__(self, other: Share) -> Share:
        """Both together."""
        return Share(
            self.covered + other.covered,
            self.borrowed + other.borrowed,
            self.waiting + other.waiting,
            self.hours + other.hours,
            self.cells_free + other.cells_free,
        )


@dataclass(frozen=True, slots=True)
class PoolStanding:
    """A team: its pool, how many of its cells that are nobody's own are free, what each of its
    people holds, and how many device hours it may use this month; None for as many as it wants."""

    pool: Pool
    cells_free: int
    users: Mapping[str, Share]
    budget_h: int | None = None

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
    month = MonthUse(snapshot.used, lambda: snapshot.running, snapshot.now_ns)
    members = {*snapshot.used.members, *((one.team, one.owner) for one in snapshot.running)}
    for team, owner in members:
        if hours := month.hours_of_member(team, owner):
            add(team, owner, Share(hours=hours))
    for pool in plane.policy.pools:
        for member in pool.people:
            add(pool.team, member.user, Share())
    people = plane.people()
    teams = people.teams if people is not None else {}
    pools = {pool.team: pool for pool in plane.policy.pools}
    standings = tuple(
        PoolStanding(
            pools.get(team, Pool(team)),
            _count_left(cover.book, team),
            {
                user: replace(share, cells_free=_count_left(cover.book, pool_name(team, user)))
                for user, share in sorted(users.get(team, {}).items())
            },
            _budget_of(teams.get(team)),
        )
        for team in sorted({*pools, *users})
    )
    is_open = capacity.is_open
    gpus = int(capacity.fleet.gpus[is_open].sum())
    return Pools(standings, gpus, int(capacity.gpus_free[is_open].sum()), cover.shortfall)


def _count_left(book: CellBook, name: str) -> int:
    """How many cells of a pool no job runs on."""
    return book.count_left(name) if book.has(name) else 0


def _budget_of(team: Team | None) -> int | None:
    bound = team.quota.device_hours_per_month if team is not None else None
    return None if bound is None else bound.value


def _gpus_of(one: Running) -> int:
    """GPUs that it holds, in part or as a whole."""
    return len({(grant.node, gpu_of(part)) for grant in one.grants for part in grant.devices})
