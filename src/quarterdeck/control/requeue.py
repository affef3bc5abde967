"""Give a job another attempt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.control.snapshots import check_snapshot_kept
from quarterdeck.control.steps import change_job, get_job
from quarterdeck.core.jobs import decide

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.job import Job


def requeue(plane: ControlPlane, job_id: JobId, actor: str) -> Job:
    """Put a finished job back into the queue; a running attempt is stopped first.

    The job keeps its id, and its next attempt has the next number. Raises `NotFound`, and
    `Conflict` for a job that is queued or being stopped for another reason, or whose work folder
    is not kept any more.
    """
    check_snapshot_kept(plane, get_job(plane, job_id))
    now_ns = plane.clock.now_ns()
    return change_job(plane, job_id, lambda job: decide.requeue(job, actor, now_ns))
