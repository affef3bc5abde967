"""How often one may ask: by person for those who have a token, by address for those who do not.

A person's bucket is large, so that an honest program never meets it; what is dear costs more of it.
An address's bucket is small and pays for refused requests only: a program with a wrong token uses
it up and is then refused in fewer words, while one with a right token, on the same machine, goes
on. Streams and long polls stay open, so they are counted instead.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import Counter
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from quarterdeck.api.guard import CODE_DOORS
from quarterdeck.api.problems import answer_error
from quarterdeck.basics.buckets import Buckets, Rate
from quarterdeck.basics.errors import QuarterdeckError, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from quarterdeck.api.limits import DoorLimits
    from quarterdeck.core.governance.principal import Principal

BODY_BYTES_PER_TOKEN: Final = 65536
SEARCH_COST: Final = 20.0
PLAN_COST: Final = 10.0
STREAM_COST: Final = 5.0
_COST_OF_PATH: Final = {
    "/v1/plans": PLAN_COST,
    "/v1/progress": 5.0,
    "/v1/gc": 100.0,
    "/openapi.json": 5.0,
}
STREAM_RETRY_S: Final = 5


def cost_of(scope: Scope) -> float:
    """What a request takes out of its asker's bucket: 1, and more for what is dear."""
    path, query = scope["path"], scope["query_string"]
    cost = _COST_OF_PATH.get(path, 1.0)
    if path.endswith("/export"):
        cost = 100.0
    elif path.endswith("/results"):
        cost = 5.0
    elif b"contains=" in query:
        cost = SEARCH_COST
    elif b"dry_run=" in query:
        cost = max(cost, PLAN_COST)
    if is_stream(scope):
        cost = max(cost, STREAM_COST)
    if scope["method"] == "POST":
        length = next((v for k, v in scope["headers"] if k == b"content-length"), b"")
        if length.isdigit() and len(length) < 12:
            cost += int(length) // BODY_BYTES_PER_TOKEN
    return cost


def is_stream(scope: Scope) -> bool:
    """Whether the answer stays open: events, a log that is followed, or a long poll."""
    path: str = scope["path"]
    return (
        path == "/v1/events" or path.endswith("/logs/stream") or b"wait_s=" in scope["query_string"]
    )


def who_asks(scope: Scope) -> str:
    """Who pays, by all tokens of theirs together: more tokens are not more requests. "" for what
    is open to all."""
    actor: Principal | None = scope.get("state", {}).get("actor")
    return "" if actor is None else actor.id or actor.name


def where_from(scope: Scope) -> str:
    """The address that a request came from. Of IPv6 the network: a household has one whole /64."""
    client = scope.get("client")
    if not client:
        return "unknown"
    try:
        address = ipaddress.ip_address(client[0])
    except ValueError:
        return str(client[0])
    if address.version == 6 and address.ipv4_mapped is None:
        return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
    return str(address)


class RefusalRate:
    """ASGI middleware outside the guard: of too many refusals the later ones are 429, and the
    connection is closed, so that each further guess costs a new one."""

    def __init__(
        self, app: ASGIApp, limits: DoorLimits, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._now_s = now_s
        self._buckets = Buckets(Rate(limits.refusals_per_minute / 60, limits.refusals_burst))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the answer through unless it is one refusal too many."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_replaced = False

        async def watched(message: Message) -> None:
            nonlocal is_replaced
            if message["type"] == "http.response.start" and _is_guess(scope, message["status"]):
                wait_s = self._buckets.take(where_from(scope), 1.0, self._now_s())
                if wait_s > 0:
                    is_replaced = True
                    told = "this address has sent too many requests without a valid token"
                    error = _too_many(told, wait_s)
                    await answer_error(error)(scope, receive, send)
            if not is_replaced:
                await send(message)

        await self._app(scope, receive, watched)


class TokenRate:
    """ASGI middleware inside the guard: takes each request's cost from the asker's bucket, and
    counts what stays open."""

    def __init__(
        self, app: ASGIApp, limits: DoorLimits, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._app = app
        self._limits = limits
        self._now_s = now_s
        self._buckets = Buckets(Rate(limits.requests_per_second, limits.requests_burst))
        self._open: Counter[str] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or answer 429."""
        who = who_asks(scope) if scope["type"] == "http" else ""
        if not who:
            await self._app(scope, receive, send)
            return
        wait_s = self._buckets.take(who, cost_of(scope), self._now_s())
        if wait_s > 0:
            rate = f"{self._limits.requests_per_second:g} requests a second"
            late = _too_many(f"{scope['state']['actor'].name} asks more often than {rate}", wait_s)
            await answer_error(late)(scope, receive, send)
            return
        if not is_stream(scope):
            await self._app(scope, receive, send)
            return
        error = self._why_no_stream(who, scope["state"]["actor"].name)
        if error is not None:
            await answer_error(error)(scope, receive, send)
            return
        self._open[who] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._open[who] -= 1
            if not self._open[who]:
                del self._open[who]

    def _why_no_stream(self, who: str, name: str) -> QuarterdeckError | None:
        for count, limit, whose in (
            (self._open[who], self._limits.streams_per_person, f"{name} has"),
            (self._open.total(), self._limits.streams, "there are"),
        ):
            if count >= limit:
                error = Unavailable(
                    f"{whose} {count} streams and long polls open, of {limit:g}",
                    code="too_many_streams",
                    hint="end one, or ask again in a while",
                )
                error.again_in_s = STREAM_RETRY_S
                return error
        return None


def _is_guess(scope: Scope, status: int) -> bool:
    """Whether an answer refused a token, or one of the codes that are as good as one."""
    if status == HTTPStatus.UNAUTHORIZED:
        return True
    is_door = (scope["method"], scope["path"]) in CODE_DOORS
    return is_door and HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR


def _too_many(message: str, wait_s: float) -> QuarterdeckError:
    error = Unavailable(
        message,
        code="too_many_requests",
        hint="ask again after the seconds in Retry-After, and less often",
    )
    error.again_in_s = max(1, math.ceil(wait_s))
    return error
