"""Snapshot in, plan out: the one function that schedules, plans and explains.

The order is priority, then first come. A job that does not fit now lets later ones pass, but only
until it has waited `policy.patience_s`: from then on nothing passes it, so what comes free collects
for it. A job whose needs could not be met by the nodes that are up, even if those were empty, does
not hold the queue: waiting behind it would help nobody.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.core.cluster.room import Room, could_ever_fit
from quarterdeck.core.scheduling.allowances import Tally
from quarterdeck.core.scheduling.plan import Blocker, Placement, Plan, Verdict
from quarterdeck.core.scheduling.verdicts import (
    at_limit,
    behind,
    explain_no_room,
    never_fits,
    not_ready,
    shut_out,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Demand, Grant
    from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting


class _Free:
    """The rooms as this plan uses them up. Rooms only shrink here, so a demand that failed once
    fails for the rest of the plan and is not tried again."""

    def __init__(self, rooms: Iterable[Room]) -> None:
        self._by_site: dict[str, dict[str, Room]] = {}
        for room in sorted(rooms, key=lambda room: (room.site, room.node.name)):
            self._by_site.setdefault(room.site, {})[room.node.name] = room
        self._failed: set[tuple[Demand, frozenset[str] | None]] = set()

    def rooms(self) -> list[Room]:
        return [room for site in self._by_site.values() for room in site.values()]

    def take(
        self, demand: Demand, sites: frozenset[str] | None
    ) -> tuple[str, tuple[Grant, ...]] | None:
        """The first of the sites that fits the whole gang gives it; otherwise nothing is taken."""
        if (demand, sites) in self._failed:
            return None
        for site, rooms in self._by_site.items():
            if demand.site not in (None, site) or (sites is not None and site not in sites):
                continue
            fitting = [room for room in rooms.values() if room.fits(demand.resources)]
            if len(fitting) < demand.nodes:
                continue
            chosen = sorted(fitting, key=_tightness)[: demand.nodes]
            chosen.sort(key=lambda room: room.node.name)
            grants = tuple(room.grant(demand.resources) for room in chosen)
            for room, grant in zip(chosen, grants, strict=True):
                rooms[room.node.name] = room.without(grant)
            return site, grants
        self._failed.add((demand, sites))
        return None


def make_plan(snapshot: Snapshot, policy: Policy) -> Plan:
    """Place what fits, in order, and say of every other job why not."""
    free = _Free(snapshot.rooms)
    placements: list[Placement] = []
    verdicts: dict[JobId, Verdict] = {}
    left: list[Waiting] = []
    next_ready: list[int] = []
    ahead: Waiting | None = None
    tally = Tally(snapshot.allowances)
    for waiting in sorted(snapshot.waiting, key=snapshot.order_of):
        ready = waiting.ready(snapshot.now_ns)
        narrowest = tally.narrowest(waiting.team, waiting.owner)
        if narrowest is not None and len(ready) > narrowest[0]:
            verdicts[waiting.job_id] = at_limit(waiting, narrowest)
            ready = ready[: max(0, narrowest[0])]
        if waiting.waits and (at_ns := waiting.next_ready_ns(snapshot.now_ns)) is not None:
            next_ready.append(at_ns)
        if ahead is not None and ready:
            verdicts[waiting.job_id] = behind(waiting, ahead)
            continue
        placed = _place(waiting, ready, free, tally.sites(waiting.team, waiting.owner))
        placements += placed
        tally.start(waiting.team, waiting.owner, len(placed))
        if len(placed) < len(ready):
            left.append(waiting)
            if _holds_the_queue(waiting, snapshot, policy, tally):
                ahead = waiting
        elif len(placed) < len(waiting.tasks) and waiting.job_id not in verdicts:
            verdicts[waiting.job_id] = not_ready(waiting, len(placed), snapshot.now_ns)
    verdicts |= _explain(left, free.rooms(), snapshot, tally)
    return Plan(snapshot.as_of, tuple(placements), verdicts, min(next_ready, default=None))


def _place(
    waiting: Waiting, ready: Iterable[int | None], free: _Free, sites: frozenset[str] | None
) -> list[Placement]:
    """As many of them as fit, in order."""
    placed = []
    for task in ready:
        taken = free.take(waiting.demand, sites)
        if taken is None:
            break
        placed.append(Placement(waiting.job_id, *taken, task))
    return placed


def _explain(
    left: Iterable[Waiting], rooms: list[Room], snapshot: Snapshot, tally: Tally
) -> dict[JobId, Verdict]:
    """One verdict per job, from what is free after the plan; jobs alike share the reckoning."""
    by_demand: dict[tuple[Demand, frozenset[str] | None], Verdict] = {}
    verdicts: dict[JobId, Verdict] = {}
    for waiting in left:
        sites = tally.sites(waiting.team, waiting.owner)
        verdict = by_demand.get((waiting.demand, sites))
        if verdict is None:
            allowed = [room for room in rooms if sites is None or room.site in sites]
            verdict = explain_no_room(waiting, allowed, snapshot.holders)
            is_never = verdict.blocked_by is Blocker.UNSATISFIABLE
            if sites is not None and is_never and never_fits(waiting.demand, rooms) is None:
                verdict = shut_out(waiting, sites)
            by_demand[waiting.demand, sites] = verdict
        verdicts[waiting.job_id] = replace(verdict, job_id=waiting.job_id)
    return verdicts


def _tightness(room: Room) -> tuple[int, int, str]:
    """Best fit: the node with least left goes first, so that whole nodes stay whole."""
    return (len(room.free_devices), room.free_cpus, room.node.name)


def _holds_the_queue(waiting: Waiting, snapshot: Snapshot, policy: Policy, tally: Tally) -> bool:
    waited_s = (snapshot.now_ns - waiting.submitted_at_ns) / NS_PER_S
    if waited_s < policy.patience_s:
        return False
    demand, allowed = waiting.demand, tally.sites(waiting.team, waiting.owner)
    up = [
        room
        for room in snapshot.rooms
        if demand.site in (None, room.site)
        and (allowed is None or room.site in allowed)
        and room.node.state is NodeState.READY
        and could_ever_fit(room.node, demand.resources)
    ]
    sites = {room.site for room in up}
    return any(sum(room.site == site for room in up) >= demand.nodes for site in sites)
