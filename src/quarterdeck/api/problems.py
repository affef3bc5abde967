"""Every refusal and failure as RFC 9457 problem details. Only this module knows HTTP statuses.

What the house raises on purpose has a code, a message and a hint, and goes out as it is. Anything
else is a bug: it is logged with its traceback under a reference, and the client gets the reference.
"""

from __future__ import annotations

import logging
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from quarterdeck.basics.errors import (
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    QuarterdeckError,
    Stale,
    Unavailable,
    Unsatisfiable,
)
from quarterdeck.wire.v1.jobs import KEYS_NOT_YET
from quarterdeck.wire.v1.server import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MEDIA_TYPE: Final = "application/problem+json"
RETRY_AFTER_S: Final = 1
_RETRY_AFTER_S_OF_CODE: Final = {"disk_full": 30}
"""Somebody has to make room first."""
VALUE_CHARS_MAX: Final = 80
_STATUS_OF_CODE: Final = {
    "no_token": 401,
    "unknown_token": 401,
    "unreadable_body": 400,
    "unreadable_request": 400,
    "bad_target": 400,
    "ambiguous_request": 400,
    "too_many_parameters": 400,
    "body_too_large": 413,
    "body_too_slow": 408,
    "header_too_slow": 408,
    "url_too_long": 414,
    "headers_too_large": 431,
    "too_many_requests": 429,
    "too_many_streams": 429,
    "deleted_by_retention": 410,
}
_STATUS_OF_CLASS: Final[tuple[tuple[type[QuarterdeckError], int], ...]] = (
    (Invalid, 422),
    (NotFound, 404),
    (NotAllowed, 403),
    (Conflict, 409),
    (Unsatisfiable, 422),
    (Stale, 409),
    (Unavailable, 503),
)
_LAST_OF_CONNECTION: Final = frozenset({408, 413, 429, 431})
"""After these the rest of the request may still be on its way, and nobody will read it; or the
client shall not come back at once."""
_EITHER_OR: Final = (("run",), ("nodes",), ("resources", "gpu"))
"""Fields of two possible types: the framework adds each type that it tried to the name."""

_log = logging.getLogger(__name__)


def status_of(error: QuarterdeckError) -> int:
    """The HTTP status of an error of the house."""
    if error.code in _STATUS_OF_CODE:
        return _STATUS_OF_CODE[error.code]
    for family, status in _STATUS_OF_CLASS:
        if isinstance(error, family):
            return status
    return 400


