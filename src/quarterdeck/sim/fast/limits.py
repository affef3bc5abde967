"""Limits of teams and people in a fast run, which may change while it runs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from quarterdeck.core.scheduling.allowances import Quotas, allowances_of, parties_of
from quarterdeck.core.scheduling.counts import Counts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from quarterdeck.core.governance.limits import Quota
    from quarterdeck.core.scheduling.allowances import Allowance, Party
    from quarterdeck.core.scheduling.budgets import MonthUse
    from quarterdeck.core.scheduling.snapshot import Waiting
    from quarterdeck.sim.fast.workload import SimJob


@dataclass(frozen=True, slots=True)
class Ruling:
    """Whose limits are what, from a second on."""

    at_s: float
    limits: tuple[tuple[Party, Quota], ...] = ()


@dataclass(slots=True)
class Limits:
    """The limits in force, and how much of whom runs. Limits of sites say nothing here: there is
    one."""

    rulings: Sequence[Ruling] = ()
    _running: Counts[Party] = field(default_factory=Counts)
    _known: tuple[Ruling, Quotas] | None = None

    def count(self, job: SimJob, change: int) -> None:
        """So many more of a job's kind run."""
        self._running.add(parties_of(job.team, job.user), change)

    def next_s(self, now_s: float) -> float:
        """When limits change next; infinity for never."""
        later = (one.at_s for one in self.rulings if one.at_s > now_s)
        return min(later, default=float("inf"))

    def allowances(
        self, now_s: float, waiting: Iterable[Waiting], month: MonthUse
    ) -> Mapping[Party, Allowance]:
        """What everybody who has limits may start."""
        ruling = max(
            (one for one in self.rulings if one.at_s <= now_s),
            key=lambda one: one.at_s,
            default=None,
        )
        if ruling is None:
            return {}
        if self._known is None or self._known[0] is not ruling:
            self._known = (ruling, _quotas_of(ruling))

        def count_waiting() -> Counter[Party]:
            return Counter(party for one in waiting for party in parties_of(one.team, one.owner))

        return allowances_of(self._known[1], self._running.now(), count_waiting, month)


def _quotas_of(ruling: Ruling) -> Quotas:
    held = {party: replace(quota, sites=None) for party, quota in ruling.limits}
    queued = (quota.queued_jobs for quota in held.values())
    return Quotas(held, any(bound is not None and not bound.is_hard for bound in queued))
