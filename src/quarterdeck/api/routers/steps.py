"""What people do to a job that is there: cancel, requeue, hold, release, write a note."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.routers.depends import DryRun, JobIdText, answer
from quarterdeck.control.cancel import cancel
from quarterdeck.control.hold import hold, release
from quarterdeck.control.note import note
from quarterdeck.control.requeue import requeue
from quarterdeck.core.governance.permissions import Noun
from quarterdeck.core.governance.permissions import Verb as PermissionVerb
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
    access: Access
    dry_run: bool

    def take(self, verb: Verb, decision: Decision) -> Response:
        """Do it, or in a dry run only check that it could be done now."""
        plane, name = self.access.context.plane, self.access.name
        job = self.access.get_job(self.job_id)
        if self.dry_run:
            decision(job, name, plane.clock.now_ns())
        else:
            job = verb(plane, job.id, name)
        return answer(self.access.job_view(job))


def _step(verb: PermissionVerb) -> Any:  # noqa: ANN401 - what FastAPI's `Depends` is
    permission = may(verb, Noun.JOB)

    async def step_of(
        job_id: JobIdText,
        access: Access = permission,
        dry_run: DryRun = False,
    ) -> Step:
        return Step(job_id, access, dry_run)

    return Depends(step_of)


Cancelling = Annotated[Step, _step(PermissionVerb.CANCEL)]
Requeuing = Annotated[Step, _step(PermissionVerb.REQUEUE)]
Holding = Annotated[Step, _step(PermissionVerb.HOLD)]
Noting = Annotated[Step, _step(PermissionVerb.NOTE)]


@router.post("/cancel", operation_id="cancel_job", summary="Cancel a job", response_model=JobView)
def cancel_job(
    step: Cancelling,
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
    step: Requeuing,
    body: RequeueRequest | None = None,  # noqa: ARG001 - its form is checked
) -> Response:
    """Put a finished job back into the queue; a running attempt is stopped first. Of an array, the
    tasks that did not succeed."""
    return step.take(requeue, decide.requeue)


@router.post(
    "/hold", operation_id="hold_job", summary="Keep a job from starting", response_model=JobView
)
def hold_job(step: Holding) -> Response:
    """Take the job out of the queue until it is released. Holding twice is holding once."""
    return step.take(hold, decide.hold)


@router.post(
    "/release",
    operation_id="release_job",
    summary="Let a held job into the queue",
    response_model=JobView,
)
def release_job(step: Holding) -> Response:
    """Let a held job into the queue, at the place where it would have been."""
    return step.take(release, decide.release)


@router.post(
    "/notes", operation_id="note_job", summary="Write a note on a job", response_model=JobView
)
def note_job(step: Noting, body: NoteRequest) -> Response:
    """Add a note, for whoever looks at the job later."""
    return step.take(
        lambda plane, job_id, actor: note(plane, job_id, actor, body.text),
        lambda job, actor, at_ns: decide.note(job, actor, body.text, at_ns),
    )