def answer_error(error: QuarterdeckError) -> Response:
    """The answer to a request that an error of the house ended."""
    status = status_of(error)
    headers: dict[str, str] = {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    elif status in (429, 503):
        known_s = error.again_in_s if isinstance(error, Unavailable) else None
        wait_s = known_s or _RETRY_AFTER_S_OF_CODE.get(error.code, RETRY_AFTER_S)
        headers["Retry-After"] = str(wait_s)
    if status in _LAST_OF_CONNECTION or error.code == "ambiguous_request":
        headers["Connection"] = "close"
    return _answer(status, error.code, error.message, error.hint, error.field, headers)


def answer_bug(error: BaseException, method: str, path: str) -> Response:
    """The answer to a request that a bug ended: nothing of it but where to look."""
    reference = secrets.token_hex(6)
    _log.error("%s %r failed, reference %s", method, path, reference, exc_info=error)
    return _answer(
        500,
        "internal_error",
        f"this is a fault of the server; its log has the details under reference {reference}",
        "report it with the reference; the request may be repeated",
    )


class BugBarrier:
    """ASGI middleware that turns an unexpected exception into a problem, before anything else can
    show it to the client."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request; after the first byte has left, only the log can tell."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def watched(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:  # noqa: BLE001 - this is where they all end
            answer = answer_bug(error, scope["method"], scope["path"])
            if not has_started:
                await answer(scope, receive, send)


class _ProblemAnswer(Response):
    """An answer that leaves its code where the audit log finds it."""

    media_type = MEDIA_TYPE

    def __init__(
        self, code: str, body: str, status: int, headers: Mapping[str, str] | None
    ) -> None:
        super().__init__(body, status, headers)
        self._code = code

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        scope.setdefault("state", {})["problem_code"] = self._code
        await super().__call__(scope, receive, send)


def install(app: FastAPI) -> None:
    """Let the app answer every error by this module."""
    app.add_exception_handler(QuarterdeckError, _on_house_error)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(HTTPException, _on_http_error)


async def _on_house_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, QuarterdeckError)
    return answer_error(error)


async def _on_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return answer_error(explain_invalid(error.errors()))


async def _on_http_error(request: Request, error: Exception) -> Response:
    """What the framework refuses by itself: unknown paths and methods, bodies it cannot read."""
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, QuarterdeckError):
        return answer_error(error.__cause__)
    method, path = request.method, request.scope["path"]
    if error.status_code == 404:
        return _answer(
            404,
            "no_such_path",
            f"there is nothing at {_shown(path)}",
            "GET /openapi.json lists every path",
        )
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return _answer(
            405,
            "method_not_allowed",
            f"{_shown(method)} is not for {_shown(path)}",
            f"use {allowed}",
            headers=error.headers,
        )
    if error.status_code == 400:
        return answer_error(_unreadable("it could not be read"))
    title = HTTPStatus(error.status_code).phrase
    return _answer(error.status_code, "refused", title, headers=error.headers)


def explain_invalid(faults: Sequence[Any]) -> QuarterdeckError:
    """The first fault of a request that does not have the form it should, in the house's words."""
    fault = faults[0]
    kind = str(fault.get("type", ""))
    place = [str(part) for part in fault.get("loc", ())]
    field = _field_of(place)
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    if kind == "json_invalid":
        reason = (fault.get("ctx") or {}).get("error", "")
        return _unreadable(f"{reason} at character {field}" if field else str(reason))
    if kind == "missing":
        what = field or "the body"
        return Invalid(f"{what} is missing{more}", field=field, hint=f"add {what}")
    if kind == "extra_forbidden":
        return _unknown_key(field, more)
    if not field:
        return Invalid(
            f"the body is not a JSON object: {fault.get('msg', '')}",
            hint="send a JSON object with the header Content-Type: application/json",
        )
    # Values of variables are often secrets: they are not repeated.
    value = "" if "env" in place else f" {_shown(fault.get('input'))}"
    return Invalid(
        f"{field} is{value or ' wrong'}: {fault.get('msg', 'it has the wrong form')}{more}",
        field=field,
        hint="GET /openapi.json describes every field",
    )


def _field_of(place: list[str]) -> str:
    """The field's name as the client knows it: without where it was looked for, and without the
    type that was tried where a field may have one of two."""
    if place[:1] in (["body"], ["query"], ["path"], ["header"]):
        place = place[1:]
    for either in _EITHER_OR:
        if tuple(place[: len(either)]) == either:
            place = list(either)
    return ".".join(place)


def _unknown_key(field: str, more: str) -> Invalid:
    if field in KEYS_NOT_YET:
        return Invalid(
            f"{field} is not available on this server yet{more}",
            code="not_available",
            field=field,
            hint="leave it out",
        )
    return Invalid(
        f"there is no field {_shown(field)}{more}",
        code="unknown_field",
        field=field[:VALUE_CHARS_MAX],
        hint="check the spelling, or leave it out; GET /openapi.json describes every field",
    )


def _unreadable(reason: str) -> Invalid:
    return Invalid(
        f"the body is not JSON: {reason}",
        code="unreadable_body",
        hint="send a JSON object in UTF-8",
    )


def _shown(value: object) -> str:
    """A value for people; `ascii` because what came in may not be valid Unicode."""
    text = ascii(value) if not isinstance(value, str) or not value.isprintable() else repr(value)
    return text if len(text) <= VALUE_CHARS_MAX else text[: VALUE_CHARS_MAX - 1] + "…"


def _answer(
    status: int,
    code: str,
    detail: str,
    hint: str = "",
    field: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    problem = Problem(
        type=f"/problems/{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=_sendable(detail),
        code=code,
        hint=_sendable(hint),
        field=_sendable(field),
    )
    return _ProblemAnswer(code, problem.model_dump_json(), status, headers)


def _sendable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
