"""Many jobs in one request: all are accepted, or none."""

from __future__ import annotations

import hashlib
from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.batch import to_wanted
from quarterdeck.api.bodies import parse_body
from quarterdeck.api.routers.depends import DryRun, TheThreads, answer
from quarterdeck.control.submit import Asked, check_all, submit_all
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.jobs import BatchRequest, BatchView

router = APIRouter(prefix="/v1/batches", tags=["jobs"])

Submitter = Annotated[Access, may(Verb.CREATE, Noun.JOB)]


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
    access: Submitter,
    threads: TheThreads,
    idempotency_key: Annotated[
        str | None,
        Header(description="Kept 24 hours: the same request with the same key is done once."),
    ] = None,
    dry_run: DryRun = False,
) -> Response:
    """Put all jobs into the queue, or none. Their `needs` may name each other."""
    body = await request.body()
    return await threads.read_store(lambda: _submit(access, body, idempotency_key, dry_run))


def _submit(access: Access, content: bytes, key: str | None, dry_run: bool) -> Response:
    """On a worker thread: parsing thousands of jobs takes a while."""
    plane = access.context.plane
    body = parse_body(BatchRequest, content)
    wanted = to_wanted(body, plane.ids, access.choose_team)
    if dry_run:
        check_all(plane, wanted, access.name, access.sees, access.holder)
        return answer(BatchView(ids=[]))
    asked = None
    if key is not None:
        # Of the very bytes: to put thousands of jobs into one order would cost more than the rest.
        asked = access.own_key(Asked(key, hashlib.sha256(content).hexdigest()))
    ids, is_replayed = submit_all(plane, wanted, access.name, asked, access.sees, access.holder)
    headers = {"Idempotent-Replayed": "true"} if is_replayed else None
    return answer(BatchView(ids=list(ids)), 201, headers)
