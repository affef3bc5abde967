"""What those that wait hear at the end of a plan."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.core.scheduling.gates import opened, shut_out
from quarterdeck.core.scheduling.plan import Blocker, Verdict
from quarterdeck.core.scheduling.reserved import explain_reserved
from quarterdeck.core.scheduling.verdicts import explain_no_room, never_fits

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Demand
    from quarterdeck.core.scheduling.allowances import Tally
    from quarterdeck.core.scheduling.bookings import Bound
    from quarterdeck.core.scheduling.placer import Placer, Sites
    from quarterdeck.core.scheduling.snapshot import Snapshot, Waiting


def explain_gated(
    gated: Iterable[tuple[Waiting, int]],
    verdicts: Mapping[JobId, Verdict],
    placer: Placer,
    tally: Tally,
    now_ns: int,
    bound: Bound,
) -> dict[JobId, Verdict]:
    """What would let those start that have room but are kept back, each with how much of it was
    placed; jobs alike share the reckoning."""
    has_room: dict[tuple[Demand, Sites, int], bool] = {}
    found = {}
    for waiting, placed in gated:
        free, verdict = opened(waiting, verdicts[waiting.job_id], tally)
        if not verdict.change or len(free.ready(now_ns)) <= placed:
            continue
        bars = bound.bars(waiting)
        sites = tally.sites(waiting.team, waiting.owner)
        key = (waiting.demand, sites, id(bars))
        if key not in has_room:
            placer.bar(bars)
            has_room[key] = placer.could_place(waiting.demand, sites)
        if has_room[key]:
            found[waiting.job_id] = verdict
    return found


def explain_left(
    left: Iterable[Waiting],
    begun: Container[JobId],
    placer: Placer,
    snapshot: Snapshot,
    tally: Tally,
    bound: Bound,
) -> dict[JobId, Verdict]:
    """One verdict per job, from what is free after the plan; jobs alike share the reckoning.

    Of those that have `begun` some tasks start now. What would help one more of them is a change of
    the whole array, with which fewer of the others might start: so it is not proposed.
    """
    by_demand: dict[tuple[Demand, Sites, int, float | None], Verdict] = {}
    verdicts: dict[JobId, Verdict] = {}
    for waiting in left:
        sites = tally.sites(waiting.team, waiting.owner)
        bars = bound.bars(waiting)
        key = (waiting.demand, sites, id(bars), None if bars is None else waiting.runs_s)
        verdict = by_demand.get(key)
        if verdict is None:
            placer.bar(bars)
            verdict = explain_no_room(
                waiting.demand, placer, sites, snapshot.holders, snapshot.now_ns
            )
            is_never = verdict.blocked_by is Blocker.UNSATISFIABLE
            if sites is not None and is_never and not _is_never(waiting.demand, placer):
                verdict = shut_out(waiting, sites)
            if bars is not None:
                verdict = explain_reserved(waiting, verdict, bars, placer, sites, bound)
            by_demand[key] = verdict
        if verdict.change and waiting.job_id in begun:
            verdict = replace(verdict, hint="", change=())
        verdicts[waiting.job_id] = replace(verdict, job_id=waiting.job_id)
    return verdicts


def _is_never(demand: Demand, placer: Placer) -> bool:
    return never_fits(demand, placer.free.capacity) is not None
