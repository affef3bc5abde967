"""Who may pass a job that has waited so long that nothing may make it start later.

Time limits tell when what runs is over at the latest, and so when and where that job starts at the
latest: its *shadow*. Who is over before then may start anywhere, everybody else only on other
nodes (EASY: Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995; Mu'alem and Feitelson, TPDS
2001). So its start never moves later by what passes it. Where time limits do not tell, nothing
passes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.basics.quantities import format_span
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.gangs import largest_gang
from quarterdeck.core.scheduling.latency import START_S
from quarterdeck.core.scheduling.placer import Placer
from quarterdeck.core.scheduling.survey import able_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Demand
    from quarterdeck.core.scheduling.allowances import Tally
    from quarterdeck.core.scheduling.nearness import Insists
    from quarterdeck.core.scheduling.placer import Sites
    from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot, Waiting

SLACK_S: Final = 60.0
"""A proposed time limit is shorter by so much at most: whoever reads it has to type."""


@dataclass(frozen=True, slots=True)
class Shadow:
    """A job starts then at the latest, on these rows."""

    waiting: Waiting
    start_ns: int
    rows: NDArray[np.bool_]

    def lets_pass(self, waiting: Waiting, now_ns: int, limit_s: float | None = None) -> bool:
        """Whether a job that starts now, with its time limit or another one, is over by then."""
        runs_s = waiting.runs_s if limit_s is None else limit_s + waiting.grace_s
        return runs_s is not None and now_ns + (runs_s + START_S) * NS_PER_S <= self.start_ns

    def limit_for(self, waiting: Waiting, now_ns: int) -> str | None:
        """The longest time limit with which a job would be let pass; None if there is no such."""
        left_s = (self.start_ns - now_ns) / NS_PER_S - START_S - waiting.grace_s
        limit_s = left_s - min(SLACK_S, left_s / 20)
        return format_span(limit_s) if limit_s >= 1 else None


def find_shadow(
    placer: Placer,
    waiting: Waiting,
    where: tuple[Sites, Insists],
    running: Sequence[Running],
    now_ns: int,
) -> Shadow | None:
    """When and where a job starts at the latest by the time limits of what runs; None if they do
    not tell. `placer` has what is free now."""
    sites, insists = where
    ending = sorted(
        (one for one in running if one.ends_at_ns is not None),
        key=lambda one: (one.ends_at_ns, one.job_id, one.task or 0),
    )

    def once_gone(count: int) -> Placer:
        gone = ((one.site, grant) for one in ending[:count] for grant in one.grants)
        return Placer(placer.free.returned(gone), placer.insists)

    if not ending or not once_gone(len(ending)).could_place(waiting.demand, sites, insists):
        return None
    low, high = 0, len(ending)
    while high - low > 1:
        middle = (low + high) // 2
        if once_gone(middle).could_place(waiting.demand, sites, insists):
            high = middle
        else:
            low = middle
    last_ns = ending[high - 1].ends_at_ns
    assert last_ns is not None
    then = once_gone(sum(1 for one in ending if (one.ends_at_ns or 0) <= last_ns))
    rows = _sparing(placer, then, waiting, where)
    placement = then.place(waiting.job_id, waiting.demand, sites, insists=insists, within=rows)
    if placement is None:
        return None
    taken = np.zeros(len(rows), bool)
    for grant in placement.grants:
        taken[placer.free.fleet.rows[placement.site, grant.node]] = True
    return Shadow(waiting, max(last_ns, now_ns + 1), taken)


def _sparing(
    now: Placer, then: Placer, waiting: Waiting, where: tuple[Sites, Insists]
) -> NDArray[np.bool_]:
    """Where it may lie, with as few of the nodes that are free now as will do: others can use those
    until then, and longer."""
    sites, insists = where
    is_free = now.free.costs(waiting.demand.resources) < np.inf
    spare = np.flatnonzero(is_free)

    def with_first(count: int) -> NDArray[np.bool_]:
        rows = ~is_free
        rows[spare[:count]] = True
        return rows

    low, high = -1, len(spare)
    while high - low > 1:
        middle = (low + high) // 2
        if then.could_place(waiting.demand, sites, insists, within=with_first(middle)):
            high = middle
        else:
            low = middle
    return with_first(high)


def holds_the_queue(
    waiting: Waiting, snapshot: Snapshot, policy: Policy, placer: Placer, tally: Tally
) -> bool:
    """Whether nothing may pass it any more, as it could be placed if what runs ended."""
    waited_s = (snapshot.now_ns - waiting.submitted_at_ns) / NS_PER_S
    if waited_s < policy.patience_s:
        return False
    sites = placer.sites_for(waiting.demand, tally.sites(waiting.team, waiting.owner))
    return any(
        all(_could_be_placed(part, placer, site) for part in waiting.demand.parts) for site in sites
    )


def _could_be_placed(demand: Demand, placer: Placer, site: str) -> bool:
    """Whether the nodes that are up would do, if nothing ran on them."""
    free = placer.free
    part = free.fleet.sites[site]
    able = able_rows(free.fleet, demand.resources, np.arange(part.start, part.stop))
    up = able[free.is_open[able]]
    if free.barred is not None:
        # Who waits for a booking to be over would hold up those who are over before.
        up = up[~free.barred[up]]
    return largest_gang(free.fleet, site, up, demand.topology)[0] >= demand.nodes
