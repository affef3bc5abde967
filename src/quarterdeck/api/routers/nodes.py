"""Nodes: what there is, how much of it is free, and what new work is kept off."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.node_views import node_detail, node_view
from quarterdeck.api.routers.depends import Context, DryRun, answer
from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.ids import JobId
from quarterdeck.control.nodes import cordon, drain, find_place, find_room, resume
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.cluster import (
    CordonRequest,
    NodeChange,
    NodeDetail,
    NodeList,
    ResumeRequest,
)

NODES_MAX: Final = 100_000

router = APIRouter(prefix="/v1/nodes", tags=["nodes"])

NodeReader = Annotated[Access, may(Verb.READ, Noun.NODE)]
NodeCordoner = Annotated[Access, may(Verb.CORDON, Noun.NODE)]
NodeName = Annotated[str, Path(description="The node's name.")]
SiteName = Annotated[
    str | None, Query(description="Its site, where several sites have a node of that name.")
]


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


@router.get("/{node}", operation_id="show_node", summary="Show a node", response_model=NodeDetail)
def show_node(node: NodeName, access: NodeReader, site: SiteName = None) -> Response:
    """One node with its GPUs, one by one: which are free, held or cordoned, and by whom."""
    return answer(_detail(access, node, access.extent.site or site))


@router.post(
    "/{node}/cordon",
    operation_id="cordon_node",
    summary="Keep new work off a node or some of its GPUs",
    response_model=NodeChange,
)
def cordon_node(
    node: NodeName,
    body: CordonRequest,
    access: NodeCordoner,
    site: SiteName = None,
    dry_run: DryRun = False,
) -> Response:
    """What runs there goes on; with `drain` it is stopped, with its grace and counted as no
    failure, and starts elsewhere. A cordon stays until it is resumed, whatever the site reports."""
    plane = access.context.plane
    place = find_place(plane, node, body.gpus, site)
    stopped: list[JobId] = []
    if not body.drain:
        cordon(plane, place, body.reason, access.name, is_dry_run=dry_run)
    elif place.devices:
        raise Invalid(
            "drain is for whole nodes",
            field="drain",
            hint="leave out gpus, or drain: they are "
            "kept free once the job that holds them has ended",
        )
    else:
        stopped = drain(plane, place, body.reason, access.name, is_dry_run=dry_run)
    shown: list[str] = [job_id for job_id in stopped if _sees(access, job_id)]
    return answer(NodeChange(node=_detail(access, node, place.site), stopped=shown))


@router.post(
    "/{node}/resume",
    operation_id="resume_node",
    summary="Let new work go to a node again",
    response_model=NodeChange,
)
def resume_node(
    node: NodeName,
    access: NodeCordoner,
    body: ResumeRequest | None = None,
    site: SiteName = None,
    dry_run: DryRun = False,
) -> Response:
    """Ends the cordon of these GPUs, or every one of the node. What is not cordoned stays so."""
    plane = access.context.plane
    place = find_place(plane, node, body.gpus if body is not None else (), site)
    resume(plane, place, access.name, is_dry_run=dry_run)
    return answer(NodeChange(node=_detail(access, node, place.site), stopped=[]))


def _detail(access: Access, node: str, site: str | None) -> NodeDetail:
    plane = access.context.plane
    room = find_room(plane, node, site)
    holds = plane.board.list_holds(room.site, node)
    visible = {job_id for job_id, _ in holds if _sees(access, job_id)}
    detail = node_detail(room, holds, visible)
    jobs = [job_id for job_id in dict.fromkeys(job_id for job_id, _ in holds) if job_id in visible]
    return detail.model_copy(update={"jobs": jobs})


def _sees(access: Access, job_id: JobId) -> bool:
    job = access.context.plane.board.find_job(job_id)
    return job is not None and access.sees(job)
