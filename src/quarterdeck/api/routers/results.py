"""Results: what an attempt left under `$QD_RESULTS`."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, BinaryIO, Final
from urllib.parse import quote

from fastapi import APIRouter, Header, Path
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.routers.depends import (
    AttemptNumber,
    JobIdText,
    TaskIndex,
    TheThreads,
    answer,
)
from quarterdeck.api.sites import choose_attempt, latest_of_tasks, site_files
from quarterdeck.api.streaming import Streamed
from quarterdeck.basics.errors import NotFound
from quarterdeck.basics.ids import JobId
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.core.jobs.job import Attempt, Job
from quarterdeck.wire.v1.jobs import ResultList, ResultView

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from quarterdeck.api.context import ApiContext
    from quarterdeck.api.threads import Threads

CHUNK_BYTES: Final = 256 * 1024
FILES_MAX: Final = 100_000
_RANGE: Final = re.compile(r"bytes=([0-9]{1,18})-", re.ASCII)

router = APIRouter(prefix="/v1/jobs/{job_id}/results", tags=["results"])

OutputReader = Annotated[Access, may(Verb.READ, Noun.OUTPUT)]


@router.get("", operation_id="list_results", summary="List results", response_model=ResultList)
async def list_results(
    job_id: JobIdText,
    access: OutputReader,
    threads: TheThreads,
    attempt: AttemptNumber = None,
    task: TaskIndex = None,
) -> Response:
    """Every file that the attempt left; of an array, what the latest attempt of every task left. A
    job that has not started yet has none, of attempt 0."""
    context = access.context
    return answer(
        await threads.read_files(lambda: _list(context, access.get_job(job_id), attempt, task))
    )


def _list(context: ApiContext, job: Job, attempt: int | None, task: int | None) -> ResultList:
    if job.tasks is not None and attempt is None and task is None:
        views = [
            view for latest in latest_of_tasks(job) for view in _views(context, job.id, latest)
        ]
        return _page(job.id, 0, views)
    chosen = choose_attempt(job, attempt, task)
    if chosen is None:
        return ResultList(job_id=job.id, attempt=0, files=[])
    return _page(job.id, chosen.number, _views(context, job.id, chosen))


def _page(job_id: JobId, attempt: int, views: list[ResultView]) -> ResultList:
    is_complete = len(views) <= FILES_MAX
    return ResultList(
        job_id=job_id, attempt=attempt, files=views[:FILES_MAX], is_complete=is_complete
    )


def _views(context: ApiContext, job_id: JobId, attempt: Attempt) -> list[ResultView]:
    return [
        ResultView(
            path=file.path,
            node_rank=file.node_rank,
            size_bytes=file.size_bytes,
            attempt=attempt.number,
            task=attempt.task,
        )
        for file in site_files(context, attempt).list_results(job_id, attempt.number)
    ]


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
    access: OutputReader,
    threads: TheThreads,
    *,
    attempt: AttemptNumber = None,
    task: TaskIndex = None,
    wanted_range: Annotated[
        str | None,
        Header(alias="Range", description="`bytes=B-`: from that byte on, to resume a download."),
    ] = None,
) -> Response:
    """One file that a replica left, as bytes; with a range, what follows an offset."""
    which = Which(attempt, task, node_rank, path)
    file, size_bytes = await threads.read_files(
        lambda: _open(access.context, access.get_job(job_id), which)
    )
    name = quote(path.rpartition("/")[2], safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{name}"}
    status = 200
    if size_bytes is not None:
        headers["Accept-Ranges"] = "bytes"
        start = _find_start(wanted_range, size_bytes)
        if start is not None:
            status = 206
            headers["Content-Range"] = f"bytes {start}-{size_bytes - 1}/{size_bytes}"
            await threads.read_files(partial(file.seek, start))
            size_bytes -= start
        headers["Content-Length"] = str(size_bytes)
    pieces = _pieces(threads, file, size_bytes, access)
    return Streamed(pieces, "application/octet-stream", headers, status)


def _find_start(wanted: str | None, size_bytes: int) -> int | None:
    """Where to begin, for the one form of range that a resumed download needs; None for the whole
    file, which is a right answer to any other (RFC 9110, section 14.2)."""
    match = _RANGE.fullmatch(wanted or "")
    if match is None:
        return None
    start = int(match[1])
    return start if 0 < start < size_bytes else None


@dataclass(frozen=True, slots=True)
class Which:
    """One file of one replica."""

    attempt: int | None
    task: int | None
    node_rank: int
    path: str


def _open(context: ApiContext, job: Job, which: Which) -> tuple[BinaryIO, int | None]:
    """The file, and its size now where that can be told."""
    path = which.path
    chosen = choose_attempt(job, which.attempt, which.task)
    if chosen is None or not path or "\0" in path or ".." in path.split("/"):
        raise NotFound(
            f"job {job.id} has left no file {path[:80]!a}",
            field="path",
            hint="GET /v1/jobs/{id}/results lists what there is",
        )
    files = site_files(context, chosen)
    file = files.open_result(job.id, chosen.number, which.node_rank, path)
    if not file.seekable():
        return file, None
    size_bytes = file.seek(0, io.SEEK_END)
    file.seek(0)
    return file, size_bytes


async def _pieces(
    threads: Threads, file: BinaryIO, size_bytes: int | None, access: Access
) -> AsyncGenerator[bytes, None]:
    """The file up to the size that was announced: one that a job still writes may grow. Who is
    shut out meanwhile gets no more of it."""
    left = size_bytes
    try:
        while (left is None or left > 0) and access.is_current:
            wanted = CHUNK_BYTES if left is None else min(CHUNK_BYTES, left)
            piece = await threads.read_files(partial(file.read, wanted))
            if not piece:
                return
            yield piece
            left = None if left is None else left - len(piece)
    finally:
        file.close()
