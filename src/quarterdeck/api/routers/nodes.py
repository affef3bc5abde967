"""Nodes: what there is and how much of it is free."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.routers.depends import Context, answer
from quarterdeck.api.views import node_view
from quarterdeck.basics.ids import JobId
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.cluster import NodeList

NODES_MAX: Final = 100_000

router = APIRouter(prefix="/v1/nodes", tags=["nodes"])

NodeReader = Annotated[Access, may(Verb.READ, Noun.NODE)]


@router.get("", operation_id="list_nodes", summary="List nodes", response_model=NodeList)
def list_nodes(
    context: Context,
    access: NodeReader,
    limit: Annotated[int, Query(ge=1, le=NODES_MAX, description="At most so many.")] = NODES_MAX,
) -> Response:
    """All nodes of all sites, with what is free on each. Of the jobs on them those are named that
    the caller may know of."""
    board = context.plane.board
    board.catch_up()
    only = access.extent.site
    rooms = [(room, job_ids) for room, job_ids in board.list_rooms() if only in (None, room.site)]
    views = [
        node_view(room, [job_id for job_id in job_ids if _sees(access, job_id)])
        for room, job_ids in rooms[:limit]
    ]
    return answer(NodeList(nodes=views))


def _sees(access: Access, job_id: JobId) -> bool:
    job = access.context.plane.board.find_job(job_id)
    return job is not None and access.sees(job)
