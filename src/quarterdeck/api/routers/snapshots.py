"""Work folders: files by content first, then the manifest that names them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import anyio.from_thread
from fastapi import APIRouter, Depends, Path, Request
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.bodies import parse_body
from quarterdeck.api.routers.depends import Context, TheThreads, answer
from quarterdeck.api.translate import to_manifest
from quarterdeck.basics.errors import Unavailable
from quarterdeck.control.disk import check_room
from quarterdeck.control.holdings import Proof
from quarterdeck.control.snapshots import keep_snapshot
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.wire.v1.snapshots import SnapshotRequest, SnapshotView

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

STALL_S_MAX: Final = 60.0
"""An upload that brings nothing for this long gives its turn to others."""

router = APIRouter(prefix="/v1", tags=["snapshots"])


async def _raw_body(request: Request) -> bytes:
    return await request.body()


@router.post(
    "/snapshots",
    operation_id="keep_snapshot",
    summary="Keep a work folder's manifest",
    response_model=SnapshotView,
    response_description="Not kept yet: the files in `missing` must be uploaded first.",
    responses={201: {"model": SnapshotView, "description": "Kept: a job may name it now."}},
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/SnapshotRequest"}}
            },
        }
    },
)
def keep_a_snapshot(
    body: Annotated[bytes, Depends(_raw_body)],
    context: Context,
    access: Annotated[Access, may(Verb.CREATE, Noun.SNAPSHOT)],
) -> Response:
    """Keep the manifest if all its files are here; otherwise say which are not. Files of others
    are not here for who has not sent them, too."""
    manifest = to_manifest(parse_body(SnapshotRequest, body))
    kept = keep_snapshot(context.plane, manifest, access.holder)
    view = SnapshotView(digest=kept.digest, missing=list(kept.missing))
    return answer(view, 200 if kept.missing else 201)


@router.put(
    "/blobs/{digest}",
    operation_id="put_blob",
    summary="Upload a file by its content",
    status_code=204,
    response_class=Response,
    response_description="Kept, now or before.",
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
)
async def put_blob(
    digest: Annotated[
        str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the bytes, lower-case hex.")
    ],
    request: Request,
    context: Context,
    access: Annotated[Access, may(Verb.CREATE, Noun.SNAPSHOT)],
    threads: TheThreads,
) -> Response:
    """Keep the bytes under their digest. They go to disk as they come, never as a whole to
    memory."""
    chunks = aiter(request.stream())

    def keep() -> None:
        check_room(context.plane)
        if access.holder is None:
            context.plane.blobs.put(digest, _on_thread(chunks))
            return
        proof = Proof(digest, _on_thread(chunks))
        context.plane.blobs.put(digest, proof)
        proof.finish()
        context.plane.holdings.add(access.holder, digest)

    try:
        await threads.take_upload(keep)
    except ClientDisconnect:
        raise Unavailable("the upload broke off", hint="send it again") from None
    return Response(status_code=204)


def _on_thread(chunks: AsyncIterator[bytes]) -> Iterator[bytes]:
    """The request's body, pulled from a worker thread piece by piece."""

    async def fetch_next() -> bytes | None:
        try:
            with anyio.fail_after(STALL_S_MAX):
                return await anext(chunks, None)
        except TimeoutError:
            raise Unavailable(
                f"the upload brought nothing for {STALL_S_MAX:g}s", hint="send it again"
            ) from None

    while (chunk := anyio.from_thread.run(fetch_next)) is not None:
        if chunk:
            yield chunk
