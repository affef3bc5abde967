"""Say which of somebody's waiting jobs goes first. Nobody else's job is moved by it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.control.needs import everything
from quarterdeck.control.plan import visible_of
from quarterdeck.control.steps import get_job, known, take_events
from quarterdeck.core.scheduling import own_order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.needs import Sees
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.events import Reordered
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.core.scheduling.snapshot import Snapshot
    from quarterdeck.ports.store import Transaction


@dataclass(frozen=True, slots=True)
class Moved:
    """A job with its place in the queue before and after, from 1, as the asker sees it; None for
    one that has left the queue meanwhile."""

    job: Job
    before: int | None
    after: int | None


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """The jobs, first one first, and how many the asker sees in the queue."""

    moved: tuple[Moved, ...]
    queue_length: int


def reorder(
    plane: ControlPlane,
    job_ids: Sequence[JobId],
    actor: str,
    sees: Sees = everything,
    *,
    is_reset: bool = False,
    is_dry: bool = False,
) -> OwnOrder:
    """Let these jobs come in this order on the places that they hold in the queue: all of it or
    nothing. With `is_reset` they come as they would have without any order of their own. A dry run
    only says what would be.

    Raises `NotFound`, `Invalid` for jobs that are not of one person, team and priority, and
    `Conflict` naming one that does not wait for its turn any more.
    """
    now_ns, policy = plane.clock.now_ns(), plane.policy
    plane.board.catch_up()
    snapshot = plane.board.snapshot(now_ns, plane.people())

    def decide(jobs: Sequence[Job]) -> dict[JobId, Reordered]:
        return own_order.reorder(jobs, snapshot, policy, actor, is_reset=is_reset)

    def work(tx: Transaction) -> tuple[list[Job], dict[JobId, Reordered]]:
        jobs = [known(tx.find_job(job_id), job_id) for job_id in job_ids]
        events = decide(jobs)
        after = [
            take_events(tx, job, [events[job.id]]) if job.id in events else job for job in jobs
        ]
        return after, events

    if is_dry:
        jobs = [get_job(plane, job_id) for job_id in job_ids]
        events = decide(jobs)
    else:
        jobs, events = plane.store.transact(work)
        plane.changed.ring()
    before = visible_of(plane, snapshot, sees)
    after = visible_of(plane, _with_places(snapshot, events), sees)
    was, now = _positions(before), _positions(after)
    moved = [Moved(job, was.get(job.id), now.get(job.id)) for job in jobs]
    return OwnOrder(tuple(sorted(moved, key=lambda one: one.after or 0)), len(after))


def _with_places(snapshot: Snapshot, events: Mapping[JobId, Reordered]) -> Snapshot:
    """The snapshot as it is after the events."""
    waiting = tuple(
        replace(one, queue_place=events[one.job_id].place) if one.job_id in events else one
        for one in snapshot.waiting
    )
    return replace(snapshot, waiting=waiting)


def _positions(queue: Sequence[JobId]) -> dict[JobId, int]:
    return {job_id: place for place, job_id in enumerate(queue, start=1)}
