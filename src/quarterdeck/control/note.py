"""Write something about a job, for whoever looks at it later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.control.steps import change_job
from quarterdeck.core.jobs import decide

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.job import Job


def note(plane: ControlPlane, job_id: JobId, actor: str, text: str) -> Job:
    """Add a note to a job in any state.

    Raises `NotFound`, and `Invalid` for no text or too much.
    """
    now_ns = plane.clock.now_ns()
    return change_job(plane, job_id, lambda job: decide.note(job, actor, text, now_ns))
