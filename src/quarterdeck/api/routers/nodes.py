"""Nodes: what there is and how much of it is free."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.routers.depends import Context, answer
from quarterdeck.api.views import node_view
from quarterdeck.basics.ids import JobId
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.cluster import NodeList

router = APIRouter(prefix="/v1/nodes", tags=["nodes"])

NodeReader = Annotated[Access, may(Verb.READ, Noun.NODE)]


@router.get("", operation_id="list_nodes", summary="List nodes", response_model=NodeList)
def list_nodes(context: Context, access: NodeReader) -> Response:
    """All nodes of all sites, with what is free on each. Of the jobs on them those are named that
    the caller may know of."""
    board = context.plane.board
    board.catch_up()
    only = access.extent.site
    views = [
        node_view(room, [job_id for job_id in job_ids if _sees(access, job_id)])
        for room, job_ids in board.list_rooms()
        if only in (None, room.site)
    ]
    return answer(NodeList(nodes=views))


def _sees(access: Access, job_id: JobId) -> bool:
    job = access.context.plane.board.find_job(job_id)
    return job is not None and access.sees(job)
