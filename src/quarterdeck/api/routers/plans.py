"""Plans: what would happen to a job, without submitting it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from quarterdeck.api.routers.depends import Context, answer
from quarterdeck.api.translate import to_spec
from quarterdeck.api.views import plan_view
from quarterdeck.control.plan import plan
from quarterdeck.wire.v1.jobs import JobRequest, PlanView

router = APIRouter(prefix="/v1/plans", tags=["plans"])


@router.post("", operation_id="plan_job", summary="Plan a job", response_model=PlanView)
def plan_job(body: JobRequest, context: Context) -> Response:
    """Where the job would go now, or why it would wait. Nothing is changed by asking."""
    return answer(plan_view(plan(context.plane, to_spec(body))))
