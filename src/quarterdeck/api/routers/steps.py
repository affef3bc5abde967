"""What people do to a job that is there: cancel, requeue, hold, release, write a note."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Depends
from starlette.responses import Response

from quarterdeck.api.routers.depends import Caller, Context, DryRun, JobIdText, Pretend, answer
from quarterdeck.api.translate import parse_job_id
from quarterdeck.api.views import job_view
from quarterdeck.control.cancel import cancel
from quarterdeck.control.hold import hold, release
from quarterdeck.control.note import note
from quarterdeck.control.requeue import requeue
from quarterdeck.control.steps import get_job
from quarterdeck.core.jobs import decide
from quarterdeck.wire.v1.jobs import CancelRequest, JobView, NoteRequest, RequeueRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.events import JobEvent
    from quarterdeck.core.jobs.job import Job

    Verb = Callable[[ControlPlane, JobId, str], Job]
    Decision = Callable[[Job, str, int], Sequence[JobEvent]]

router = APIRouter(prefix="/v1/jobs/{job_id}", tags=["jobs"])


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that somebody wants to do to a job."""

    job_id: str
    context: Context
    caller: Caller
    pretend: Pretend
    dry_run: bool

    def take(self, verb: Verb, decision: Decision) -> Response:
        """Do it, or in a dry run only check that it could be done now."""
        plane, known_id = self.context.plane, parse_job_id(self.job_id)
        if self.dry_run:
            job = get_job(plane, known_id)
            decision(job, self.caller.name, plane.clock.now_ns())
        else:
            job = verb(plane, known_id, self.caller.name)
        return answer(job_view(job, self.pretend))


async def _step_of(
    job_id: JobIdText, context: Context, caller: Caller, pretend: Pretend, dry_run: DryRun = False
) -> Step:
    return Step(job_id, context, caller, pretend, dry_run)


TheStep = Annotated[Step, Depends(_step_of)]


@router.post("/cancel", operation_id="cancel_job", summary="Cancel a job", response_model=JobView)
def cancel_job(
    step: TheStep,
    body: CancelRequest | None = None,  # noqa: ARG001 - its form is checked
) -> Response:
    """Take the job out of the queue, or stop what runs. Cancelling twice is cancelling once."""
    return step.take(cancel, decide.cancel)


@router.post(
    "/requeue",
    operation_id="requeue_job",
    summary="Give a job another attempt",
    response_model=JobView,
)
def requeue_job(
    step: TheStep,
    body: RequeueRequest | None = None,  # noqa: ARG001 - its form is checked
) -> Response:
    """Put a finished job back into the queue; a running attempt is stopped first. Of an array, the
    tasks that did not succeed."""
    return step.take(requeue, decide.requeue)


@router.post(
    "/hold", operation_id="hold_job", summary="Keep a job from starting", response_model=JobView
)
def hold_job(step: TheStep) -> Response:
    """Take the job out of the queue until it is released. Holding twice is holding once."""
    return step.take(hold, decide.hold)


@router.post(
    "/release",
    operation_id="release_job",
    summary="Let a held job into the queue",
    response_model=JobView,
)
def release_job(step: TheStep) -> Response:
    """Let a held job into the queue, at the place where it would have been."""
    return step.take(release, decide.release)


@router.post(
    "/notes", operation_id="note_job", summary="Write a note on a job", response_model=JobView
)
def note_job(step: TheStep, body: NoteRequest) -> Response:
    """Add a note, for whoever looks at the job later."""
    return step.take(
        lambda plane, job_id, actor: note(plane, job_id, actor, body.text),
        lambda job, actor, at_ns: decide.note(job, actor, body.text, at_ns),
    )
