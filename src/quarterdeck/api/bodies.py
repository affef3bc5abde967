"""How large, how slow and how deep a body may be, and reading one on a worker thread."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, TypeVar

import anyio.to_thread
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from starlette.requests import ClientDisconnect

from quarterdeck.api.nesting import DEPTH_MAX, is_too_deep
from quarterdeck.api.problems import answer_error
from quarterdeck.basics.errors import Invalid, QuarterdeckError
from quarterdeck.basics.quantities import format_bytes

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from quarterdeck.api.limits import DoorLimits

JSON_BYTES_MAX: Final = 16 * 2**20
SNAPSHOT_BYTES_MAX: Final = 64 * 2**20
"""A manifest of as many files as a work folder may have."""
BLOBS: Final = "/v1/blobs/"
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding"})
"""A request with neither has no body (RFC 9112, section 6.3)."""
_DEPTH_ON_LOOP_BYTES_MAX: Final = 2**18
"""A larger one is looked through on a thread, so that nobody else waits for it."""

B = TypeVar("B", bound=BaseModel)


class Bodies:
    """ASGI middleware that refuses a body that is too large, too slow or too deep.

    A body that is parsed is read as a whole first, so that no route begins on half of one; it ends
    at the first byte too many. A blob goes through piece by piece.
    """

    def __init__(self, app: ASGIApp, blob_bytes_max: int, limits: DoorLimits) -> None:
        self._app = app
        self._blob_bytes_max = blob_bytes_max
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse by the announced length where there is one, else by counting."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        framing = {name: value for name, value in scope["headers"] if name in _FRAMING}
        if not framing:
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        announced = framing.get(b"content-length", b"")
        if announced.isdigit() and (len(announced) > 18 or int(announced) > limit):
            await answer_error(_too_large(limit))(scope, receive, send)
            return
        paced = _Paced(receive, limit, self._limits)
        if scope["path"].startswith(BLOBS):
            await self._app(scope, paced.receive, send)
            return
        try:
            body = await paced.read_all()
            if len(body) > _DEPTH_ON_LOOP_BYTES_MAX:
                await anyio.to_thread.run_sync(_check_depth, body)
            else:
                _check_depth(body)
        except ClientDisconnect:
            return
        except QuarterdeckError as error:
            await answer_error(error)(scope, receive, send)
            return
        is_told = False

        async def whole() -> Message:
            nonlocal is_told
            if is_told:
                return await receive()
            is_told = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self._app(scope, whole, send)

    def _limit_of(self, path: str) -> int:
        if path.startswith(BLOBS):
            return self._blob_bytes_max
        return SNAPSHOT_BYTES_MAX if path == "/v1/snapshots" else JSON_BYTES_MAX


class _Paced:
    """A body with a limit of size and of the time that is spent on waiting for it. Time in which
    the server itself was not ready to take more counts for nothing."""

    def __init__(self, receive: Receive, limit: int, limits: DoorLimits) -> None:
        self._receive = receive
        self._limit = limit
        self._limits = limits
        self._seen = 0
        self._waited_s = 0.0
        self._is_complete = False

    async def receive(self) -> Message:
        """The next piece."""
        if self._is_complete:
            return await self._receive()
        rate = self._limits.body_bytes_per_second
        allowed_s = self._limits.body_seconds + self._seen / rate
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(max(0.0, allowed_s - self._waited_s)):
                message = await self._receive()
        except TimeoutError:
            raise Invalid(
                f"of the body {self._seen} bytes came in {allowed_s:.0f}s; "
                f"{format_bytes(int(rate))} a second are expected",
                code="body_too_slow",
                hint="send it again over a better line",
            ) from None
        self._waited_s += time.monotonic() - began_s
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            self._is_complete = not message.get("more_body", False)
            if self._seen > self._limit:
                raise _too_large(self._limit)
        return message

    async def read_all(self) -> bytes:
        """The whole of it."""
        pieces = []
        while not self._is_complete:
            message = await self.receive()
            if message["type"] != "http.request":
                raise ClientDisconnect
            pieces.append(message.get("body", b""))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _check_depth(body: bytes) -> None:
    if b"\0" in body:
        raise Invalid(
            "the body is not JSON: it has a NUL byte",
            code="unreadable_body",
            hint="send a JSON object in UTF-8",
        )
    if is_too_deep(body):
        raise Invalid(
            f"the body is nested more than {DEPTH_MAX} deep",
            code="body_too_deep",
            hint="nothing that this server takes is nested so deep",
        )


def parse_body(model: type[B], body: bytes) -> B:
    """The body as a model, for a route that keeps a long parse off the event loop."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        for fault in faults:
            fault["loc"] = ("body", *fault["loc"])
        raise RequestValidationError(faults) from None


def _too_large(limit: int) -> QuarterdeckError:
    return Invalid(
        f"the body is larger than the {format_bytes(limit)} that this path takes",
        code="body_too_large",
        hint="leave out what is not needed, for example with a .qdignore file",
    )
