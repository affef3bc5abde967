"""Why a job is where it is, with the numbers, and what would help."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quarterdeck.control.disk import find_shortage, verdict_on
from quarterdeck.control.plan import Outlook, outlook_of
from quarterdeck.control.steps import get_job
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.make_plan import make_plan

if TYPE_CHECKING:
    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.job import Job


@dataclass(frozen=True, slots=True)
class Explanation:
    """A job, one sentence on why it is in its state, and its outlook while it is queued."""

    job: Job
    summary: str
    outlook: Outlook | None
    queue_length: int


def explain(plane: ControlPlane, job_id: JobId) -> Explanation:
    """Explain the job by the plan that the scheduler would make now. Raises `NotFound`."""
    plane.board.catch_up()
    snapshot = plane.board.snapshot(plane.clock.now_ns())
    queue_length = len(snapshot.waiting)
    if any(waiting.job_id == job_id for waiting in snapshot.waiting):
        outlook = outlook_of(job_id, snapshot, make_plan(snapshot, plane.policy))
        shortage = find_shortage(plane)
        if shortage is not None:
            outlook = replace(outlook, placement=None, verdict=verdict_on(job_id, shortage))
        job = get_job(plane, job_id)
        return Explanation(job, _summary_of_queued(outlook), outlook, queue_length)
    job = get_job(plane, job_id)
    return Explanation(job, _summary(job), None, queue_length)


def _summary_of_queued(outlook: Outlook) -> str:
    if outlook.verdict is not None:
        return outlook.verdict.message
    assert outlook.placement is not None
    nodes = ", ".join(grant.node for grant in outlook.placement.grants)
    return f"it fits and starts at the next look, on {nodes}"


def _summary(job: Job) -> str:
    attempt = job.attempt
    if job.state.is_final or attempt is None:
        because = f": {job.message}" if job.message else ""
        reason = f" ({job.reason.value})" if job.reason else ""
        return f"it has {_ENDED[job.state]}{reason}{because}"
    nodes = ", ".join(replica.grant.node for replica in attempt.replicas)
    if job.state is JobState.STARTING:
        standing = sum(replica.state != "pending" for replica in attempt.replicas)
        return (
            f"attempt {attempt.number} is starting on {nodes}: {standing} of "
            f"{len(attempt.replicas)} replicas stand"
        )
    if job.state is JobState.STOPPING and attempt.stop is not None:
        return (
            f"attempt {attempt.number} is being stopped on {nodes} "
            f"({attempt.stop.reason.value}); it has {attempt.stop.grace_s:g}s to end by itself"
        )
    return f"attempt {attempt.number} runs on {nodes}"


_ENDED = {
    JobState.QUEUED: "just left the queue",
    JobState.SUCCEEDED: "succeeded",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "been cancelled",
}
