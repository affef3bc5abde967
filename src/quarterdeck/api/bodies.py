"""How large a body may be, by path, and reading one that is parsed on a worker thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError

from quarterdeck.api.problems import answer_error
from quarterdeck.basics.errors import Invalid, QuarterdeckError
from quarterdeck.basics.quantities import format_bytes

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON_BYTES_MAX: Final = 16 * 2**20
SNAPSHOT_BYTES_MAX: Final = 64 * 2**20
"""A manifest of as many files as a work folder may have."""

B = TypeVar("B", bound=BaseModel)


class BodyLimits:
    """ASGI middleware that ends a request whose body is too large, at the first byte too many."""

    def __init__(self, app: ASGIApp, blob_bytes_max: int) -> None:
        self._app = app
        self._blob_bytes_max = blob_bytes_max

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse by the announced length where there is one, else by counting."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit_of(scope["path"])
        announced = next((v for k, v in scope["headers"] if k == b"content-length"), b"")
        if announced.isdigit() and (len(announced) > 18 or int(announced) > limit):
            await answer_error(_too_large(limit))(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            if message["type"] == "http.request":
                seen += len(message.get("body", b""))
                if seen > limit:
                    raise _too_large(limit)
            return message

        await self._app(scope, counted, send)

    def _limit_of(self, path: str) -> int:
        if path.startswith("/v1/blobs/"):
            return self._blob_bytes_max
        return SNAPSHOT_BYTES_MAX if path == "/v1/snapshots" else JSON_BYTES_MAX


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
