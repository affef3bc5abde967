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
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.api.sites import choose_attempt, find_attempt, position_of, site_files
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
    from quarterdeck.core.governance.principal import Principal
    from quarterdeck.core.jobs.job import Attempt, Job
    from quarterdeck.core.jobs.states import JobState
    from quarterdeck.ports.site import SiteFiles

CHUNK_BYTES: Final = 64 * 1024
POLL_S_MIN: Final = 0.05
POLL_S_MAX: Final = 0.25
POLL_GROWTH: Final = 1.3


@dataclass(slots=True)
class Place:
    """Where a follower stands; `attempt` 0 is before the first. `is_fixed`: it stays with its
    attempt. `contains`: it wants only the lines with this text. `task`: it follows this task of an
    array."""

    job_id: JobId
    node_rank: int
    attempt: int
    offset: int
    is_fixed: bool
    contains: bytes | None = None
    task: int | None = None


class _Step(NamedTuple):
    """The log up to there, as a message if there is something to say."""

    next_offset: int
    message: bytes


async def follow(
    context: ApiContext, feed: Feed, threads: Threads, place: Place, caller: Principal
) -> AsyncGenerator[bytes, None]:
    """The messages of the log from that place on; after the last of them, how the job ended."""
    with feed.watch(place.job_id, caller) as watch:
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
            if place.attempt == 0:
                place.attempt = _next_attempt(job, place) or 0
            attempt = find_attempt(job, place.attempt)
            is_over = attempt is None or not attempt.holds_devices
            step = await self._read(attempt, is_over=is_over) if attempt is not None else None
            if step is not None:
                place.offset = step.next_offset
                self._poll_s = POLL_S_MIN
                if step.message:
                    yield self._said(step.message)
                continue
            if is_over and attempt is not None and place.is_fixed:
                yield format_event("end", _end_of(job, attempt))
                return
            if is_over and (next_attempt := _next_attempt(job, place)) is not None:
                place.attempt, place.offset = next_attempt, 0
                continue
            if is_over and _state_of(job, place).is_final:
                of_task = attempt if place.task is not None else None
                yield format_event("end", _end_of(job, of_task, place.task))
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

    async def _read(self, attempt: Attempt, *, is_over: bool) -> _Step | None:
        """What comes next; None when nothing is there yet, or any more."""
        try:
            return await self._threads.read_files(lambda: self._step(attempt, is_over=is_over))
        except NotFound:
            return None  # retention has deleted it meanwhile
        except Unavailable:
            # A site that does not answer for a while does not end the stream of a job that runs.
            if is_over:
                raise
            return None

    def _step(self, attempt: Attempt, *, is_over: bool) -> _Step | None:
        """In a thread of those that read files: large texts are made into messages there, so that
        they do not hold up who waits for the event loop."""
        view = self._read_now(attempt, is_over=is_over)
        if view is None:
            return None
        resume_id = f"{view.attempt}:{view.next_offset}"
        message = format_event("log", view, resume_id) if view.text else b""
        return _Step(view.next_offset, message)

    def _read_now(self, attempt: Attempt, *, is_over: bool) -> LogView | None:
        files = site_files(self._context, attempt)
        if self._place.contains is not None:
            return self._search(files, attempt, self._place.contains, is_over=is_over)
        place = self._place
        chunk = files.read_log(
            place.job_id, attempt.number, place.node_rank, place.offset, CHUNK_BYTES
        )
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

    def _search(
        self, files: SiteFiles, attempt: Attempt, text: bytes, *, is_over: bool
    ) -> LogView | None:
        place = self._place
        found = files.search_log(
            place.job_id, attempt.number, place.node_rank, place.offset, text, is_over=is_over
        )
        if found.next_offset == place.offset:
            return None
        return LogView(
            attempt=attempt.number,
            node_rank=place.node_rank,
            offset=place.offset,
            next_offset=found.next_offset,
            text=found.data.decode("utf-8", "replace"),
        )


def _next_attempt(job: Job, place: Place) -> int | None:
    """The number of the attempt that follows the place's, if there is one already."""
    if place.task is None:
        is_there = find_attempt(job, place.attempt + 1) is not None
        return place.attempt + 1 if is_there else None
    latest = choose_attempt(job, None, place.task)
    return latest.number if latest is not None and latest.number > place.attempt else None


def _state_of(job: Job, place: Place) -> JobState:
    """The state of what is followed: the job, or one task of it."""
    if place.task is None or job.tasks is None:
        return job.state
    return job.tasks.state(position_of(job, place.task))


def _end_of(job: Job, attempt: Attempt | None, task: int | None = None) -> LogEnd:
    exit_code = job.exit_code if attempt is None else attempt.exit_code
    state = job.state
    if task is not None and job.tasks is not None:
        state = job.tasks.state(position_of(job, task))
    return LogEnd(state=state.value, exit_code=exit_code)


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
