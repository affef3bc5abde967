"""Server-sent events out of bytes, however these were cut on their way.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html (section 9.2.6).
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Message:
    """One message. `id` is the last that the stream has named, also by an earlier message."""

    kind: str
    data: str
    id: str


class SseParser:
    """Feed it bytes; it gives whole messages. Comments and unknown fields are dropped."""

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""
        self._kind = ""
        self._data: list[str] = []
        self._id = ""

    def feed(self, piece: bytes) -> Iterator[Message]:
        """The messages that this piece completes."""
        text = self._rest + self._decode(piece)
        # A lone CR at the end may be half of a CRLF: it waits for what follows.
        held = "\r" if text.endswith("\r") else ""
        lines = text[: len(text) - len(held)].replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self._rest = lines.pop() + held
        for line in lines:
            message = self._take(line)
            if message is not None:
                yield message

    def _take(self, line: str) -> Message | None:
        if not line:
            data, kind = self._data, self._kind or "message"
            self._data, self._kind = [], ""
            return Message(kind, "\n".join(data), self._id) if data else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._kind = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        return None
