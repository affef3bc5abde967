"""How near the nodes of a gang lie to each other, and how long it waits to lie nearer.

Whoever always takes what is free scatters gangs when a site is nearly full, though a neighbourhood
would often come free soon. So a gang that says nothing about its topology first waits a while to
lie as near as it would if the site were empty: in as few racks and units, and above all in one pod.
It holds nobody up meanwhile, and when its patience is over it takes what there is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from quarterdeck.basics.quantities import format_span
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, Level, Wish
from quarterdeck.core.scheduling.fleet import NOT_THERE
from quarterdeck.core.scheduling.gangs import choose_nodes
from quarterdeck.core.scheduling.plan import Blocker, Verdict
from quarterdeck.core.scheduling.survey import able_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Resources
    from quarterdeck.core.scheduling.fleet import Fleet
    from quarterdeck.core.scheduling.free import Free
    from quarterdeck.core.scheduling.snapshot import Policy, Waiting

Insists = frozenset[Level]
"""On what a gang still insists: `POD`, to lie in no more pods than it must; `RACK`, the same of
units and racks."""
ON_NOTHING: Final[Insists] = frozenset()
NODE_SECONDS_MAX: Final = 64 * 3600.0
"""What a gang may lose by waiting for nearness: nodes × seconds. The larger it is, the more its
waiting costs, and the less often a pod comes free for it. On the lingjun lists at a load of 0.9 the
mean wait was 6 % shorter with this than with 2 minutes a node up to 4 hours."""


class Reach(NamedTuple):
    """In how many domains of each level nodes lie; 0 where that is not known of all of them."""

    pods: int
    units: int
    racks: int


@dataclass(frozen=True, slots=True)
class TooFar:
    """There is room, but the gang `lies` farther apart than `at_best`, on an empty site; `level` is
    the farthest on which it insists and takes more domains than it must."""

    lies: Reach
    at_best: Reach
    level: Level


def insists_at_first(policy: Policy) -> Insists:
    """On what a gang insists that has only just come."""
    limits = ((Level.RACK, policy.nearness_patience_s), (Level.POD, policy.pod_patience_s))
    return frozenset(level for level, limit_s in limits if limit_s > 0)


def insists_of(waiting: Waiting, now_ns: int, policy: Policy) -> Insists:
    """On what a job still insists, after having waited so long."""
    if not may_insist(waiting.demand):
        return ON_NOTHING
    return frozenset(
        level for level in insists_at_first(policy) if now_ns < ends_at_ns(waiting, level, policy)
    )


def ends_at_ns(waiting: Waiting, level: Level, policy: Policy) -> int:
    """When a gang no longer insists on a level. Whoever has waited so long that nothing may pass it
    takes what there is: else it would give away what was kept for it."""
    limit_s = policy.pod_patience_s if level is Level.POD else policy.nearness_patience_s
    patience_s = min(limit_s, policy.patience_s, NODE_SECONDS_MAX / waiting.demand.nodes)
    return waiting.submitted_at_ns + round(patience_s * NS_PER_S)


def may_insist(demand: Demand) -> bool:
    """Whether it is a gang that leaves its topology to the scheduler. One that takes as many nodes
    as are free starts at once, and of roles each lies beside the first."""
    is_fixed = demand.nodes > 1 and demand.nodes_max is None
    return is_fixed and not demand.beside and demand.topology == Wish()


def too_far_of(lies: Reach, at_best: Reach, insists: Insists) -> TooFar | None:
    """Whether a gang should rather wait than lie so, and why. Of two that lie in as many units the
    one in fewer racks lies nearer."""
    if Level.POD in insists and lies.pods > at_best.pods:
        return TooFar(lies, at_best, Level.POD)
    if Level.RACK in insists and lies.units > at_best.units:
        return TooFar(lies, at_best, Level.UNIT)
    is_scattered = lies.units == at_best.units and lies.racks > at_best.racks
    return TooFar(lies, at_best, Level.RACK) if Level.RACK in insists and is_scattered else None


def reach_of(fleet: Fleet, rows: Sequence[int]) -> Reach:
    """See `Reach`."""
    at = np.asarray(rows)
    found = []
    for level in (Level.POD, Level.UNIT, Level.RACK):
        numbers = fleet.domains[level][at]
        is_known = level in fleet.all_named or (numbers != NOT_THERE).all()
        found.append(len(set(numbers.tolist())) if is_known else 0)
    return Reach(*found)


def best_reach(free: Free, site: str, demand: Demand) -> Reach:
    """How near the gang would lie if nothing ran on the nodes that are open."""
    part = free.fleet.sites[site]
    usable = _is_able(free.fleet, site, demand.resources) & free.is_open[part]
    return _best_reach(free.fleet, site, demand.nodes, np.packbits(usable).tobytes())


# Of few fleets, as each is kept with what it is asked about.
@lru_cache(maxsize=16)
def _is_able(fleet: Fleet, site: str, resources: Resources) -> NDArray[np.bool_]:
    """Of each node of a site, whether a replica could run there if nothing else did. It is asked
    again for every gang, and nodes seldom change."""
    part = fleet.sites[site]
    found = np.zeros(part.stop - part.start, bool)
    found[able_rows(fleet, resources, np.arange(part.start, part.stop)) - part.start] = True
    return found


@lru_cache(maxsize=64)
def _best_reach(fleet: Fleet, site: str, nodes: int, usable: bytes) -> Reach:
    """See `best_reach`; `usable` has a bit for each node of the site."""
    part = fleet.sites[site]
    bits = np.unpackbits(np.frombuffer(usable, np.uint8), count=part.stop - part.start)
    costs = np.full(len(fleet.nodes), np.inf)
    costs[part][bits.astype(bool)] = 0.0
    chosen = choose_nodes(fleet, site, costs, Demand(nodes))
    assert chosen is not None, "it has room now, so it would have on an empty site"
    return reach_of(fleet, chosen.rows)


def not_near(waiting: Waiting, far: TooFar, until_ns: int, now_ns: int) -> Verdict:
    """The verdict of a gang that has room, but waits until then to lie nearer."""
    level = far.level.value
    place = {Level.POD: 0, Level.UNIT: 1, Level.RACK: 2}[far.level]
    now, best = far.lies[place], far.at_best[place]
    left_s = (until_ns - now_ns) / NS_PER_S
    return Verdict(
        waiting.job_id,
        Blocker.TOPOLOGY,
        f"{waiting.demand} have room now, but over {now} {level}s, and {best} would do: it waits "
        f"for that for another {format_span(left_s)} at most, and lets others pass",
        hint="with `topology: {prefer: rack}` it would start now",
        numbers={f"{level}s_now": now, f"{level}s_at_best": best, "wait_s": math.ceil(left_s)},
        change=(("topology.prefer", "rack"),),
    )
