"""The form of a request before anybody asks who sends it: its address, its header, its framing.

Two programs that read one request differently are an attack (request smuggling, a proxy that checks
one path while the server serves another). So what can be read in two ways is refused, and what is
long without need is, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.api.problems import answer_error
from quarterdeck.basics.errors import Invalid, QuarterdeckError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

URL_BYTES_MAX: Final = 8192
PARAMETERS_MAX: Final = 256
HEADERS_MAX: Final = 100
HEADER_BYTES_MAX: Final = 32 * 1024
ONCE: Final = frozenset({b"authorization", b"content-length", b"transfer-encoding", b"host"})
"""Headers of which a second one says something else than the first."""

SAFE_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""On every answer: nothing that a job wrote is ever a page, a script or a picture of ours."""


class SafeHeaders:
    """ASGI middleware outside of all others, so that their answers have the headers, too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add what an answer does not say by itself."""

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = list(message.get("headers", ()))
                names = {name.lower() for name, _ in told}
                told += [one for one in SAFE_HEADERS if one[0] not in names]
                message["headers"] = told
            await send(message)

        await self._app(scope, receive, dressed)


class Form:
    """ASGI middleware that refuses a request by its form."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, then pass on."""
        if scope["type"] == "http":
            error = _fault_of(scope)
            if error is not None:
                await answer_error(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _fault_of(scope: Scope) -> QuarterdeckError | None:
    """What is wrong with it, if anything."""
    headers, query = scope["headers"], scope["query_string"]
    if not scope["path"].startswith("/"):
        return Invalid(
            f"the request is for {scope['path'][:80]!a}, which is no path",
            code="bad_target",
            hint="send the path alone; this server is nobody's proxy",
        )
    url_bytes = len(scope.get("raw_path") or b"") + len(query)
    if url_bytes > URL_BYTES_MAX:
        return Invalid(
            f"the address has {url_bytes} bytes; {URL_BYTES_MAX} are taken",
            code="url_too_long",
            hint="ask for less at once",
        )
    parameters = query.count(b"&") + 1
    if parameters > PARAMETERS_MAX:
        return Invalid(
            f"the address has {parameters} parameters; {PARAMETERS_MAX} are taken",
            code="too_many_parameters",
            hint="ask for less at once",
        )
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > HEADERS_MAX or size > HEADER_BYTES_MAX:
        return Invalid(
            f"the request has {len(headers)} headers with {size} bytes; {HEADERS_MAX} with "
            f"{HEADER_BYTES_MAX} are taken",
            code="headers_too_large",
            hint="leave out what is not needed",
        )
    return _ambiguity_of([name for name, _ in headers if name in ONCE])


def _ambiguity_of(names: list[bytes]) -> QuarterdeckError | None:
    twice = {name for name in names if names.count(name) > 1}
    # The guard has its own words for two hosts and two tokens.
    twice -= {b"host", b"authorization"}
    if not twice and not {b"content-length", b"transfer-encoding"} <= set(names):
        return None
    shown = " and ".join(sorted(name.decode() for name in twice or set(names) - {b"host"}))
    return Invalid(
        f"the request says in two ways where it ends: {shown}",
        code="ambiguous_request",
        hint="send one of Content-Length and Transfer-Encoding, once",
    )
