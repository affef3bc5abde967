"""Follow the log of a job's replica, from attempt to attempt, until nothing can follow any more.

Theory of operation. The file is polled while its attempt is alive: quickly after something came,
more slowly the longer nothing does. The order of two looks matters: first "is the attempt over?",
then "is there more in the file?". Whatever was written before the end is then seen before the end
is believed, so the last line is never lost.
"""

from __future__ import annotations

import time
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from quarterdeck.api.sites import find_attempt, site_files
from quarterdeck.api.streaming import KEEP_ALIVE, KEEP_ALIVE_S, format_event
from quarterdeck.basics.errors import NotFound, Unavailable
from quarterdeck.control.steps import get_job
from quarterdeck.wire.v1.events import LogEnd, LogView

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from quarterdeck.api.context import ApiContext
    from quarterdeck.api.feed import Feed, Watch
    from quarterdeck.api.threads import Threads
    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.jobs.job import Attempt, Job
    from quarterdeck.ports.site import LogChunk

CHUNK_BYTES: Final = 64 * 1024
POLL_S_MIN: Final = 0.05
POLL_S_MAX: Final = 0.25
POLL_GROWTH: Final = 1.3


@dataclass(slots=True)
class Place:
    """Where a follower stands; `attempt` 0 is before the first. `is_fixed`: it stays with its
    attempt."""

    job_id: JobId
    node_rank: int
    attempt: int
    offset: int
    is_fixed: bool


async def follow(
    context: ApiContext, feed: Feed, threads: Threads, place: Place
) -> AsyncGenerator[bytes, None]:
    """The messages of the log from that place on; after the last of them, how the job ended."""
    with feed.watch(place.job_id) as watch:
        follower = _Follower(context, threads, watch, place)
        async with aclosing(follower.run()) as messages:
            async for message in messages:
                yield message


class _Follower:
    def __init__(self, context: ApiContext, threads: Threads, watch: Watch, place: Place) -> None:
        self._context = context
        self._threads = threads
        self._watch = watch
        self._place = place
        self._poll_s = POLL_S_MIN
        self._spoke_at_s = time.monotonic()

    async def run(self) -> AsyncGenerator[bytes, None]:
        place = self._place
        job = await self._load_job()
        while not self._watch.is_closing:
            if place.attempt == 0 and job.attempt is not None:
                place.attempt = 1
            attempt = find_attempt(job, place.attempt)
            is_over = attempt is None or not attempt.holds_devices
            view = await self._read(attempt, is_over=is_over) if attempt is not None else None
            if view is not None:
                place.offset = view.next_offset
                self._poll_s = POLL_S_MIN
                yield self._said(format_event("log", view, f"{place.attempt}:{place.offset}"))
                continue
            if is_over and attempt is not None and place.is_fixed:
                yield format_event("end", _end_of(job, attempt))
                return
            if is_over and find_attempt(job, place.attempt + 1) is not None:
                place.attempt, place.offset = place.attempt + 1, 0
                continue
            if is_over and job.state.is_final:
                yield format_event("end", _end_of(job, None))
                return
            if await self._pause(is_over=is_over):
                job = await self._load_job()
            if time.monotonic() - self._spoke_at_s >= KEEP_ALIVE_S:
                yield self._said(KEEP_ALIVE)

    def _said(self, message: bytes) -> bytes:
        self._spoke_at_s = time.monotonic()
        return message

    async def _pause(self, *, is_over: bool) -> bool:
        """Wait for news of the job; a file that may grow is not left alone for long."""
        if is_over:
            return await self._watch.wait(KEEP_ALIVE_S)
        timeout_s = self._poll_s
        self._poll_s = min(self._poll_s * POLL_GROWTH, POLL_S_MAX)
        return await self._watch.wait(timeout_s)

    async def _load_job(self) -> Job:
        plane, job_id = self._context.plane, self._place.job_id
        return await self._threads.read_store(lambda: get_job(plane, job_id))

    async def _read(self, attempt: Attempt, *, is_over: bool) -> LogView | None:
        """The next whole characters, or None when there are none yet, or none any more."""
        place = self._place
        try:
            chunk = await self._threads.read_files(lambda: self._read_chunk(attempt))
        except NotFound:
            return None  # retention has deleted it meanwhile
        except Unavailable:
            # A site that does not answer for a while does not end the stream of a job that runs.
            if is_over:
                raise
            return None
        size = len(chunk.data)
        if len(chunk.data) < CHUNK_BYTES and (is_over or chunk.is_final):
            text = chunk.data.decode("utf-8", "replace")
        else:
            size = whole_characters(chunk.data)
            text = chunk.data[:size].decode("utf-8", "replace")
        if size == 0:
            return None
        return LogView(
            attempt=attempt.number,
            node_rank=place.node_rank,
            offset=chunk.offset,
            next_offset=chunk.offset + size,
            text=text,
        )

    def _read_chunk(self, attempt: Attempt) -> LogChunk:
        place = self._place
        files = site_files(self._context, attempt)
        return files.read_log(
            place.job_id, attempt.number, place.node_rank, place.offset, CHUNK_BYTES
        )


def _end_of(job: Job, attempt: Attempt | None) -> LogEnd:
    exit_code = job.exit_code if attempt is None else attempt.exit_code
    return LogEnd(state=job.state.value, exit_code=exit_code)


def whole_characters(data: bytes) -> int:
    """How many bytes go before a UTF-8 character that is cut off at the end. Bytes that are no
    UTF-8 at all are whole: waiting would not mend them."""
    for back in range(1, min(4, len(data) + 1)):
        byte = data[-back]
        if byte >= 0xC2:
            length = 2 + (byte >= 0xE0) + (byte >= 0xF0)
            return len(data) - back if byte <= 0xF4 and back < length else len(data)
        if byte < 0x80:
            break
    return len(data)
