"""Look at the board, plan, and commit the plan if the world has not moved meanwhile."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Stale
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.disk import find_shortage
from quarterdeck.control.needs import settle_needs
from quarterdeck.control.steps import take_events
from quarterdeck.core.jobs import decide
from quarterdeck.core.jobs.tasks import Wait
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.order import order_lasts_s
from quarterdeck.ports.cycles import Outcome

if TYPE_CHECKING:
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.governance.people import People
    from quarterdeck.core.scheduling.plan import Plan
    from quarterdeck.core.scheduling.snapshot import Policy
    from quarterdeck.ports.store import Transaction


class Scheduler:
    """Turns of the scheduler over one control plane. One thread at a time."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._planned_at: tuple[int, int, Policy] | None = None
        self._retry: Wait | None = None

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
        if settle_needs(plane):
            plane.board.catch_up()
        policy, revision = plane.policy, 0 if plane.roster is None else plane.roster.revision
        stirs = (plane.board.stirs, revision, policy)
        now_ns = plane.clock.now_ns()
        is_due = self._retry is not None and self._retry.is_over(now_ns)
        if (stirs == self._planned_at and not is_due) or plane.board.count_queued() == 0:
            return 0
        if find_shortage(plane) is not None:
            return 0  # and `_planned_at` stays, so that the queue goes on by itself
        people = plane.people()
        made = make_plan(plane.board.snapshot(now_ns, people), policy)
        placed = self._keep(made, now_ns, (policy, people))
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

    def _keep(self, made: Plan, now_ns: int, given: tuple[Policy, People | None]) -> int:
        """Commit the plan, and note it with what it was made under and what became of it."""
        plane, placed, outcome = self._plane, 0, Outcome.UNSURE
        try:
            if made.placements:
                placed = plane.store.transact(lambda tx: _commit(tx, made, now_ns))
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

    def due_in_s(self) -> float | None:
        """How long what no commit tells still waits: the next retry, and cycles that are to be
        handed over; None for none.

        A retry whose wait is over counts as none: if the last turn left it, it cannot be placed
        now.
        """
        now_ns, cycles = self._plane.clock.now_ns(), self._plane.cycles
        left_ns = 0 if self._retry is None else self._retry.left_ns(now_ns)
        retry_s = left_ns / NS_PER_S if left_ns else None
        record_s = None if cycles is None else cycles.due_in_s(now_ns)
        return min((one for one in (retry_s, record_s) if one is not None), default=None)


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
        )
        take_events(tx, job, [placing])
        placed += 1
    return placed
