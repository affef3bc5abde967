"""Stop a job for good."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Conflict
from quarterdeck.control.steps import change_job
from quarterdeck.core.jobs import decide

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.job import Job


def cancel(plane: ControlPlane, job_id: JobId, actor: str) -> Job:
    """Take the job out of the queue, or ask its attempt to stop; the site does that next.

    Raises `NotFound`, and `Conflict` for a job that has already ended otherwise.
    """
    now_ns = plane.clock.now_ns()
    return change_job(plane, job_id, lambda job: decide.cancel(job, actor, now_ns))


def cancel_all(plane: ControlPlane, actor: str) -> list[Job]:
    """Cancel every unfinished job, for a server that is to go down with them."""
    plane.board.catch_up()
    cancelled = []
    for job_id in plane.board.list_job_ids():
        with suppress(Conflict):  # it has ended meanwhile
            cancelled.append(cancel(plane, job_id, actor))
    return cancelled
