"""The limits of teams and people, held against what they have in the queue now."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from quarterdeck.core.governance.limits import Account, Quota, check_submit
from quarterdeck.core.governance.staffing import check_open

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.jobs.spec import JobSpec
    from quarterdeck.ports.store import Whose


class Counts(Protocol):
    """Where waiting tasks are counted: a store, or a transaction on it."""

    def count_waiting(self, whose: Whose, name: str) -> int:
        """How many tasks of a team or an owner wait."""
        ...


def check_limits(
    plane: ControlPlane, counts: Counts, specs: Iterable[JobSpec], owner: str
) -> list[str]:
    """Refuse jobs that a hard limit does not let in; says which soft ones they go beyond.

    In the transaction that keeps the jobs the count is exact, however many are submitted at once.
    """
    people = plane.people()
    if people is None:
        return []
    tasks: Counter[str] = Counter()
    places: dict[tuple[str, str | None, str | None], None] = {}
    for spec in specs:
        tasks[spec.team] += 1 if spec.array is None else len(spec.array.indices)
        places[spec.team, spec.demand.site, spec.image] = None
    user = people.users.get(owner)
    warnings: list[str] = []
    for team, count in tasks.items():
        account = _account(counts, "team", team, check_open(people, team).quota)
        warnings += check_submit([account], count, None)
    mine = _account(counts, "owner", owner, user.quota) if user is not None else None
    if mine is not None:
        warnings += check_submit([mine], sum(tasks.values()), None)
    for team, site, image in places:
        check_submit([Account(f"team {team}", _names_of(people.teams[team].quota))], 0, site, image)
        if user is not None:
            check_submit([Account(f"user {owner}", _names_of(user.quota))], 0, site, image)
    return warnings


def _names_of(quota: Quota) -> Quota:
    """Only what it says of names; the counts were held against all jobs at once."""
    return Quota(sites=quota.sites, images=quota.images)


def check_queue_limits(plane: ControlPlane, counts: Counts, job: Job) -> None:
    """Refuse what has come back into the queue, and is counted there already."""
    people = plane.people()
    if people is None:
        return
    team, user = check_open(people, job.spec.team), people.users.get(job.actor)
    accounts = [_account(counts, "team", team.name, team.quota)]
    if user is not None:
        accounts.append(_account(counts, "owner", user.name, user.quota))
    check_submit(accounts, 0, None)


def _account(counts: Counts, whose: Whose, name: str, quota: Quota) -> Account:
    title = f"team {name}" if whose == "team" else f"user {name}"
    queued = counts.count_waiting(whose, name) if quota.queued_jobs is not None else 0
    return Account(title, quota, queued)
