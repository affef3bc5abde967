"""Events: the log of everything that happens, as a stream."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Final

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from quarterdeck.api.access import Access, may
from quarterdeck.api.event_sight import EventSight
from quarterdeck.api.routers.depends import TheFeed, TheThreads
from quarterdeck.api.streaming import KEEP_ALIVE, KEEP_ALIVE_S, event_stream, format_event
from quarterdeck.api.translate import parse_job_id
from quarterdeck.basics.errors import Invalid
from quarterdeck.basics.ids import JobId
from quarterdeck.core.governance.permissions import Noun, Verb

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from quarterdeck.api.feed import Feed
    from quarterdeck.api.threads import Threads

PAGE: Final = 200
_SEQ: Final = re.compile(r"[0-9]{1,18}", re.ASCII)

router = APIRouter(prefix="/v1/events", tags=["events"])

EventReader = Annotated[Access, may(Verb.READ, Noun.JOB)]


@router.get(
    "",
    operation_id="stream_events",
    summary="Follow events",
    response_class=Response,
    responses={
        200: {
            "description": "One message per fact, named by its kind, with an EventView; its `id` "
            "is the fact's `seq`. The stream never ends by itself. Comments keep it alive.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def stream_events(
    access: EventReader,
    feed: TheFeed,
    threads: TheThreads,
    after: Annotated[
        int | None,
        Query(
            ge=0,
            le=2**62,
            description="Begin after this `seq`; 0 is everything. Left out: what comes from now.",
        ),
    ] = None,
    job_id: Annotated[str | None, Query(description="Only facts about this job.")] = None,
    last_event_id: Annotated[
        str | None, Header(description="The `id` of the last message that arrived.")
    ] = None,
) -> Response:
    """Server-sent events from the event log: what was committed, in order, nothing twice."""
    known_id = None
    if job_id is not None:
        known_id = parse_job_id(job_id)
        await threads.read_store(lambda: access.get_job(known_id))
    if last_event_id:
        after = _parse_seq(last_event_id)
    if after is None:
        after = await threads.read_store(access.context.plane.store.head)
    return event_stream(_messages(access, feed, threads, after, known_id))


async def _messages(
    access: Access, feed: Feed, threads: Threads, after: int, job_id: JobId | None
) -> AsyncGenerator[bytes, None]:
    place = after

    store = access.context.plane.store
    watching = EventSight(access)

    def read() -> tuple[bytes, int, int]:
        records = store.list_records(place, limit=PAGE, job_id=job_id)
        views = [view for record in records if (view := watching.view(record)) is not None]
        messages = [format_event(view.kind, view, str(view.seq)) for view in views]
        return b"".join(messages), records[-1].seq if records else place, len(records)

    with feed.watch(job_id, access.principal) as watch:
        while not watch.is_closing:
            messages, place, count = await threads.read_store(read)
            if messages:
                yield messages
            if count < PAGE and not await watch.wait(KEEP_ALIVE_S):
                yield KEEP_ALIVE


def _parse_seq(text: str) -> int:
    if _SEQ.fullmatch(text) is None:
        raise Invalid(
            f"Last-Event-ID is {text[:80]!a}",
            field="Last-Event-ID",
            hint="send the `id` of the last message, which is its seq",
        )
    return int(text)
