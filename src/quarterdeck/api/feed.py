"""Waking those who wait for news of a job, or of anything, without a thread each.

One task reads the log behind the commits while anybody waits, and wakes only those whose job is in
it. So a hundred clients that wait for a hundred jobs cost one read per round of commits, not a
hundred. Being woken says only "look again": what is true is read from the store.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import anyio

from quarterdeck.ports.store import JobRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from quarterdeck.api.context import ApiContext
    from quarterdeck.api.threads import Threads
    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.governance.principal import Principal

PAGE: Final = 2000
PAUSE_S: Final = 0.005
"""Between two reads, so that a burst of commits is read as one."""
RETRY_S: Final = 0.5
_log = logging.getLogger(__name__)


class Watch:
    """One waiting client."""

    def __init__(self, closing_is_set: Callable[[], bool]) -> None:
        self._woken = asyncio.Event()
        self._closing_is_set = closing_is_set

    @property
    def is_closing(self) -> bool:
        """Whether the server goes down, or the caller is shut out: there is nothing to wait for."""
        return self._closing_is_set()

    async def wait(self, timeout_s: float) -> bool:
        """Until there may be news, the server goes down, or the time is over: then False."""
        if self.is_closing:
            return True
        with anyio.move_on_after(timeout_s):
            await self._woken.wait()
        was_woken = self._woken.is_set()
        self._woken.clear()
        return was_woken

    def wake(self) -> None:
        """End the present wait, or the next one."""
        self._woken.set()


class Feed:
    """See the module. To be used on one event loop."""

    def __init__(self, context: ApiContext, threads: Threads) -> None:
        self._plane = context.plane
        self._roster = context.roster
        self._closing = context.closing
        self._watches: dict[JobId | None, set[Watch]] = {}
        self._task: asyncio.Task[None] | None = None
        self._rung = asyncio.Event()
        self._is_ringing = False
        self._threads = threads

    @contextmanager
    def no_watch(self) -> Iterator[Watch]:
        """For who will look once and not wait."""
        yield Watch(lambda: True)

    @contextmanager
    def watch(self, job_id: JobId | None, caller: Principal) -> Iterator[Watch]:
        """Wake on every commit from here on that touches the job; None: on every commit. When the
        caller's token or roles are not what they were, the wait is over for good."""

        def is_over() -> bool:
            return self._closing.is_set() or not self._roster.is_current(caller)

        watch = Watch(is_over)
        self._watches.setdefault(job_id, set()).add(watch)
        if self._task is None or self._task.done():
            # The board is never ahead of the log, so nothing from here on is missed.
            self._task = asyncio.get_running_loop().create_task(
                self._pump(self._plane.board.cursor), name="api-feed"
            )
        try:
            yield watch
        finally:
            waiting = self._watches[job_id]
            waiting.discard(watch)
            if not waiting:
                del self._watches[job_id]
            if not self._watches:
                self._task.cancel()
                self._task = None

    async def _pump(self, cursor: int) -> None:
        loop = asyncio.get_running_loop()
        self._rung = asyncio.Event()
        self._is_ringing = False

        def ring() -> None:
            """Called on whatever thread has committed: quick, and never in its way."""
            if not self._is_ringing:
                self._is_ringing = True
                with contextlib.suppress(RuntimeError):  # the loop has just been closed
                    loop.call_soon_threadsafe(self._rung.set)

        def ring_all() -> None:
            """People have changed: everybody who waits looks whether they still may."""
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._wake_all)

        endings = [
            self._plane.changed.subscribe(ring),
            self._closing.subscribe(ring),
            self._roster.changed.subscribe(ring_all),
        ]
        try:
            while not self._closing.is_set():
                self._is_ringing = False
                self._rung.clear()
                cursor = await self._read(cursor)
                await asyncio.sleep(PAUSE_S)
                await self._rung.wait()
        finally:
            for end in endings:
                end()
            self._wake_all()

    async def _read(self, cursor: int) -> int:
        """Wake for everything after that place of the log; the answer is the new place."""
        store = self._plane.store
        while True:
            try:
                records = await self._threads.read_store(
                    partial(store.list_records, cursor, limit=PAGE)
                )
            except Exception:  # noqa: BLE001 - logged, and tried again
                # Those who wait find out for themselves when they look; this must go on for them.
                _log.exception("the log could not be read for waiting clients")
                await asyncio.sleep(RETRY_S)
                continue
            touched = {record.job_id for record in records if isinstance(record, JobRecord)}
            for job_id in touched & self._watches.keys():
                self._wake(job_id)
            if records:
                cursor = records[-1].seq
                self._wake(None)
            if len(records) < PAGE:
                return cursor

    def _wake(self, job_id: JobId | None) -> None:
        for watch in self._watches.get(job_id, ()):
            watch.wake()

    def _wake_all(self) -> None:
        for job_id in self._watches:
            self._wake(job_id)
