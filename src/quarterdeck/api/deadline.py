"""An end to waiting: a request whose answer has not begun in time is answered 503.

What was asked may be done all the same: a thread that works on it cannot be stopped halfway. The
answer says so, and what comes of it later goes nowhere.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from quarterdeck.api.problems import answer_error
from quarterdeck.basics.errors import Unavailable

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from quarterdeck.api.limits import DoorLimits

_MORE_S_OF_PATH: Final = {"/v1/gc": 600.0}
"""Deletes many files in one request."""
_LONG_POLL_S: Final = 300.0


class Deadline:
    """ASGI middleware; see the module. While a body still comes, the time begins anew with each
    piece of it: how slow it may be is the business of `Bodies`."""

    def __init__(self, app: ASGIApp, limits: DoorLimits) -> None:
        self._app = app
        self._limit_s = limits.answer_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or say that it takes too long."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        late = _Late(scope, receive, send, self._limit_s_of(scope))
        late.start_again()
        try:
            await self._app(scope, late.receive, late.send)
        finally:
            await late.close()

    def _limit_s_of(self, scope: Scope) -> float:
        more_s = _MORE_S_OF_PATH.get(scope["path"], 0.0)
        return self._limit_s + (_LONG_POLL_S if b"wait_s=" in scope["query_string"] else more_s)


class _Late:
    """One request and its time."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, limit_s: float) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._limit_s = limit_s
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._answering: asyncio.Task[None] | None = None
        self._has_begun = False
        self._is_upload = False

    @property
    def is_over(self) -> bool:
        """Whether it was answered for the route."""
        return self._answering is not None

    def start_again(self) -> None:
        """The time begins now."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(self._limit_s, self._end)

    async def receive(self) -> Message:
        """Pass on what comes."""
        message = await self._receive()
        # Most bodies come as one piece, and cost no second timer.
        self._is_upload = self._is_upload or message.get("more_body", False)
        if self._is_upload and not self._has_begun and not self.is_over:
            self.start_again()
        return message

    async def send(self, message: Message) -> None:
        """Pass on what goes, unless somebody has answered already."""
        if self.is_over:
            return
        if not self._has_begun:
            self._has_begun = True
            if self._timer is not None:
                self._timer.cancel()
        await self._send(message)

    async def close(self) -> None:
        """Wait for an answer that is on its way."""
        if self._timer is not None:
            self._timer.cancel()
        if self._answering is not None:
            await self._answering

    def _end(self) -> None:
        error = Unavailable(
            f"the answer has not begun within {self._limit_s:g}s",
            code="too_slow",
            hint="it may be done all the same: look before you repeat it",
        )
        answer = answer_error(error)
        # The route's own task is not cancelled: its thread would go on, and count as free.
        self._answering = self._loop.create_task(answer(self._scope, self._receive, self._send))
