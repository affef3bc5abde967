"""Results: what an attempt left under `$QD_RESULTS`."""

from __future__ import annotations

import io
from functools import partial
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final
from urllib.parse import quote

from fastapi import APIRouter, Path
from starlette.responses import Response

from quarterdeck.api.routers.depends import AttemptNumber, Context, JobIdText, TheThreads, answer
from quarterdeck.api.sites import choose_attempt, site_files
from quarterdeck.api.streaming import Streamed
from quarterdeck.api.translate import parse_job_id
from quarterdeck.basics.errors import NotFound
from quarterdeck.basics.ids import JobId
from quarterdeck.control.steps import get_job
from quarterdeck.wire.v1.jobs import ResultList, ResultView

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from quarterdeck.api.threads import Threads

CHUNK_BYTES: Final = 256 * 1024

router = APIRouter(prefix="/v1/jobs/{job_id}/results", tags=["results"])


@router.get("", operation_id="list_results", summary="List results", response_model=ResultList)
async def list_results(
    job_id: JobIdText, context: Context, threads: TheThreads, attempt: AttemptNumber = None
) -> Response:
    """Every file that the attempt left. A job that has not started yet has none, of attempt 0."""
    known_id = parse_job_id(job_id)
    return answer(await threads.read_files(lambda: _list(context, known_id, attempt)))


def _list(context: Context, job_id: JobId, attempt: int | None) -> ResultList:
    job = get_job(context.plane, job_id)
    chosen = choose_attempt(job, attempt)
    if chosen is None:
        return ResultList(job_id=job.id, attempt=0, files=[])
    files = site_files(context, chosen).list_results(job.id, chosen.number)
    views = [
        ResultView(path=file.path, node_rank=file.node_rank, size_bytes=file.size_bytes)
        for file in files
    ]
    return ResultList(job_id=job.id, attempt=chosen.number, files=views)


@router.get(
    "/{node_rank}/{path:path}",
    operation_id="read_result",
    summary="Read a result",
    response_class=Response,
    responses={
        200: {
            "description": "The file's bytes.",
            "content": {
                "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
            },
        }
    },
)
async def read_result(
    job_id: JobIdText,
    node_rank: Annotated[int, Path(ge=0, le=2**31 - 1, description="Which replica, from 0.")],
    path: Annotated[str, Path(description="The file's path, as listed.")],
    context: Context,
    threads: TheThreads,
    attempt: AttemptNumber = None,
) -> Response:
    """One file that a replica left, as bytes."""
    known_id = parse_job_id(job_id)
    file, size_bytes = await threads.read_files(
        lambda: _open(context, known_id, attempt, node_rank, path)
    )
    name = quote(path.rpartition("/")[2], safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    if size_bytes is not None:
        headers["Content-Length"] = str(size_bytes)
    return Streamed(_pieces(threads, file, size_bytes), "application/octet-stream", headers)


def _open(
    context: Context, job_id: JobId, attempt: int | None, node_rank: int, path: str
) -> tuple[BinaryIO, int | None]:
    """The file, and its size now where that can be told."""
    job = get_job(context.plane, job_id)
    chosen = choose_attempt(job, attempt)
    if chosen is None or not path or "\0" in path or ".." in path.split("/"):
        raise NotFound(
            f"job {job.id} has left no file {path[:80]!a}",
            field="path",
            hint="GET /v1/jobs/{id}/results lists what there is",
        )
    file = site_files(context, chosen).open_result(job.id, chosen.number, node_rank, path)
    if not file.seekable():
        return file, None
    size_bytes = file.seek(0, io.SEEK_END)
    file.seek(0)
    return file, size_bytes


async def _pieces(
    threads: Threads, file: BinaryIO, size_bytes: int | None
) -> AsyncGenerator[bytes, None]:
    """The file up to the size that was announced: one that a job still writes may grow."""
    left = size_bytes
    try:
        while left is None or left > 0:
            wanted = CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)
            piece = await threads.read_files(partial(file.read, wanted))
            if not piece:
                return
            yield piece
            left = None if left is None else left - len(piece)
    finally:
        file.close()
