"""The stream's parser, on bytes cut anywhere."""

from __future__ import annotations

import pytest

from quarterdeck.sdk.sse import Message, SseParser

STREAM = (
    b": keep-alive\n\n"
    b"id: 1:5\nevent: log\ndata: h\xc3\xa9llo\n\n"
    b"data: two\r\ndata:lines\r\n\r\n"
    b"event: nothing\n\n"
    b"unknown: x\rid: 2\rdata: last\r\r"
    b": the end\n"
)
MESSAGES = [
    Message("log", "héllo", "1:5"),
    Message("message", "two\nlines", "1:5"),
    Message("message", "last", "2"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_messages_do_not_depend_on_how_the_bytes_were_cut(size: int) -> None:
    parser = SseParser()
    found = []
    for start in range(0, len(STREAM), size):
        found += list(parser.feed(STREAM[start : start + size]))
    assert found == MESSAGES


def test_half_a_message_is_not_a_message() -> None:
    parser = SseParser()
    assert list(parser.feed(b"data: half\n")) == []
    assert list(parser.feed(b"\n")) == [Message("message", "half", "")]
