"""Sites: where jobs can run, and whether they answer."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.routers.depends import Context, answer
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.sites import AbilitiesView, SiteList, SiteView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.core.cluster.room import Room
    from quarterdeck.ports.site import SiteState

router = APIRouter(prefix="/v1/sites", tags=["nodes"])

SiteReader = Annotated[Access, may(Verb.READ, Noun.NODE)]


@router.get("", operation_id="list_sites", summary="List sites", response_model=SiteList)
def list_sites(context: Context, access: SiteReader) -> Response:
    """All sites: what drives each, where it stands, whether it answers, and how much of it is free.
    What runs at a site that is away goes on."""
    board = context.plane.board
    board.catch_up()
    only = access.extent.site
    rooms = [room for room, _ in board.list_rooms()]
    views = [
        _view(state, [room for room in rooms if room.site == state.name])
        for state in context.list_sites()
        if only in (None, state.name)
    ]
    return answer(SiteList(sites=views))


def _view(state: SiteState, rooms: Sequence[Room]) -> SiteView:
    abilities = state.abilities
    return SiteView(
        name=state.name,
        engine=state.engine,
        state="away" if state.problem else "connected",
        problem=state.problem,
        country=state.country,
        region=state.region,
        nodes=len(rooms),
        nodes_ready=sum(room.node.state is NodeState.READY for room in rooms),
        gpus=sum(len(room.node.devices) for room in rooms),
        gpus_free=sum(len(room.free_devices) for room in rooms),
        abilities=AbilitiesView(**asdict(abilities)) if abilities is not None else None,
    )
