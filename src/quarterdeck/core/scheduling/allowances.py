"""How many more of a team's or a person's jobs one plan may start."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quarterdeck.core.cluster.demand import Demand
    from quarterdeck.core.governance.limits import Quota
    from quarterdeck.core.governance.people import People
    from quarterdeck.core.scheduling.budgets import Budget, MonthUse

Party = tuple[Literal["team", "owner"], str]
"""A team or a person, as far as limits are concerned."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a party has running and how much of that it may have; None is without a limit.

    `is_late`: it is at a soft limit, so what it has in the queue goes last. `sites` are the only
    ones where its jobs may be placed. `spent` is a budget of which nothing is left.
    """

    running: int = 0
    running_max: int | None = None
    is_late: bool = False
    sites: tuple[str, ...] | None = None
    spent: Budget | None = None


def parties_of(team: str, owner: str) -> tuple[Party, Party]:
    """Whose limits a job is under."""
    return ("team", team), ("owner", owner)


@dataclass(frozen=True, slots=True, eq=False)
class Quotas:
    """The limits of everybody who has any, which change only when people do.

    `counts_waiting`: some depend on how much of whom is in the queue.
    """

    of: Mapping[Party, Quota]
    counts_waiting: bool


def quotas_of(people: People) -> Quotas:
    """The limits of these people and their teams."""
    held: dict[Party, Quota] = {("team", one.name): one.quota for one in people.teams.values()}
    held |= {("owner", one.name): one.quota for one in people.users.values()}
    limited = {party: quota for party, quota in held.items() if not quota.is_empty}
    queued = (quota.queued_jobs for quota in limited.values())
    return Quotas(limited, any(bound is not None and not bound.is_hard for bound in queued))


def allowances_of(
    quotas: Quotas,
    running: Mapping[Party, int],
    count_waiting: Callable[[], Mapping[Party, int]],
    month: MonthUse | None = None,
) -> Mapping[Party, Allowance]:
    """The allowance of everybody who has a limit, as of now. `running` counts tasks, and does not
    change any more; those that wait are counted when somebody's limit depends on them. Without a
    `month` nobody is held to a budget."""
    waiting = count_waiting() if quotas.counts_waiting else {}
    return _Allowances(quotas.of, running, waiting, month)


class _Allowances(Mapping[Party, Allowance]):
    """Each is reckoned when it is looked up: of thousands of people a plan meets a few."""

    def __init__(
        self,
        quotas: Mapping[Party, Quota],
        running: Mapping[Party, int],
        waiting: Mapping[Party, int],
        month: MonthUse | None,
    ) -> None:
        self._quotas = quotas
        self._running = running
        self._waiting = waiting
        self._month = month
        self._known: dict[Party, Allowance] = {}

    def __getitem__(self, party: Party) -> Allowance:
        known = self._known.get(party)
        if known is None:
            known = self._known[party] = self._reckon(party, self._quotas[party])
        return known

    def __iter__(self) -> Iterator[Party]:
        return iter(self._quotas)

    def __len__(self) -> int:
        return len(self._quotas)

    def _reckon(self, party: Party, quota: Quota) -> Allowance:
        have = self._running.get(party, 0)
        hard, late = None, False
        if quota.running_jobs is not None:
            if quota.running_jobs.is_hard:
                hard = quota.running_jobs.value
            else:
                late = have >= quota.running_jobs.value
        if quota.queued_jobs is not None and not quota.queued_jobs.is_hard:
            late = late or self._waiting.get(party, 0) > quota.queued_jobs.value
        spent = None
        if quota.device_hours_per_month is not None and self._month is not None:
            bound = quota.device_hours_per_month
            budget = self._month.budget(*party, bound.value)
            if budget.is_spent and bound.is_hard:
                spent = budget
            late = late or budget.is_spent
        return Allowance(have, hard, late, quota.sites, spent)


class Tally:
    """What one plan has started of each party so far."""

    def __init__(self, allowances: Mapping[Party, Allowance]) -> None:
        self._allowances = allowances
        self._started: Counter[Party] = Counter()
        self._bounds: dict[tuple[str, str], list[tuple[Party, Allowance]]] = {}

    def narrowest(
        self, team: str, owner: str, demand: Demand
    ) -> tuple[int, Party, Allowance] | None:
        """How many more of those jobs may start, and whose limit says so; None without a limit."""
        found = None
        for party, allowance in self._bounds_of(team, owner):
            left = self._left(party, allowance, demand)
            if left is not None and (found is None or left < found[0]):
                found = (left, party, allowance)
        return found

    def would_let(self, team: str, owner: str, demand: Demand, but: Party) -> bool:
        """Whether one more may start if that party had no limit."""
        for party, allowance in self._bounds_of(team, owner):
            if party == but:
                continue
            left = self._left(party, allowance, demand)
            if left is not None and left <= 0:
                return False
        return True

    def _bounds_of(self, team: str, owner: str) -> list[tuple[Party, Allowance]]:
        """Whose limits a job is under, of those who have any: asked about each job a few times."""
        known = self._bounds.get((team, owner))
        if known is None:
            pairs = ((party, self._allowances.get(party)) for party in parties_of(team, owner))
            known = [(party, its) for party, its in pairs if its is not None]
            self._bounds[team, owner] = known
        return known

    def _left(self, party: Party, allowance: Allowance, demand: Demand) -> int | None:
        """How many more of its jobs may start; None without a limit. What needs no GPUs takes
        nothing of a budget."""
        if allowance.spent is not None and demand.gpus > 0:
            return 0
        if allowance.running_max is None:
            return None
        return allowance.running_max - allowance.running - self._started[party]

    def start(self, team: str, owner: str, count: int) -> None:
        """So many were placed."""
        for party in parties_of(team, owner):
            self._started[party] += count

    def sites(self, team: str, owner: str) -> frozenset[str] | None:
        """Where its jobs may be placed; None is anywhere."""
        allowed = None
        for _, allowance in self._bounds_of(team, owner):
            if allowance.sites is not None:
                mine = frozenset(allowance.sites)
                allowed = mine if allowed is None else allowed & mine
        return allowed
