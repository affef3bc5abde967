"""Logs: bytes of one replica, at once or as they come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Header, Query
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.context import ApiContext
from quarterdeck.api.follow import Place, follow
from quarterdeck.api.routers.depends import (
    AttemptNumber,
    Context,
    JobIdText,
    NodeRank,
    TaskIndex,
    TheFeed,
    TheThreads,
)
from quarterdeck.api.sites import check_node_rank, choose_attempt, site_files
from quarterdeck.api.streaming import PLAIN_HEADERS, event_stream
from quarterdeck.api.translate import parse_job_id
from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.steps import get_job
from quarterdeck.core.governance.permissions import Noun, Verb
from quarterdeck.core.jobs.job import Attempt, Job
from quarterdeck.ports.site import LogMatches

READ_BYTES_MAX: Final = 2**20
_RESUME_ID: Final = re.compile(r"([0-9]{1,9}):([0-9]{1,18})", re.ASCII)

router = APIRouter(prefix="/v1/jobs/{job_id}/logs", tags=["logs"])

OutputReader = Annotated[Access, may(Verb.READ, Noun.OUTPUT)]

Tail = Annotated[
    int | None, Query(ge=0, le=10_000_000, description="Begin with so many last lines.")
]
SinceSeconds = Annotated[
    float | None,
    Query(ge=0, le=10 * 366 * 86400, description="Begin with what was written so long ago."),
]
Contains = Annotated[
    str | None,
    Query(min_length=1, max_length=1000, description="Only lines with this text, as it is."),
]
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


@dataclass(frozen=True, slots=True)
class Selection:
    """Which part of which replica's log. With several beginnings the latest counts."""

    attempt: int | None
    task: int | None
    node_rank: int
    offset: int
    tail: int | None
    since_s: float | None
    contains: str | None

    @property
    def text(self) -> bytes | None:
        """What lines are to contain."""
        return None if self.contains is None else self.contains.encode()

    @property
    def begins_late(self) -> bool:
        """Whether the site has to be asked where to begin."""
        return self.tail is not None or self.since_s is not None

    def find_start(self, context: ApiContext, job: Job, attempt: Attempt) -> int:
        """The offset to begin with; asks the site only when it has to."""
        if not self.begins_late:
            return self.offset
        since_ns = None
        if self.since_s is not None:
            since_ns = max(0, context.plane.clock.now_ns() - int(self.since_s * NS_PER_S))
        files = site_files(context, attempt)
        start = files.find_log_start(
            job.id, attempt.number, self.node_rank, tail=self.tail, since_ns=since_ns
        )
        return max(self.offset, start)


async def _select(
    *,
    attempt: AttemptNumber = None,
    task: TaskIndex = None,
    node_rank: NodeRank = 0,
    offset: Offset = 0,
    tail: Tail = None,
    since_s: SinceSeconds = None,
    contains: Contains = None,
) -> Selection:
    return Selection(attempt, task, node_rank, offset, tail, since_s, contains)


TheSelection = Annotated[Selection, Depends(_select)]


@router.get(
    "",
    operation_id="read_log",
    summary="Read a log",
    response_class=Response,
    responses={
        200: {
            "description": f"Up to {READ_BYTES_MAX} bytes as the command wrote them. With "
            "`contains` the lines that have it, of as much as is looked through at once: go on "
            "as long as QD-Next-Offset grows.",
            "content": {"text/plain": {"schema": {"type": "string", "format": "binary"}}},
            "headers": LOG_HEADERS,
        }
    },
)
async def read_log(
    job_id: JobIdText,
    access: OutputReader,
    threads: TheThreads,
    selection: TheSelection,
) -> Response:
    """Bytes of a replica's log. A job that has not started yet has an empty one."""
    context = access.context
    found = await threads.read_files(lambda: _read(context, access.get_job(job_id), selection))
    headers = {
        **PLAIN_HEADERS,
        "Content-Disposition": f'attachment; filename="{job_id}-{selection.node_rank}.log"',
        "QD-Next-Offset": str(found.next_offset),
        "QD-Final": "true" if found.is_final else "false",
    }
    return Response(found.data, headers=headers, media_type="text/plain; charset=utf-8")


