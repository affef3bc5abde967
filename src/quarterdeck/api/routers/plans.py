"""Plans: what would happen to a job, without submitting it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.outlooks import plan_view
from quarterdeck.api.routers.depends import Context, answer
from quarterdeck.api.translate import to_spec
from quarterdeck.control.plan import plan
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.jobs import JobRequest
from quarterdeck.wire.v1.verdicts import PlanView

router = APIRouter(prefix="/v1/plans", tags=["plans"])

Planner = Annotated[Access, may(Verb.CREATE, Noun.PLAN)]


@router.post("", operation_id="plan_job", summary="Plan a job", response_model=PlanView)
def plan_job(body: JobRequest, context: Context, access: Planner) -> Response:
    """Where the job would go now, or why it would wait. Nothing is changed by asking."""
    spec = to_spec(body, team=access.choose_team(body.team))
    told = plan(context.plane, spec, access.name, access.sees, access.holder)
    return answer(plan_view(told))
