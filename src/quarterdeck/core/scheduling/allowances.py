"""How many more of a team's or a person's jobs one plan may start."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from quarterdeck.core.governance.limits import Quota
    from quarterdeck.core.governance.people import People

Party = tuple[Literal["team", "owner"], str]
"""A team or a person, as far as limits are concerned."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a party has running and how much of that it may have; None is without a limit.

    `is_late`: it is at a soft limit, so what it has in the queue goes last. `sites` are the only
    ones where its jobs may be placed.
    """

    running: int = 0
    running_max: int | None = None
    is_late: bool = False
    sites: tuple[str, ...] | None = None


def parties_of(team: str, owner: str) -> tuple[Party, Party]:
    """Whose limits a job is under."""
    return ("team", team), ("owner", owner)


def allowances_of(
    people: People,
    running: Mapping[Party, int],
    count_waiting: Callable[[], Mapping[Party, int]],
) -> dict[Party, Allowance]:
    """The allowance of everybody who has a limit. `running` counts tasks; those that wait are
    counted when somebody's limit depends on them."""
    found = {}
    waiting: Mapping[Party, int] | None = None
    for party, quota in _quotas(people):
        if quota.is_empty:
            continue
        have = running.get(party, 0)
        hard, late = None, False
        if quota.running_jobs is not None:
            if quota.running_jobs.is_hard:
                hard = quota.running_jobs.value
            else:
                late = have >= quota.running_jobs.value
        if quota.queued_jobs is not None and not quota.queued_jobs.is_hard:
            waiting = count_waiting() if waiting is None else waiting
            late = late or waiting.get(party, 0) > quota.queued_jobs.value
        found[party] = Allowance(have, hard, late, quota.sites)
    return found


def _quotas(people: People) -> Iterator[tuple[Party, Quota]]:
    for team in people.teams.values():
        yield ("team", team.name), team.quota
    for user in people.users.values():
        yield ("owner", user.name), user.quota


class Tally:
    """What one plan has started of each party so far."""

    def __init__(self, allowances: Mapping[Party, Allowance]) -> None:
        self._allowances = allowances
        self._started: Counter[Party] = Counter()

    def narrowest(self, team: str, owner: str) -> tuple[int, Party, Allowance] | None:
        """How many more may start, and whose limit says so; None without a limit."""
        found = None
        for party in parties_of(team, owner):
            allowance = self._allowances.get(party)
            if allowance is None or allowance.running_max is None:
                continue
            left = allowance.running_max - allowance.running - self._started[party]
            if found is None or left < found[0]:
                found = (left, party, allowance)
        return found

    def would_let(self, team: str, owner: str, but: Party) -> bool:
        """Whether one more may start if that party had no limit."""
        for party in parties_of(team, owner):
            allowance = self._allowances.get(party)
            if party == but or allowance is None or allowance.running_max is None:
                continue
            if allowance.running + self._started[party] >= allowance.running_max:
                return False
        return True

    def start(self, team: str, owner: str, count: int) -> None:
        """So many were placed."""
        for party in parties_of(team, owner):
            self._started[party] += count

    def sites(self, team: str, owner: str) -> frozenset[str] | None:
        """Where its jobs may be placed; None is anywhere."""
        allowed = None
        for party in parties_of(team, owner):
            allowance = self._allowances.get(party)
            if allowance is not None and allowance.sites is not None:
                mine = frozenset(allowance.sites)
                allowed = mine if allowed is None else allowed & mine
        return allowed
