"""Answers that go out piece by piece: server-sent events and files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import anyio
from starlette.responses import StreamingResponse

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from pydantic import BaseModel
    from starlette.types import Send

KEEP_ALIVE_S: Final = 15.0
KEEP_ALIVE: Final = b": keep-alive\n\n"
PLAIN_HEADERS: Final = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Streamed(StreamingResponse):
    """Sends what a generator yields, and closes the generator at once when the client has gone.

    The framework cancels the sending then, but leaves a generator that waits in a `yield` to the
    garbage collector, and with it the files and subscriptions that it holds.
    """

    def __init__(
        self,
        pieces: AsyncGenerator[bytes, None],
        media_type: str,
        headers: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> None:
        all_headers = {**PLAIN_HEADERS, **(headers or {})}
        super().__init__(pieces, status, all_headers, media_type)
        self._pieces = pieces

    async def stream_response(self, send: Send) -> None:
        """Send all pieces, or as many as the client takes."""
        try:
            await super().stream_response(send)
        finally:
            with anyio.CancelScope(shield=True):
                await self._pieces.aclose()


def event_stream(messages: AsyncGenerator[bytes, None]) -> Streamed:
    """An SSE answer that no proxy buffers."""
    return Streamed(messages, "text/event-stream", {"X-Accel-Buffering": "no"})


def format_event(kind: str, data: BaseModel, resume_id: str | None = None) -> bytes:
    """One message of an SSE stream. JSON has no raw line breaks, so one `data` line holds it."""
    line = f"id: {resume_id}\n" if resume_id is not None else ""
    return f"{line}event: {kind}\ndata: {data.model_dump_json()}\n\n".encode()
