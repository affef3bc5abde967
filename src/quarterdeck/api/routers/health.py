"""The two probes that need no token: they say that the server is there, and nothing about it."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from quarterdeck.api.routers.depends import Context
from quarterdeck.basics.errors import Unavailable

router = APIRouter(tags=["health"])


@router.get("/healthz", operation_id="probe_health", summary="Whether the server answers")
async def probe_health() -> Response:
    """Says that the process answers requests."""
    return JSONResponse({"status": "ok"})


@router.get("/readyz", operation_id="probe_readiness", summary="Whether jobs can be submitted")
async def probe_readiness(context: Context) -> Response:
    """Says that a site has reported its nodes and the server is not going down."""
    if context.closing.is_set() or not context.is_ready():
        raise Unavailable("the server is not ready", code="not_ready", hint="ask again in a second")
    return JSONResponse({"status": "ready"})
