"""Many jobs in one request: all are accepted, or none."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from quarterdeck.api.batch import to_wanted
from quarterdeck.api.bodies import parse_body
from quarterdeck.api.routers.depends import Caller, Context, DryRun, TheThreads, answer
from quarterdeck.control.submit import Asked, check_all, submit_all
from quarterdeck.wire.v1.jobs import BatchRequest, BatchView

if TYPE_CHECKING:
    from quarterdeck.api.context import ApiContext

router = APIRouter(prefix="/v1/batches", tags=["jobs"])


@router.post(
    "",
    operation_id="submit_jobs",
    summary="Submit many jobs",
    status_code=201,
    response_model=BatchView,
    response_description="Their ids, in the order of the request.",
    responses={200: {"model": BatchView, "description": "With `dry_run`: all could be accepted."}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/BatchRequest"}}
            },
        }
    },
)
async def submit_jobs(
    request: Request,
    context: Context,
    caller: Caller,
    threads: TheThreads,
    idempotency_key: Annotated[
        str | None,
        Header(description="Kept 24 hours: the same request with the same key is done once."),
    ] = None,
    dry_run: DryRun = False,
) -> Response:
    """Put all jobs into the queue, or none. Their `needs` may name each other."""
    body = await request.body()
    return await threads.read_store(
        lambda: _submit(context, caller.name, body, idempotency_key, dry_run)
    )


def _submit(
    context: ApiContext, actor: str, content: bytes, key: str | None, dry_run: bool
) -> Response:
    """On a worker thread: parsing thousands of jobs takes a while."""
    body = parse_body(BatchRequest, content)
    wanted = to_wanted(body, context.plane.ids)
    if dry_run:
        check_all(context.plane, wanted)
        return answer(BatchView(ids=[]))
    asked = None
    if key is not None:
        # Of the very bytes: to put thousands of jobs into one order would cost more than the rest.
        asked = Asked(key, hashlib.sha256(content).hexdigest())
    ids, is_replayed = submit_all(context.plane, wanted, actor, asked)
    headers = {"Idempotent-Replayed": "true"} if is_replayed else None
    return answer(BatchView(ids=list(ids)), 201, headers)
