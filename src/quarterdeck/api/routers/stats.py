"""Totals of the server that everybody may know: they name nobody's jobs."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.promise_views import promise_stats
from quarterdeck.api.routers.depends import Context, answer
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.promises import PromiseStats

DAYS_MAX: Final = 90

router = APIRouter(prefix="/v1/stats", tags=["server"])


@router.get(
    "/promises",
    operation_id="count_promises",
    summary="Count kept promises",
    response_model=PromiseStats,
)
def count_promises(
    context: Context,
    _access: Annotated[Access, may(Verb.READ, Noun.SERVER)],
    days: Annotated[int, Query(ge=1, le=DAYS_MAX, description="The last so many.")] = 14,
) -> Response:
    """How many jobs that had to wait started when they were promised to, day by day (UTC). Days
    without such a start are left out."""
    promises = context.plane.promises
    return answer(promise_stats(promises.log.list_days(days) if promises is not None else ()))
