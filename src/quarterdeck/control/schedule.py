"""Look at the board, plan, and commit the plan if the world has not moved meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Stale
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.calendar import keep_calendar
from quarterdeck.control.disk import find_shortage
from quarterdeck.control.needs import settle_needs
from quarterdeck.control.steps import take_events
from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.jobs import decide
from quarterdeck.core.jobs.tasks import Wait
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.order import order_lasts_s
from quarterdeck.core.scheduling.plan import Because
from quarterdeck.core.scheduling.queue import has_waiting
from quarterdeck.core.scheduling.standing import Keeper
from quarterdeck.ports.cycles import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.cycles import Given
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.core.cluster.demand import Resources
    from quarterdeck.core.jobs.events import JobEvent
    from quarterdeck.core.jobs.job import Attempt, Job
    from quarterdeck.core.scheduling.plan import Eviction, Plan
    from quarterdeck.core.scheduling.snapshot import Policy
    from quarterdeck.ports.store import Transaction


class Scheduler:
    """Turns of the scheduler over one control plane. One thread at a time."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._planned_at: tuple[int, int, int, Policy] | None = None
        self._retry: Wait | None = None
        self._keeper = Keeper()

    def turn(self) -> int:
        """Place what fits now; says how many jobs were placed.

        First it settles who waits for a job that has ended meanwhile. Does nothing when nothing
        has come, gone, ended or changed since the last plan, nor while the disk is full. Raises
        `Stale` when capacity was taken or a site changed between the look and the commit: then
        nothing was written, and the next turn looks again.
        """
        plane = self._plane
        if plane.cycles is not None:
            plane.cycles.hand_over(plane.clock.now_ns())
        plane.board.catch_up()
        if settle_needs(plane) | keep_calendar(plane):
            plane.board.catch_up()
        policy, revision = plane.policy, 0 if plane.roster is None else plane.roster.revision
        calendar = 0 if plane.agenda is None else plane.agenda.revision
        stirs = (plane.board.stirs, revision, calendar, policy)
        now_ns = plane.clock.now_ns()
        is_due = self._retry is not None and self._retry.is_over(now_ns)
        if (stirs == self._planned_at and not is_due) or plane.board.count_queued() == 0:
            return 0
        if find_shortage(plane) is not None:
            return 0  # and `_planned_at` stays, so that the queue goes on by itself
        people, times = plane.people(), plane.times(now_ns)
        snapshot = plane.board.booked_snapshot(now_ns, people, times)
        made = make_plan(snapshot, policy, keeper=self._keeper)
        placed = self._keep(made, now_ns, (policy, people, times, snapshot.promised))
        if made.promised != snapshot.promised:
            plane.board.promised = made.promised
        keep_calendar(plane)
        if plane.waits is not None:
            plane.waits.note(made, now_ns)
        if plane.promises is not None:
            plane.promises.note(made)
        self._planned_at = stirs
        ready_ns = [] if made.next_ready_ns is None else [made.next_ready_ns]
        lasts_s = order_lasts_s(policy)
        if lasts_s is not None and made.verdicts:
            ready_ns.append(now_ns + int(lasts_s * NS_PER_S))
        self._retry = Wait(now_ns, min(ready_ns)) if ready_ns else None
        return placed

    def _keep(self, made: Plan, now_ns: int, given: Given) -> int:
        """Commit the plan, and note it with what it was made under and what became of it."""
        plane, placed, outcome = self._plane, 0, Outcome.UNSURE
        try:
            if made.placements or made.evictions:
                placed = plane.store.transact(lambda tx: self._commit(tx, made, now_ns, given[2]))
                plane.changed.ring()
                plane.wished.ring()
            outcome = Outcome.KEPT
        except Stale:
            outcome = Outcome.STALE
            raise
        finally:
            if plane.cycles is not None:
                plane.cycles.note(made, now_ns, given, (outcome, placed))
        return placed

    def _commit(
        self, tx: Transaction, made: Plan, now_ns: int, times: tuple[Occurrence, ...]
    ) -> int:
        if self._plane.times(now_ns) != times:
            raise Stale("the calendar changed while the plan was made", hint="look again")
        return _commit(tx, made, now_ns)

    def due_in_s(self) -> float | None:
        """How long what no commit tells still waits: the next retry, a booking's begin or end, and
        cycles that are to be handed over; None for none.

        A retry whose wait is over counts as none: if the last turn left it, it cannot be placed
        now.
        """
        now_ns, cycles = self._plane.clock.now_ns(), self._plane.cycles
        left_ns = 0 if self._retry is None else self._retry.left_ns(now_ns)
        retry_s = left_ns / NS_PER_S if left_ns else None
        record_s = None if cycles is None else cycles.due_in_s(now_ns)
        agenda = self._plane.agenda
        booked_s = None if agenda is None else agenda.due_in_s(now_ns)
        due_s = (retry_s, record_s, booked_s)
        return min((one for one in due_s if one is not None), default=None)


