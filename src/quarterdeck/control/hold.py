"""Take a job out of the queue without losing it, and let it in again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.control.steps import change_job
from quarterdeck.core.jobs import decide

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.job import Job


def hold(plane: ControlPlane, job_id: JobId, actor: str) -> Job:
    """Keep the job, or what waits of its array, from starting. Twice is once.

    Raises `NotFound`, and `Conflict` when nothing of it waits.
    """
    now_ns = plane.clock.now_ns()
    return change_job(plane, job_id, lambda job: decide.hold(job, actor, now_ns))


def release(plane: ControlPlane, job_id: JobId, actor: str) -> Job:
    """Let a held job into the queue, at the place where it would have been. Twice is once.

    Raises `NotFound`, and `Conflict` for a job that has ended.
    """
    now_ns = plane.clock.now_ns()
    return change_job(plane, job_id, lambda job: decide.release(job, actor, now_ns))
