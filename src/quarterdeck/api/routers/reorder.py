"""Which of somebody's waiting jobs goes first."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.audit import tell_audit
from quarterdeck.api.routers.depends import DryRun, answer
from quarterdeck.api.translate import parse_job_id
from quarterdeck.control.reorder import reorder
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.queue import ReorderedJob, ReorderRequest, ReorderView

router = APIRouter(prefix="/v1/jobs/reorder", tags=["queue"])

Reorderer = Annotated[Access, may(Verb.REORDER, Noun.JOB)]


@router.post(
    "",
    operation_id="reorder_jobs",
    summary="Say which of one's waiting jobs goes first",
    response_model=ReorderView,
)
def reorder_jobs(
    request: Request, body: ReorderRequest, access: Reorderer, dry_run: DryRun = False
) -> Response:
    """Let these jobs come in this order on the places in the queue that they hold together; nobody
    else's job comes earlier or later by it. All of it is done, or nothing."""
    tell_audit(request, "jobs " + " ".join(parse_job_id(text) for text in body.jobs))
    told = reorder(
        access.context.plane,
        [access.get_job(text).id for text in body.jobs],
        access.name,
        access.sees,
        is_reset=body.reset,
        is_dry=dry_run,
    )
    jobs = [
        ReorderedJob(id=one.job.id, name=one.job.spec.name, before=one.before, position=one.after)
        for one in told.moved
    ]
    return answer(ReorderView(jobs=jobs, queue_length=told.queue_length))