def _commit(tx: Transaction, made: Plan, now_ns: int) -> int:
    """Write the plan. A job that was cancelled meanwhile just drops out: its room stays free."""
    if tx.has_capacity_news(made.as_of):
        raise Stale("capacity changed while the plan was made", hint="look again")
    placed = 0
    for placement in made.placements:
        job = tx.find_job(placement.job_id)
        if job is None or not job.wants(placement.task):
            continue
        placing = decide.place(job, placement.site, placement.grants, now_ns, placement.task)
        placing = replace(
            placing,
            grounds=placement.grounds,
            allreduce_gbytes_s=placement.allreduce_gbytes_s,
            is_owed=placement.is_owed,
        )
        take_events(tx, job, [placing])
        placed += 1
    _make_room(tx, made, now_ns)
    return placed


def _make_room(tx: Transaction, made: Plan, now_ns: int) -> None:
    """Stop who must go, and keep what they leave for whom they go. For who was cancelled meanwhile
    nobody is stopped."""
    waiting = {one.beneficiary: tx.find_job(one.beneficiary) for one in made.evictions}
    wanted = {job_id for job_id, job in waiting.items() if job is not None and has_waiting(job)}
    for job_id, clearance in made.clearances.items():
        job = waiting.get(job_id)
        if job is not None and job_id in wanted:
            take_events(tx, job, decide.clear_room(job, clearance, now_ns))
    for eviction in made.evictions:
        job = tx.find_job(eviction.job_id)
        if job is None or eviction.beneficiary not in wanted:
            continue
        for live in job.live_attempts:
            if live.task == eviction.task:
                take_events(tx, job, _stopped(job, live, eviction, waiting, now_ns))


def _stopped(
    job: Job,
    live: Attempt,
    eviction: Eviction,
    waiting: Mapping[JobId, Job | None],
    now_ns: int,
) -> list[JobEvent]:
    """What it is to stop it for one of these that wait."""
    if eviction.because is not Because.MOVE:
        return decide.preempt(job, live.number, _why(eviction, live), now_ns, eviction.keeps)
    beneficiary = waiting[eviction.beneficiary]
    assert beneficiary is not None
    why = _why_moved(eviction, beneficiary.spec.demand.resources)
    return decide.move(job, live.number, eviction.goes_to, why, now_ns)


def _why_moved(eviction: Eviction, wanted: Resources) -> str:
    """What the job is told that moves: what for, but not for whom."""
    kind = "a slice of a GPU"
    if wanted.gpu_unit is GpuUnit.WHOLE:
        kind = f"{wanted.gpus} GPUs of one node" if wanted.gpus > 1 else "a whole GPU"
    to = ", ".join(grant.node for grant in eviction.goes_to)
    return f"it moves to {to} so that a job fits that needs {kind}, and goes on there"


def _why(eviction: Eviction, live: Attempt) -> str:
    """What the job is told that makes room, or gives up some of its nodes."""
    if not eviction.keeps:
        return _WHY[eviction.because]
    had, left = len({one.grant.node for one in live.replicas}), len(eviction.keeps)
    gives = f"it gives up {had - left} of its {had} nodes"
    return f"{gives} {_FOR[eviction.because]}, and goes on with {left}"


_WHY: Final = {
    Because.ORDER: "it made room for a job that comes before it",
    Because.GUARANTEE: "it ran on what others are guaranteed, who need it now",
    Because.PRIORITY: "it made room for a job of its team that has a higher priority",
}
_FOR: Final = {
    Because.ORDER: "for a job that comes before it",
    Because.GUARANTEE: "to others who are guaranteed them and need them now",
    Because.PRIORITY: "for a job of its team that has a higher priority",
}
