"""One connection of the web server, which is not held open by somebody who does nothing with it.

The web server itself waits for ever for the end of a header, for a body that nobody wanted, and for
a client that does not read. Each of these costs a descriptor, and a few hundred of them the server
(slowloris). Here each has a time, connections have a number, and what cannot be read as HTTP is
refused in the same form as anything else.
"""

from __future__ import annotations

import contextlib
import resource
import socket
import struct
import sys
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from quarterdeck.api.form import SAFE_HEADERS, SafeHeaders
from quarterdeck.api.problems import answer_error
from quarterdeck.basics.errors import Invalid, QuarterdeckError, Unavailable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from starlette.types import Receive, Scope, Send

    from quarterdeck.api.limits import DoorLimits

HEADER_BYTES_MAX: Final = 64 * 1024
"""Of a header that is not complete yet; what a complete one may have is in `api.form`."""
UNASKED_MARGIN: Final = 64
"""So many over the limit are still read, to be told why; the next are told at once."""
FILES_KEPT: Final = 256
"""Descriptors that connections leave to the store, to logs and to uploads."""
_FORGET: Final = struct.pack("ii", 1, 0)
_ALLOWED_TO_ANSWER: Final = (h11.IDLE, h11.SEND_RESPONSE)


def connections_max(limits: DoorLimits) -> int:
    """The limit, or less where this process may not have as many files open."""
    files_max = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if files_max == resource.RLIM_INFINITY:
        return int(limits.connections)
    return max(1, min(int(limits.connections), files_max - FILES_KEPT))


def make_protocol(limits: DoorLimits) -> type[Connection]:
    """The protocol with its limits, as the web server wants it: a class."""
    told = {"limits": limits, "count_max": connections_max(limits)}
    return type("LimitedConnection", (Connection,), told)


class Connection(H11Protocol):
    """See the module."""

    limits: ClassVar[DoorLimits]
    count_max: ClassVar[int]
    _patience: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has come."""
        super().connection_made(transport)
        count = len(self.connections)
        if count > self.count_max:
            self.app = _full
            if count > self.count_max + UNASKED_MARGIN:
                self._refuse(_too_many())
                return
        self._look()

    def connection_lost(self, exc: Exception | None) -> None:
        """Somebody has gone."""
        for timer in (self._patience, self._stalled):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """An answer has gone out; perhaps its request was not read to the end."""
        super().on_response_complete()
        self._look()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write, or not at all."""
        super().pause_writing()
        self._stalled = self.loop.call_later(self.limits.reader_seconds, self._reset)

    def resume_writing(self) -> None:
        """It reads again."""
        if self._stalled is not None:
            self._stalled.cancel()
        super().resume_writing()

    def timeout_keep_alive_handler(self) -> None:
        """Nothing was asked for a while."""
        super().timeout_keep_alive_handler()
        self._end_soon()

    def send_400_response(self, msg: str) -> None:
        """What came is not HTTP; `msg` says only that. Called where the reason is caught."""
        reason = sys.exception()
        if getattr(reason, "error_status_hint", 400) == 431:
            self._refuse(
                Invalid(
                    f"the header is larger than {HEADER_BYTES_MAX} bytes",
                    code="headers_too_large",
                    hint="leave out what is not needed",
                )
            )
            return
        self._refuse(
            Invalid(
                f"{msg.lower().rstrip('.')}: what came is not HTTP/1.1",
                code="unreadable_request",
                hint="is it TLS, or meant for another server?",
            )
        )

    @property
    def _asked(self) -> RequestResponseCycle | None:
        """The last request; there is none yet where nothing but a connection came."""
        return self.cycle

    def _look(self) -> None:
        """Wait only so long for what has to come next: the rest of a header, or of a body that
        nobody reads any more. The time is not begun anew by a byte now and then."""
        if self._is_header_due() or self._is_body_left():
            if self._patience is None and not self.transport.is_closing():
                self._patience = self.loop.call_later(self.limits.header_seconds, self._give_up)
        elif self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _is_header_due(self) -> bool:
        if self.conn.their_state is not h11.IDLE:
            return False
        return self._asked is None or bool(self.conn.trailing_data[0])

    def _is_body_left(self) -> bool:
        is_answered = self._asked is not None and self._asked.response_complete
        return is_answered and self.conn.their_state is h11.SEND_BODY

    def _give_up(self) -> None:
        self._patience = None
        if self._is_header_due() and self.conn.trailing_data[0]:
            self._refuse(
                Invalid(
                    f"the header was not complete within {self.limits.header_seconds:g}s",
                    code="header_too_slow",
                    hint="send it at once",
                )
            )
            return
        self.transport.close()
        self._end_soon()

    def _refuse(self, error: QuarterdeckError) -> None:
        """Answer, where that is still possible, and end the connection."""
        if self._asked is not None and not self._asked.response_complete:
            self._asked.disconnected = True
            self._asked.message_event.set()
        if self.conn.our_state in _ALLOWED_TO_ANSWER:
            answer = answer_error(error)
            headers = [one for one in answer.raw_headers if one[0] != b"connection"]
            headers.append((b"connection", b"close"))
            status, body = answer.status_code, bytes(answer.body)
            names = {name for name, _ in headers}
            headers += [one for one in SAFE_HEADERS if one[0] not in names]
            for event in (
                h11.Response(status_code=status, headers=headers, reason=_phrase(status)),
                h11.Data(data=body),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
        self._end_soon()

    def _end_soon(self) -> None:
        """What was written has a while to be read; then the connection ends without."""
        if self._stalled is not None:
            self._stalled.cancel()
        self._stalled = self.loop.call_later(self.limits.header_seconds, self._reset)

    def _reset(self) -> None:
        """End at once, and have the system forget what was not read, too."""
        line = self.transport.get_extra_info("socket")
        if line is not None:
            with contextlib.suppress(OSError):  # it ended by itself a moment ago
                line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _FORGET)
        self.transport.abort()


def _phrase(status: int) -> bytes:
    return HTTPStatus(status).phrase.encode()


def _too_many() -> Unavailable:
    return Unavailable(
        "the server has as many connections as it may",
        code="too_many_connections",
        hint="ask again in a second; use one client for many requests",
    )


async def _answer_full(scope: Scope, receive: Receive, send: Send) -> None:
    answer = answer_error(_too_many())
    answer.headers["Connection"] = "close"
    await answer(scope, receive, send)


_full: Callable[..., object] = SafeHeaders(_answer_full)
