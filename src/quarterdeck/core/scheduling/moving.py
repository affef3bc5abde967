"""Room for a job for which enough is free but scattered, made by moving others, in one plan.

A job moves by a stop like any other: warned, with its grace. Where it goes on is told to the device
and written to its log before the stop, and likewise what just the job gets that others make room
for. Until all of it is free nobody else has any of it; then they start with it, before all others.
What was lost, drained, booked or taken meanwhile is not waited for: who was to have it is in the
queue like all others.

Moving loses work, and so it is done only once it pays: when the GPU time that the job has waited is
as much as what the moves lose. However long it would have had to wait without, that is no more than
twice what would have been best (as one who rents until the rent has come to the price of buying;
Karlin et al., Algorithmica 1988). And only so many of what starts are moved (`moves_left`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.jobs.clearance import Clearance
from quarterdeck.core.ledger.usage import gpus_of
from quarterdeck.core.scheduling.borrowers import loss_gpu_s
from quarterdeck.core.scheduling.caps import within_caps
from quarterdeck.core.scheduling.gates import making_room
from quarterdeck.core.scheduling.kept import has_all
from quarterdeck.core.scheduling.moves import find_slice_moves, moves_left
from quarterdeck.core.scheduling.node_moves import find_node_moves
from quarterdeck.core.scheduling.placer import Placer
from quarterdeck.core.scheduling.plan import Because, Blocker, Eviction, Placement, Verdict
from quarterdeck.core.scheduling.regrouping import Allowed, has_room
from quarterdeck.core.scheduling.runs import stopping_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Demand, Grant
    from quarterdeck.core.scheduling.allowances import Tally
    from quarterdeck.core.scheduling.bookings import Bound
    from quarterdeck.core.scheduling.caps import Caps
    from quarterdeck.core.scheduling.free import Free
    from quarterdeck.core.scheduling.regrouping import Regrouping
    from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot, Waiting

    Rows = NDArray[np.bool_] | None
    Grants = list[tuple[str, Grant]]

SOON_NS: Final = NS_PER_S // 10
SEARCHES_MAX: Final = 8
"""So many demands that differ are looked at in one plan; each takes milliseconds."""


class Moved(NamedTuple):
    """For whom others move, what it is told, and what is free for others meanwhile."""

    waiting: Waiting
    verdict: Verdict
    placer: Placer


class Moving:
    """See the module."""

    def __init__(
        self, snapshot: Snapshot, policy: Policy, tally: Tally, bound: Bound, caps: Caps
    ) -> None:
        self._snapshot = snapshot
        self._policy = policy
        self._tally = tally
        self._bound = bound
        self._caps = caps
        self.placements: list[Placement] = []
        """What goes on or starts now with what was told to it."""
        self.verdicts: dict[JobId, Verdict] = {}
        """Of those for whom not all of that is free yet."""
        self.evictions: tuple[Eviction, ...] = ()
        self.clearances: dict[JobId, Clearance] = {}
        self.turns_ns: list[int] = []
        """When moves pay that do not yet, and when somebody has run for long enough to be moved."""

    def __contains__(self, job_id: object) -> bool:
        """Whether it has what was told to it, now or as soon as that is free."""
        return job_id in self.verdicts or any(one.job_id == job_id for one in self.placements)

    def hold(self, ordered: Iterable[Waiting], placer: Placer) -> Placer:
        """What is free without what is told to these, and to those that move there."""
        if self._policy.guarantees:
            return placer  # what teams are guaranteed goes before it
        stopping = stopping_of(self._snapshot.running)
        moving = [one for one in stopping if one.is_leaving and one.goes_to]
        told = [one for one in ordered if one.goes_to is not None]
        if not moving and not told:
            return placer
        going = placer.free.returned(self._leaving)
        later: Grants = []
        for waiting in told:
            assert waiting.goes_to is not None
            grants = [(waiting.goes_to.site, grant) for grant in waiting.goes_to.grants]
            if not has_all(going, grants) or not self._may_start(waiting, waiting.goes_to, going):
                continue
            going = going.granted(grants)
            self._note_started(waiting, waiting.goes_to)
            if has_all(placer.free, grants):
                placer = Placer(placer.free.granted(grants), placer.insists)
                self.placements.append(_placement(waiting, waiting.goes_to))
            else:
                later += grants
                self.verdicts[waiting.job_id] = self._told(waiting, waiting.goes_to, moving)
        for one in moving:
            grants = [(one.site, grant) for grant in one.goes_to]
            if has_all(going, grants):
                going = going.granted(grants)
                later += grants
        if not later:
            return placer
        then = placer.free.returned(self._leaving)
        return Placer(placer.free.shared_with(then, then.granted(later)), placer.insists)

    def make_room(
        self, left: Sequence[Waiting], placer: Placer, beside: Callable[[JobId, Rows], Rows]
    ) -> Moved | None:
        """Others move for the first of these, which lack room, for which that is possible, as soon
        as it pays; None if nobody moves now. `beside` says on which rows nobody else is to start
        than a job, so that nobody who moves is in the way there."""
        snapshot, policy = self._snapshot, self._policy
        most = moves_left(policy, snapshot.started_lately, snapshot.moved_lately)
        if not most or policy.may_evict:
            return None
        then = Placer(placer.free.returned(self._leaving), placer.insists)
        in_vain: set[tuple[Demand, str, str, int]] = set()
        for waiting in left:
            key = (waiting.demand, waiting.team, waiting.owner, waiting.priority)
            if key in in_vain or waiting.array is not None or waiting.demand.most_nodes > 1:
                continue
            if len(in_vain) == SEARCHES_MAX:
                break
            in_vain.add(key)
            if has_room(then, waiting, self._where(waiting)):
                continue  # as soon as those have ended that are stopping
            found = self._find(waiting, placer, most, beside)
            if found is None:
                continue
            lost_gpu_s = sum(loss_gpu_s(one.job, snapshot.now_ns) for one in found.moves)
            pays_ns = waiting.submitted_at_ns + _wait_ns(waiting, lost_gpu_s)
            if pays_ns <= snapshot.now_ns:
                return self._move(waiting, placer, found)
            # What has only just begun loses more by then, so it may be looked at a few times.
            self.turns_ns.append(max(pays_ns, snapshot.now_ns + SOON_NS))
            return None
        return None

    @property
    def _leaving(self) -> Grants:
        leaving = (one for one in stopping_of(self._snapshot.running) if one.is_leaving)
        return [(one.site, grant) for one in leaving for grant in one.leaves]

    def _where(self, waiting: Waiting) -> Allowed:
        return Allowed(
            self._tally.sites(waiting.team, waiting.owner),
            self._bound.bars(waiting),
            within_caps(None, self._caps.find(waiting)),
        )

    def _find(
        self,
        waiting: Waiting,
        placer: Placer,
        most: int,
        beside: Callable[[JobId, Rows], Rows],
    ) -> Regrouping | None:
        now_ns = self._snapshot.now_ns
        ready = waiting.ready(now_ns)
        if not ready:
            return None

        def where(one: Waiting) -> Allowed:
            allowed = self._where(one)
            return allowed._replace(within=beside(waiting.job_id, allowed.within))

        running = [one for one in self._snapshot.running if self._may_move(one, waiting)]
        wanting = (waiting, ready[0])
        return find_node_moves(placer, running, wanting, most, where, now_ns) or find_slice_moves(
            placer, running, wanting, most, where
        )

    def _may_move(self, one: Running, waiting: Waiting) -> bool:
        """Whether it keeps its work when it is moved, has run for as long as it must, and is not
        more urgent; a team whose budget is used up could not go on with it."""
        may = one.is_preemptible and one.keeps_checkpoints and not one.is_leaving
        if not may or one.task is not None or one.priority > waiting.priority:
            return False
        least_s = max(self._policy.min_runtime_s, one.min_runtime_s)
        old_ns = one.started_at_ns + round(least_s * NS_PER_S)
        if old_ns > self._snapshot.now_ns:
            self.turns_ns.append(old_ns)
            return False
        narrowest = self._tally.narrowest(one.team, one.owner, one.demand)
        return narrowest is None or narrowest[0] > 0 or narrowest[2].spent is None

    def _move(self, waiting: Waiting, placer: Placer, found: Regrouping) -> Moved:
        place, jobs = found.placement, [one.job for one in found.moves]
        given = Clearance(place.site, _nodes(place.grants), grants=place.grants)
        self.clearances[waiting.job_id] = given
        self.evictions = tuple(
            Eviction(
                one.job.job_id,
                waiting.job_id,
                because=Because.MOVE,
                goes_to=one.after.grants,
            )
            for one in found.moves
        )
        held = [
            (one.site, grant)
            for one in (place, *(move.after for move in found.moves))
            for grant in one.grants
        ]
        then = placer.free.returned([(one.site, grant) for one in jobs for grant in one.grants])
        meanwhile = placer.free.shared_with(then, then.granted(held))
        verdict = _moving_for(waiting, jobs, self._snapshot.now_ns)
        return Moved(waiting, verdict, Placer(meanwhile, placer.insists))

    def _may_start(self, waiting: Waiting, told: Clearance, free: Free) -> bool:
        """Whether nothing but what is not free yet keeps it from starting there."""
        if not waiting.ready(self._snapshot.now_ns):
            return False
        narrowest = self._tally.narrowest(waiting.team, waiting.owner, waiting.demand)
        if narrowest is not None and narrowest[0] <= 0:
            return False
        allowed, rows = self._where(waiting), free.fleet.rows
        if allowed.sites is not None and told.site not in allowed.sites:
            return False
        lies = [rows[told.site, grant.node] for grant in told.grants]
        return all(
            (allowed.bars is None or not allowed.bars.rows[row])
            and (allowed.within is None or bool(allowed.within[row]))
            for row in lies
        )

    def _note_started(self, waiting: Waiting, told: Clearance) -> None:
        self._tally.start(waiting.team, waiting.owner, 1)
        capped = self._caps.find(waiting)
        if capped is not None:
            capped.take(told.site, _nodes(told.grants), gpus_of(told.grants))

    def _told(self, waiting: Waiting, told: Clearance, moving: Iterable[Running]) -> Verdict:
        """What it hears meanwhile: who still moves out of its way."""
        mine = {*told.nodes}
        jobs = [
            one
            for one in moving
            if one.site == told.site and any(grant.node in mine for grant in one.grants)
        ]
        if told.is_moved or not jobs:
            return making_room(waiting, ())
        return _moving_for(waiting, jobs, self._snapshot.now_ns)


def _wait_ns(waiting: Waiting, lost_gpu_s: float) -> int:
    """How long it must have waited, so that moves pay by which so much is lost."""
    return round(lost_gpu_s / max(0.01, waiting.demand.gpus) * NS_PER_S)


def _moving_for(waiting: Waiting, jobs: Sequence[Running], now_ns: int) -> Verdict:
    count, lost_gpu_s = len(jobs), sum(loss_gpu_s(one, now_ns) for one in jobs)
    who = f"{count} jobs move" if count > 1 else "a job moves"
    return Verdict(
        waiting.job_id,
        Blocker.MAKING_ROOM,
        f"{who} for it: {lost_gpu_s / 60:.1f} GPU minutes of work are lost",
        hint="it starts as soon as they have stopped; they go on elsewhere",
        numbers={"jobs_moved": count, "gpu_seconds_lost": round(lost_gpu_s)},
        held_by=tuple(one.job_id for one in jobs),
    )


def _placement(waiting: Waiting, told: Clearance) -> Placement:
    said = "others moved out of its way"
    if told.is_moved:
        said = "it moved here so that a job fits for which it was in the way"
    return Placement(waiting.job_id, told.site, told.grants, grounds=(said,))


def _nodes(grants: Iterable[Grant]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(grant.node for grant in grants))
