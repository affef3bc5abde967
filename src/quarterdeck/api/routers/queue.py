"""The queue as the next decision sees it."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.outlooks import queue_entry
from quarterdeck.api.routers.depends import Context, answer
from quarterdeck.control.explain import list_queue
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.queue import QueueView

ENTRIES_MAX: Final = 1000

router = APIRouter(prefix="/v1/queue", tags=["queue"])

QueueReader = Annotated[Access, may(Verb.READ, Noun.QUEUE)]


@router.get("", operation_id="show_queue", summary="Show the queue", response_model=QueueView)
def show_queue(
    context: Context,
    access: QueueReader,
    limit: Annotated[int, Query(ge=1, le=ENTRIES_MAX, description="At most so many.")] = 100,
) -> Response:
    """Who waits, in which order, and why. Jobs that the caller may not know of are left out,
    and neither positions nor `length` count them."""
    length, standing = list_queue(context.plane, limit, access.covers)
    return answer(QueueView(length=length, entries=[queue_entry(one) for one in standing]))
