"""Give a job another attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.control.limits import check_queue_limits
from quarterdeck.control.snapshots import check_snapshot_kept
from quarterdeck.control.steps import get_job, known, take_events
from quarterdeck.core.jobs import decide

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.job import Job
    from quarterdeck.ports.store import Transaction


def requeue(plane: ControlPlane, job_id: JobId, actor: str) -> Job:
    """Put a finished job back into the queue; a running attempt is stopped first.

    The job keeps its id, and its next attempt has the next number. Raises `NotFound`, and
    `Conflict` for a job that is queued or being stopped for another reason, or whose work folder
    is not kept any more, and `NotAllowed` for what a limit does not let into the queue.
    """
    check_snapshot_kept(plane, get_job(plane, job_id))
    now_ns = plane.clock.now_ns()

    def work(tx: Transaction) -> Job:
        job = known(tx.find_job(job_id), job_id)
        after = take_events(tx, job, decide.requeue(job, actor, now_ns))
        if after.waiting > job.waiting:
            check_queue_limits(plane, tx, after)
        return after

    changed = plane.store.transact(work)
    plane.changed.ring()
    plane.wished.ring()
    return changed
