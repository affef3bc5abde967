"""The server itself: who answers, and its end."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.routers.depends import Context, TheThreads, answer
from quarterdeck.basics.times import to_iso
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.server import ServerView, ShutdownRequest

router = APIRouter(prefix="/v1/server", tags=["server"])


@router.get("", operation_id="show_server", summary="Show the server", response_model=ServerView)
async def show_server(
    context: Context,
    access: Annotated[Access, may(Verb.READ, Noun.SERVER)],
    threads: TheThreads,
) -> Response:
    """Which server answers, and who it takes the caller for."""
    return answer(
        ServerView(
            version=context.version,
            pid=context.pid,
            home_id=context.home_id,
            started_at=to_iso(context.started_at_ns),
            actor=access.name,
            last_event=await threads.read_store(context.plane.store.head),
        )
    )


@router.post(
    "/shutdown",
    operation_id="shut_down_server",
    summary="End the server",
    status_code=202,
    response_class=Response,
    response_description="It goes down now; jobs go on unless `stop_jobs` was set.",
)
def shut_down_server(
    context: Context,
    _access: Annotated[Access, may(Verb.STOP, Noun.SERVER)],
    body: ShutdownRequest | None = None,
) -> Response:
    """Ask the server to end. Running jobs outlive it and are found again by the next one."""
    context.shutdown(body.stop_jobs if body is not None else False)
    return Response(status_code=202)
