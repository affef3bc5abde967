"""What a stream holds is let go of as soon as nobody reads it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from quarterdeck.api.streaming import Streamed, format_event
from quarterdeck.wire.v1.events import LogEnd

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.types import Message


def test_a_stream_that_cannot_be_sent_is_closed_although_somebody_still_holds_it() -> None:
    let_go: list[str] = []

    async def pieces() -> AsyncGenerator[bytes, None]:
        try:
            while True:
                yield b"piece"
        finally:
            let_go.append("file")

    async def send(message: Message) -> None:
        if message.get("body"):
            raise OSError("the client has gone")

    async def stream() -> None:
        held = pieces()
        with pytest.raises(OSError, match="gone"):
            await Streamed(held, "text/plain").stream_response(send)
        assert let_go == ["file"]

    asyncio.run(stream())


def test_a_message_is_one_line_of_data_whatever_it_holds() -> None:
    message = format_event("end", LogEnd(state="a\n\nevent: b\r\u2028", exit_code=None), "1:5")
    lines = message.decode().split("\n")
    assert lines[:2] == ["id: 1:5", "event: end"]
    assert lines[3:] == ["", ""]
    assert "\r" not in message.decode()
