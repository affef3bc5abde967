"""Nodes: what there is and how much of it is free."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query
from starlette.responses import Response

from quarterdeck.api.routers.depends import Context, answer
from quarterdeck.api.views import node_view
from quarterdeck.wire.v1.cluster import NodeList

NODES_MAX: Final = 100_000

router = APIRouter(prefix="/v1/nodes", tags=["nodes"])


@router.get("", operation_id="list_nodes", summary="List nodes", response_model=NodeList)
def list_nodes(
    context: Context,
    limit: Annotated[int, Query(ge=1, le=NODES_MAX, description="At most so many.")] = NODES_MAX,
) -> Response:
    """All nodes of all sites, with what is free on each."""
    board = context.plane.board
    board.catch_up()
    return answer(
        NodeList(nodes=[node_view(room, jobs) for room, jobs in board.list_rooms()[:limit]])
    )
