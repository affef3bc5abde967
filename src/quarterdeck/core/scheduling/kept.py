"""What jobs go on with that gave up some of their nodes for others, in one plan.

Such a job was stopped, and its next attempt gets just what it kept, before all others, as soon as
nothing of the last one lives. Until then `Running.keeps` says that it does not come free. Nodes
that were lost, drained or booked meanwhile it has to do without; where too few are left for it, or
it may not start, it is in the queue like all others. Who is owed nodes may take more of what is
kept (`reclaim`), as if the job ran already.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.core.ledger.usage import gpus_of
from quarterdeck.core.scheduling.placer import Placer
from quarterdeck.core.scheduling.plan import Placement
from quarterdeck.core.scheduling.runs import runs_of, stopping_of, with_parts
from quarterdeck.core.scheduling.snapshot import Running

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.scheduling.allowances import Tally
    from quarterdeck.core.scheduling.bookings import Bound
    from quarterdeck.core.scheduling.caps import Caps
    from quarterdeck.core.scheduling.free import Free
    from quarterdeck.core.scheduling.reclaim import Reclaimed
    from quarterdeck.core.scheduling.snapshot import Kept, Snapshot, Waiting

    Grants = list[tuple[str, Grant]]


class Keeping:
    """See the module."""

    def __init__(self, now_ns: int, tally: Tally, bound: Bound, caps: Caps) -> None:
        self._now_ns = now_ns
        self._tally = tally
        self._bound = bound
        self._caps = caps
        self._waiting: dict[JobId, tuple[Waiting, Kept]] = {}
        self._rest: dict[JobId, Running] = {}
        """What each goes on with, as if it ran already."""

    def __contains__(self, job_id: JobId) -> bool:
        """Whether it goes on in this plan."""
        return job_id in self._rest

    def hold(self, ordered: Iterable[Waiting], placer: Placer) -> Placer:
        """What is free without what is kept for these."""
        for waiting in ordered:
            if waiting.kept is None or not waiting.ready(self._now_ns):
                continue
            rest = self._find(waiting, waiting.kept, placer.free)
            if rest is not None:
                self._waiting[waiting.job_id] = (waiting, waiting.kept)
                self._rest[waiting.job_id] = rest
                self._tally.start(waiting.team, waiting.owner, 1)
                self._count(waiting, rest.site, rest.grants, 1)
                placer = Placer(placer.free.granted(_held(rest)), placer.insists)
        return placer

    @property
    def held(self) -> Grants:
        """All that is kept."""
        return [pair for rest in self._rest.values() for pair in _held(rest)]

    def joined(self, snapshot: Snapshot) -> Snapshot:
        """The snapshot as if they ran already; of those that stop to go on with what they keep only
        what they leave is leaving."""
        if not self._rest and not any(one.keeps for one in stopping_of(snapshot.running)):
            return snapshot
        running = with_parts(runs_of(snapshot.running), self._rest.values())
        waiting = tuple(one for one in snapshot.waiting if one.job_id not in self._rest)
        return replace(snapshot, waiting=waiting, running=running)

    def give(self, found: Reclaimed, placer: Placer) -> tuple[Reclaimed, Placement | None]:
        """Who really runs and must go, and what others may take meanwhile; or where the job that it
        is for starts now, since it takes only what was kept. `placer` is what was free before."""
        freed: Grants = []
        victims = tuple(one for one in found.victims if one.job_id not in self._rest)
        for one in found.victims:
            if one.job_id in self._rest:
                freed += [(one.site, grant) for grant in one.leaves]
                self._count(self._waiting[one.job_id][0], one.site, one.leaves, -1)
                if one.keeps:
                    self._rest[one.job_id] = one.rest
                else:
                    self._drop(one.job_id)
        if not freed:
            return found, None
        proof = found.proof
        now, given = placer.free.returned(freed), [(proof.site, grant) for grant in proof.grants]
        if not victims and has_all(now, given):
            return replace(found, placer=Placer(now.granted(given), placer.insists)), proof
        taken = {(proof.site, grant.node) for grant in proof.grants}
        others = [(site, grant) for site, grant in freed if (site, grant.node) not in taken]
        meanwhile = Placer(found.placer.free.returned(others), placer.insists)
        return replace(found, victims=victims, placer=meanwhile), None

    def placements(self) -> list[Placement]:
        """Where they go on, once who is owed something has it."""
        placements = []
        for job_id, rest in self._rest.items():
            count, before = len(_nodes_of(rest)), self._waiting[job_id][1].nodes_before
            said = f"it gave up nodes for others, and goes on with {count} of {before}"
            placements.append(Placement(job_id, rest.site, rest.grants, grounds=(said,)))
        return placements

    def _count(self, waiting: Waiting, site: str, grants: Sequence[Grant], sign: int) -> None:
        """It holds these, or not any more, as far as caps are concerned."""
        capped = self._caps.find(waiting)
        if capped is not None:
            capped.take(site, [one.node for one in grants], sign * gpus_of(grants))

    def _drop(self, job_id: JobId) -> None:
        del self._rest[job_id]
        waiting, _ = self._waiting[job_id]
        self._tally.start(waiting.team, waiting.owner, -1)

    def _find(self, waiting: Waiting, kept: Kept, free: Free) -> Running | None:
        """What it may go on with of what it kept; None if that is too little."""
        narrowest = self._tally.narrowest(waiting.team, waiting.owner, waiting.demand)
        sites = self._tally.sites(waiting.team, waiting.owner)
        if narrowest is not None and narrowest[0] <= 0:
            return None
        if sites is not None and kept.site not in sites:
            return None
        rest = Running(
            waiting.job_id, kept.site, waiting.demand, kept.grants, waiting.priority,
            waiting.submitted_at_ns, 0, waiting.served_gpu_s, team=waiting.team,
            owner=waiting.owner, queue_place=waiting.queue_place, is_going_on=True,
        )  # fmt: skip
        bars, capped = self._bound.bars(waiting), self._caps.find(waiting)
        gone = set()
        for grant in kept.grants:
            row = free.fleet.rows.get((kept.site, grant.node))
            is_barred = row is None or (bars is not None and bool(bars.rows[row]))
            is_barred = is_barred or (capped is not None and not capped.rows[row])
            if row is None or is_barred or not free.has(row, grant):
                gone.add(grant.node)
        if capped is not None:
            # A cap that was lowered meanwhile leaves it fewer.
            most = capped.waiting.demand.most_nodes
            left = [name for name in rest.may_give if name not in gone]
            extra = len(kept.grants) - waiting.demand.nodes_beside - len(gone) - most
            gone |= {*left[len(left) - extra :]} if extra > 0 else set()
        if not gone:
            return rest
        less = rest.giving_up(gone)
        return less.rest if less.keeps else None


def has_all(free: Free, grants: Sequence[tuple[str, Grant]]) -> bool:
    """Whether just these are free, all at once."""
    for site, grant in grants:
        row = free.fleet.rows.get((site, grant.node))
        if row is None or not free.has(row, grant):
            return False
        free = free.granted([(site, grant)])
    return True


def _held(one: Running) -> Grants:
    return [(one.site, grant) for grant in one.grants]


def _nodes_of(one: Running) -> tuple[str, ...]:
    return tuple(dict.fromkeys(grant.node for grant in one.grants))
