"""Room for a job that waits, made by stopping others: as few and as cheap ones as will do.

Nothing is stopped unless the job that it is for was placed on what comes free, on the same arrays.
Who may be stopped is handed in, the least deserving first. Of these the first so many that there is
room at all are found by halving; then each that is not in the way is let off.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.scheduling.order import class_of, is_late, may_oust, next_class_ns
from quarterdeck.core.scheduling.placer import Placer
from quarterdeck.core.scheduling.plan import Because, Eviction
from quarterdeck.core.scheduling.pools import CellOwners
from quarterdeck.core.scheduling.runs import stopping_of
from quarterdeck.core.scheduling.snapshot import Running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Demand
    from quarterdeck.core.jobs.clearance import Clearance
    from quarterdeck.core.scheduling.nearness import Insists
    from quarterdeck.core.scheduling.placer import Sites
    from quarterdeck.core.scheduling.plan import Placement
    from quarterdeck.core.scheduling.reclaim import Reclaimed
    from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting


class Cleared(NamedTuple):
    """What others may take meanwhile, as it is free and not waited for, and who must go."""

    placer: Placer
    victims: tuple[Running, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """Who must go for whom, and on which rows that lies then, if not on any."""

    waiting: Waiting
    sites: Sites
    insists: Insists
    victims: tuple[Running, ...]
    within: NDArray[np.bool_] | None = None
    clearance: Clearance | None = None


class Clearing:
    """What one plan stops so far."""

    def __init__(self, snapshot: Snapshot, policy: Policy) -> None:
        self._cases: list[_Case] = []
        self._snapshot = snapshot
        self._policy = policy
        self._running: list[Running] = []
        if policy.orders_evictions:
            self._running = [one for one in snapshot.running if not one.is_leaving]
        self._started: list[Running] = []
        self._in_vain: set[tuple[Demand, Sites, Insists, int, int, int]] = set()

    @cached_property
    def _owners(self) -> CellOwners:
        return CellOwners(self._policy.pools)

    @cached_property
    def _leaving(self) -> list[Running]:
        return [one for one in stopping_of(self._snapshot.running) if one.is_leaving]

    @property
    def evictions(self) -> tuple[Eviction, ...]:
        """Who must go, in the order in which it was found, each once: who gives up some of its
        nodes may have to give up more of them for another job."""
        found: dict[tuple[JobId, int | None], Eviction] = {}
        for case in self._cases:
            for one in case.victims:
                known = found.get((one.job_id, one.task)) or Eviction(
                    one.job_id, case.waiting.job_id, one.task, self._because(one, case)
                )
                found[one.job_id, one.task] = replace(known, keeps=one.keeps)
        return tuple(found.values())

    def make_room(
        self, placer: Placer, waiting: Waiting, sites: Sites, insists: Insists
    ) -> Cleared | None:
        """Room for one more of what waits; None if nobody may be stopped for it (for who is beyond
        a soft limit nobody is), or it would not help. What is free and who may be stopped only
        become fewer within a plan, so what did not help once is not tried again."""
        if not self._policy.orders_evictions or is_late(self._snapshot, waiting):
            return None
        if not (self._running or self._leaving):
            return None
        served = class_of(waiting.served_gpu_s)
        barred = id(placer.free.barred)
        key = (waiting.demand, sites, insists, waiting.priority, served, barred)
        if key in self._in_vain:
            return None
        going = _without(placer, self._leaving)
        chosen: list[Running] = []
        if not self._leaving or not going.could_place(waiting.demand, sites, insists):

            def fits(gone: Sequence[Running]) -> bool:
                return _without(going, gone).could_place(waiting.demand, sites, insists)

            chosen = choose_victims(self._victims_for(waiting), fits)
            if not chosen:
                self._in_vain.add(key)
                return None
        later, cleared = _without(going, chosen), _without(going, chosen)
        placed = cleared.place(waiting.job_id, waiting.demand, sites, insists=insists)
        assert placed is not None, (waiting, chosen)
        meanwhile = placer.free.shared_with(later.free, cleared.free)
        self._cases.append(_Case(waiting, sites, insists, tuple(chosen)))
        gone = set(map(id, chosen))
        self._running = [one for one in self._running if id(one) not in gone]
        return Cleared(Placer(meanwhile, placer.insists), tuple(chosen))

    def note_reclaimed(
        self, waiting: Waiting, sites: Sites, insists: Insists, found: Reclaimed
    ) -> None:
        """These go for a job that is owed what they borrowed."""
        case = _Case(waiting, sites, insists, found.victims, found.within, found.clearance)
        self._cases.append(case)

    @property
    def clearances(self) -> dict[JobId, Clearance]:
        """Where room is made now for those who are guaranteed it."""
        found: dict[JobId, Clearance] = {}
        for case in self._cases:
            job_id, given = case.waiting.job_id, case.clearance
            if given is not None and case.victims:
                known = found.get(job_id)
                found[job_id] = given if known is None else known.joined(given)
        return found

    @property
    def is_empty(self) -> bool:
        """Whether room is made for nobody."""
        return not self._cases

    def settle(self, before: Placer, placements: Iterable[Placement]) -> list[Waiting]:
        """Look whether the next plan will start all for whom others must go, in their order, after
        what this plan starts: each may take another place then than was found for it. Who comes
        last is let wait until it holds; says who was. `before` is what was free at first."""
        grants = [(one.site, grant) for one in placements for grant in one.grants]
        start = Placer(before.free.granted(grants), before.insists) if self._cases else before
        let_wait = []
        while self._cases and not self._holds(start):
            case = self._cases.pop()
            self._running += case.victims
            let_wait.append(case.waiting)
        return let_wait

    def _holds(self, start: Placer) -> bool:
        victims = [one for case in self._cases for one in case.victims]
        placer = _without(start, [*self._leaving, *victims])
        return all(
            placer.place(
                case.waiting.job_id, case.waiting.demand, case.sites, insists=case.insists,
                within=case.within,
            )
            for case in self._cases
        )  # fmt: skip

    def _because(self, victim: Running, case: _Case) -> Because:
        if self._policy.orders_evictions:
            return Because.ORDER
        is_own = self._pool_of(victim) == self._pool_of(case.waiting)
        return Because.PRIORITY if is_own else Because.GUARANTEE

    def _pool_of(self, one: Waiting | Running) -> str:
        return self._owners.pool_of(one.team, one.owner)

    def note_started(self, waiting: Waiting, count: int) -> None:
        """So many attempts of it start by this plan: later ones may have to make room."""
        if self._policy.orders_evictions:
            now_ns = self._snapshot.now_ns
            started = Running(
                waiting.job_id, "", waiting.demand, (), waiting.priority, waiting.submitted_at_ns,
                now_ns, waiting.served_gpu_s,
            )  # fmt: skip
            self._started += [started] * count

    def turns_ns(self) -> list[int]:
        """When one of those that run, or start now, comes into its next class or has run for the
        least time."""
        now_ns = self._snapshot.now_ns
        least_ns = round(self._policy.min_runtime_s * NS_PER_S)
        running = [one for one in (*self._running, *self._started) if one.is_preemptible]
        turns = [next_class_ns(one, now_ns) for one in running]
        old = [one.started_at_ns + least_ns for one in running]
        return [at_ns for at_ns in (*turns, *old) if at_ns is not None and at_ns > now_ns]

    def _victims_for(self, waiting: Waiting) -> list[Running]:
        """Who may have to make room for it, in the order in which they go: those that had most GPU
        time, and of them those that started last, as they have least to lose."""
        now_ns, least_s = self._snapshot.now_ns, self._policy.min_runtime_s
        found = [
            one
            for one in self._running
            if one.is_preemptible
            and may_oust(waiting, one)
            and (now_ns - one.started_at_ns) / NS_PER_S >= least_s
        ]
        found.sort(key=_last_first)
        return found


def _last_first(one: Running) -> tuple[int, int, int, str, int]:
    return (
        one.priority,
        -class_of(one.served_gpu_s),
        -one.started_at_ns,
        one.job_id,
        one.task or 0,
    )


def choose_victims(
    victims: Sequence[Running], fits: Callable[[Sequence[Running]], bool]
) -> list[Running]:
    """As few of these as need to go, from the first on; none if not even all would do.
    `fits` says whether it does when these have gone."""
    if not victims or not fits(victims):
        return []
    low, high = 0, len(victims)
    while high - low > 1:
        middle = (low + high) // 2
        if fits(victims[:middle]):
            high = middle
        else:
            low = middle
    chosen = list(victims[:high])
    for victim in list(reversed(chosen)):
        fewer = [one for one in chosen if one is not victim]
        if fewer and fits(fewer):
            chosen = fewer
    return chosen


def _without(placer: Placer, gone: Sequence[Running]) -> Placer:
    grants = [(one.site, grant) for one in gone for grant in one.leaves]
    return Placer(placer.free.returned(grants), placer.insists)
