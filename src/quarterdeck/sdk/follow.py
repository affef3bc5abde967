"""Streams over any number of connections: each knows how to go on, so that nothing comes twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, Generic, Protocol, TypeVar

from pydantic import BaseModel, ValidationError

from quarterdeck.sdk.calls import Call, Reply
from quarterdeck.sdk.patience import unreachable
from quarterdeck.sdk.problems import unreadable
from quarterdeck.sdk.sse import Message, SseParser
from quarterdeck.wire.v1.events import EventView, LogEnd, LogView

if TYPE_CHECKING:
    from collections.abc import Callable

PARTIAL_CONTENT: Final = 206
T_co = TypeVar("T_co", covariant=True)
M = TypeVar("M", bound=BaseModel)


class Follower(Protocol, Generic[T_co]):
    """What a transport needs to know of a stream."""

    call: Call[Reply]
    is_done: bool

    def begin(self) -> dict[str, str]:
        """A new connection is about to be made; headers that say where to go on."""

    def accept(self, status: int) -> None:
        """The connection was answered, with this status."""

    def feed(self, piece: bytes) -> Iterator[T_co]:
        """What the piece completes."""

    def end(self) -> None:
        """The answer ended as it should, or raises what leads to another connection."""


class MessageFollower(Generic[T_co]):
    """Server-sent events, gone on with by the id of the last one."""

    def __init__(self, call: Call[Reply], read: Callable[[Message], T_co | None]) -> None:
        self.call = call
        self.is_done = False
        self._read = read
        self._parser = SseParser()
        self._last_id = ""

    def begin(self) -> dict[str, str]:
        """Forgets half a message of the connection before."""
        self._parser = SseParser()
        return {"Last-Event-ID": self._last_id} if self._last_id else {}

    def accept(self, status: int) -> None:
        """Any success is one."""

    def feed(self, piece: bytes) -> Iterator[T_co]:
        """What the whole messages say."""
        for message in self._parser.feed(piece):
            self._last_id = message.id or self._last_id
            read = self._read(message)
            if read is None:
                continue
            self.is_done = isinstance(read, LogEnd)
            yield read
            if self.is_done:
                return

    def end(self) -> None:
        """No stream ends before it says so: the server went down."""
        raise unreachable(self.call.path, EOFError("the stream broke off"))


class FileFollower:
    """A file's bytes from an offset on. Each connection asks for what is left; what a server that
    knows no ranges gives once more is skipped.

    An attempt that has ended changes nothing any more, so it is the same file every time.
    """

    def __init__(self, call: Call[Reply], offset: int = 0) -> None:
        self.call = call
        self.is_done = False
        self._given_bytes = offset
        self._to_skip = 0

    @property
    def given_bytes(self) -> int:
        """Up to where it was given out."""
        return self._given_bytes

    def begin(self) -> dict[str, str]:
        """From where it broke off."""
        return {"Range": f"bytes={self._given_bytes}-"} if self._given_bytes else {}

    def accept(self, status: int) -> None:
        """Whether the answer begins where it was asked to."""
        self._to_skip = 0 if status == PARTIAL_CONTENT else self._given_bytes

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What of the piece is new."""
        skipped = min(self._to_skip, len(piece))
        self._to_skip -= skipped
        self._given_bytes += len(piece) - skipped
        if skipped < len(piece):
            yield piece[skipped:]

    def end(self) -> None:
        """It is whole: a broken connection would have failed by the announced length."""


def follow_log(call: Call[Reply]) -> MessageFollower[LogView | LogEnd]:
    """A log's stream; its last message is a `LogEnd`."""
    return MessageFollower(call, _read_log)


def follow_events(call: Call[Reply]) -> MessageFollower[EventView]:
    """The event log's stream, without end."""
    return MessageFollower(call, lambda message: _parse(EventView, message))


def _read_log(message: Message) -> LogView | LogEnd | None:
    """None for a kind that is newer than this client."""
    if message.kind == "log":
        return _parse(LogView, message)
    if message.kind == "end":
        return _parse(LogEnd, message)
    return None


def _parse(model: type[M], message: Message) -> M:
    try:
        return model.model_validate_json(message.data)
    except ValidationError as error:
        raise unreadable(model.__name__, error) from None
