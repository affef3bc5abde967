"""Logs: bytes of one replica, at once or as they come."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from quarterdeck.api.follow import Place, follow
from quarterdeck.api.routers.depends import (
    AttemptNumber,
    Context,
    JobIdText,
    NodeRank,
    TheFeed,
    TheThreads,
)
from quarterdeck.api.sites import check_node_rank, choose_attempt, site_files
from quarterdeck.api.streaming import PLAIN_HEADERS, event_stream
from quarterdeck.api.translate import parse_job_id
from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.ids import JobId
from quarterdeck.control.steps import get_job
from quarterdeck.ports.site import LogChunk

READ_BYTES_MAX: Final = 2**20
_RESUME_ID: Final = re.compile(r"([0-9]{1,9}):([0-9]{1,18})", re.ASCII)

router = APIRouter(prefix="/v1/jobs/{job_id}/logs", tags=["logs"])

Offset = Annotated[int, Query(ge=0, le=2**62, description="From which byte on.")]

LOG_HEADERS: Final[dict[str, Any]] = {
    "QD-Next-Offset": {
        "description": "Where the next read goes on.",
        "schema": {"type": "integer"},
    },
    "QD-Final": {
        "description": "`true` when nothing will ever follow these bytes.",
        "schema": {"type": "string", "enum": ["true", "false"]},
    },
}


@router.get(
    "",
    operation_id="read_log",
    summary="Read a log",
    response_class=Response,
    responses={
        200: {
            "description": f"Up to {READ_BYTES_MAX} bytes as the command wrote them.",
            "content": {"text/plain": {"schema": {"type": "string", "format": "binary"}}},
            "headers": LOG_HEADERS,
        }
    },
)
async def read_log(
    job_id: JobIdText,
    context: Context,
    threads: TheThreads,
    attempt: AttemptNumber = None,
    node_rank: NodeRank = 0,
    offset: Offset = 0,
) -> Response:
    """Bytes of a replica's log. A job that has not started yet has an empty one."""
    known_id = parse_job_id(job_id)
    chunk = await threads.read_files(lambda: _read(context, known_id, attempt, node_rank, offset))
    headers = {
        **PLAIN_HEADERS,
        "QD-Next-Offset": str(chunk.offset + len(chunk.data)),
        "QD-Final": "true" if chunk.is_final else "false",
    }
    return Response(chunk.data, headers=headers, media_type="text/plain; charset=utf-8")


def _read(
    context: Context, job_id: JobId, attempt: int | None, node_rank: int, offset: int
) -> LogChunk:
    job = get_job(context.plane, job_id)
    check_node_rank(job, node_rank)
    chosen = choose_attempt(job, attempt)
    if chosen is None:
        return LogChunk(offset, b"", is_final=job.state.is_final)
    files = site_files(context, chosen)
    chunk = files.read_log(job.id, chosen.number, node_rank, offset, READ_BYTES_MAX)
    # The job was read before the file: after its end nothing is written any more.
    is_drained = len(chunk.data) < READ_BYTES_MAX and not chosen.holds_devices
    return LogChunk(chunk.offset, chunk.data, is_final=chunk.is_final or is_drained)


@router.get(
    "/stream",
    operation_id="stream_log",
    summary="Follow a log",
    response_class=Response,
    responses={
        200: {
            "description": "`log` messages with a LogView each; after the last byte of a final "
            "job one `end` message with a LogEnd. Comments keep an idle stream alive.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def stream_log(
    job_id: JobIdText,
    context: Context,
    feed: TheFeed,
    threads: TheThreads,
    *,
    attempt: AttemptNumber = None,
    node_rank: NodeRank = 0,
    offset: Offset = 0,
    last_event_id: Annotated[
        str | None, Header(description="The `id` of the last message that arrived.")
    ] = None,
) -> Response:
    """Server-sent events. Without `attempt` the stream begins with the latest attempt and goes on
    with the next ones until the job is final; with it, it ends with that attempt."""
    known_id = parse_job_id(job_id)
    place = await threads.read_store(
        lambda: _start(context, known_id, attempt, node_rank, offset, last_event_id)
    )
    return event_stream(follow(context, feed, threads, place))


def _start(
    context: Context,
    job_id: JobId,
    attempt: int | None,
    node_rank: int,
    offset: int,
    last_event_id: str | None,
) -> Place:
    job = get_job(context.plane, job_id)
    check_node_rank(job, node_rank)
    is_fixed = attempt is not None
    if last_event_id:
        seen_attempt, offset = _parse_resume_id(last_event_id)
        if is_fixed and seen_attempt != attempt:
            raise Invalid(
                f"Last-Event-ID is of attempt {seen_attempt}, but attempt {attempt} was asked for",
                field="Last-Event-ID",
                hint="ask for the same attempt as before",
            )
        attempt = seen_attempt
    chosen = choose_attempt(job, attempt)
    if chosen is not None and not chosen.holds_devices:
        # What was deleted is told before the stream begins: in it there is no way to.
        site_files(context, chosen).read_log(job.id, chosen.number, node_rank, offset, 1)
    return Place(job.id, node_rank, chosen.number if chosen else 0, offset, is_fixed)


def _parse_resume_id(text: str) -> tuple[int, int]:
    match = _RESUME_ID.fullmatch(text)
    if match is None:
        raise Invalid(
            f"Last-Event-ID is {text[:80]!a}",
            field="Last-Event-ID",
            hint="send the `id` of the last message, which is <attempt>:<offset>",
        )
    return int(match[1]), int(match[2])
