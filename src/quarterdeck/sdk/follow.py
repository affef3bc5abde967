"""Read streams of messages and remember where they broke off, so that nothing comes twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quarterdeck.sdk.sse import Message, SseParser
from quarterdeck.wire.v1.events import EventView, LogEnd, LogView

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stream:
    """One stream over any number of connections."""

    def __init__(self) -> None:
        self._parser = SseParser()
        self._last_id = ""

    def resume_headers(self) -> dict[str, str]:
        """What a new connection has to say to go on; forgets half a message of the old one."""
        self._parser = SseParser()
        return {"Last-Event-ID": self._last_id} if self._last_id else {}

    def feed(self, piece: bytes) -> Iterator[Message]:
        """Whole messages."""
        for message in self._parser.feed(piece):
            self._last_id = message.id or self._last_id
            yield message


def parse_log(message: Message) -> LogView | LogEnd | None:
    """A message of a log's stream; None for a kind that is newer than this client."""
    if message.kind == "log":
        return LogView.model_validate_json(message.data)
    if message.kind == "end":
        return LogEnd.model_validate_json(message.data)
    return None


def parse_event(message: Message) -> EventView:
    """A message of the event log's stream."""
    return EventView.model_validate_json(message.data)
