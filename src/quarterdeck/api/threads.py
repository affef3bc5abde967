"""Worker threads for what blocks, apart by what they wait for.

A site's files may be slow, a client may upload by a thin line, and many may wait for news. None of
them may hold up the others, nor those who submit: their routes have the framework's own threads.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

SUBMITS_MAX: Final = 40
STORE_MAX: Final = 16
FILES_MAX: Final = 16
UPLOADS_MAX: Final = 16

T = TypeVar("T")


class Threads:
    """Sets of threads; what finds all of its own taken waits its turn."""

    def __init__(self) -> None:
        self._submits = ThreadPoolExecutor(SUBMITS_MAX, thread_name_prefix="submit")
        self._store = anyio.CapacityLimiter(STORE_MAX)
        self._files = anyio.CapacityLimiter(FILES_MAX)
        self._uploads = anyio.CapacityLimiter(UPLOADS_MAX)

    @property
    def uploads(self) -> int:
        """How many uploads are under way."""
        return self._uploads.borrowed_tokens

    async def submit(self, work: Callable[[], T]) -> T:
        """Run a submit, of which there are hundreds a second. Nothing here gives up on one, so it
        needs none of what makes the framework's threads three times as dear."""
        return await asyncio.get_running_loop().run_in_executor(self._submits, work)

    async def read_store(self, work: Callable[[], T]) -> T:
        """Run a read of the store for a client that may wait long in between."""
        return await anyio.to_thread.run_sync(work, limiter=self._store)

    async def read_files(self, work: Callable[[], T]) -> T:
        """Run a read of a site's logs or results."""
        return await anyio.to_thread.run_sync(work, limiter=self._files)

    async def take_upload(self, work: Callable[[], T]) -> T:
        """Run something that lasts as long as an upload."""
        return await anyio.to_thread.run_sync(work, limiter=self._uploads)