def _read(context: ApiContext, job: Job, selection: Selection) -> LogMatches:
    check_node_rank(job, selection.node_rank)
    chosen = choose_attempt(job, selection.attempt, selection.task)
    if chosen is None:
        return LogMatches(b"", selection.offset, is_final=job.state.is_final)
    # The job was read before the file: after its end nothing is written any more.
    is_over = not chosen.holds_devices
    files = site_files(context, chosen)
    start = selection.find_start(context, job, chosen)
    where = (job.id, chosen.number, selection.node_rank, start)
    if selection.text is not None:
        found = files.search_log(*where, selection.text, is_over=is_over)
        is_drained = is_over and found.next_offset == start
        return LogMatches(found.data, found.next_offset, is_final=found.is_final or is_drained)
    chunk = files.read_log(*where, READ_BYTES_MAX)
    is_drained = is_over and len(chunk.data) < READ_BYTES_MAX
    next_offset = chunk.offset + len(chunk.data)
    return LogMatches(chunk.data, next_offset, is_final=chunk.is_final or is_drained)


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
    access: OutputReader,
    feed: TheFeed,
    threads: TheThreads,
    selection: TheSelection,
    last_event_id: Annotated[
        str | None, Header(description="The `id` of the last message that arrived.")
    ] = None,
) -> Response:
    """Server-sent events. Without `attempt` the stream begins with the latest attempt of the job,
    or of its `task`, and goes on with the next ones until the job is final; with it, it ends with
    that attempt."""
    context, known_id = access.context, parse_job_id(job_id)
    place = await threads.read_store(
        lambda: _start(context, access.get_job(job_id), selection, last_event_id)
    )
    if place.attempt and selection.begins_late and not last_event_id:
        place.offset = await threads.read_files(
            lambda: _find_offset(context, known_id, selection, place.attempt)
        )
    return event_stream(follow(context, feed, threads, place, access.principal))


def _start(context: Context, job: Job, selection: Selection, last_event_id: str | None) -> Place:
    check_node_rank(job, selection.node_rank)
    is_fixed = selection.attempt is not None
    place = Place(
        job.id, selection.node_rank, 0, selection.offset, is_fixed, selection.text, selection.task
    )
    if last_event_id:
        seen_attempt, place.offset = _parse_resume_id(last_event_id)
        if is_fixed and seen_attempt != selection.attempt:
            raise Invalid(
                f"Last-Event-ID is of attempt {seen_attempt}, but attempt {selection.attempt} was "
                "asked for",
                field="Last-Event-ID",
                hint="ask for the same attempt as before",
            )
        chosen = choose_attempt(job, seen_attempt, selection.task)
    else:
        chosen = choose_attempt(job, selection.attempt, selection.task)
    if chosen is not None and not chosen.holds_devices:
        # What was deleted is told before the stream begins: in it there is no way to.
        files = site_files(context, chosen)
        files.read_log(job.id, chosen.number, selection.node_rank, place.offset, 1)
    place.attempt = chosen.number if chosen is not None else 0
    return place


def _find_offset(context: ApiContext, job_id: JobId, selection: Selection, attempt: int) -> int:
    job = get_job(context.plane, job_id)
    chosen = choose_attempt(job, attempt)
    return selection.offset if chosen is None else selection.find_start(context, job, chosen)


def _parse_resume_id(text: str) -> tuple[int, int]:
    match = _RESUME_ID.fullmatch(text)
    if match is None:
        raise Invalid(
            f"Last-Event-ID is {text[:80]!a}",
            field="Last-Event-ID",
            hint="send the `id` of the last message, which is <attempt>:<offset>",
        )
    return int(match[1]), int(match[2])
