"""One record of the audit log for every request, allowed or refused.

This is plain ASGI middleware outside the guard, so what the guard, the body limits or the router
refuse is recorded like everything else. Who may change something gets the answer only when its
record is durable; a read is recorded without waiting for the disk. While nothing can be recorded,
nothing can be changed either: such requests are refused before anybody looks at them.

Not recorded are the two health probes, which carry no token and say nothing: a balancer asks every
second, and a year of that would bury what matters. One that is refused for its Host or Origin is.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from quarterdeck.api.guard import PROBES
from quarterdeck.api.problems import answer_error
from quarterdeck.basics.errors import Unavailable
from quarterdeck.core.audit.record import Entry
from quarterdeck.ports.audit import audit_unavailable

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from quarterdeck.ports.audit import AuditLog, Ticket

READS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
"""Methods that change nothing here; any other one is taken to change something."""
REQUEST_ID: Final = b"qd-request-id"
GIVEN_ID_CHARS_MAX: Final = 64
TARGET_CHARS_MAX: Final = 128
ID_BYTES: Final = 8
IDS_AT_ONCE: Final = 256
SECRET_PARAMETERS: Final = frozenset({"token", "secret", "code"})
"""Names of path parameters whose values are never written down."""


def tell_audit(request: Request, about: str) -> None:
    """What a request is about that is not in its path: it becomes part of its record."""
    request.state.about = about


class Audit:
    """Records each request at the start of its answer: a stream may have no end."""

    def __init__(self, app: ASGIApp, log: AuditLog, policy_version: str) -> None:
        self._app = app
        self.log = log
        self._policy_version = policy_version
        self._ids = _RequestIds()
        self._wakeup: _Wakeup | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve and record it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state: dict[str, Any] = scope.setdefault("state", {})
        state["request_id"] = self._ids.draw()
        answer = _Answer(self, scope, send)
        try:
            if scope["method"] not in READS and self.log.is_failing:
                await answer.refuse(audit_unavailable("its disk takes nothing at the moment"))
            else:
                await self._app(scope, receive, answer.send)
        finally:
            if not answer.is_recorded:
                self.log.append(self.entry_of(scope, 0, "unanswered"))

    async def settle(self, entry: Entry) -> Ticket:
        """Append it and wait until the log is done with it, without holding up the event loop."""
        loop, wakeup = asyncio.get_running_loop(), self._wakeup
        if wakeup is None or wakeup.loop is not loop:
            wakeup = self._wakeup = _Wakeup(loop)
        done = asyncio.Event()
        ticket = self.log.append(entry, lambda _: wakeup.wake(done))
        await done.wait()
        return ticket

    def entry_of(self, scope: Scope, status: int, code: str, made: str = "") -> Entry:
        """What is told of a request that was answered so."""
        parameters = scope.get("path_params") or {}
        actor_id, actor, on_behalf_of = _who(scope)
        client = scope.get("client")
        route = scope.get("route")
        # A route of another method's is no route of this request.
        operation = "" if status == 405 else getattr(route, "operation_id", None) or ""
        target = made or next(
            (str(one) for name, one in parameters.items() if name not in SECRET_PARAMETERS), ""
        )
        return Entry(
            operation,
            request_id=scope["state"]["request_id"],
            actor_id=actor_id,
            actor=actor,
            on_behalf_of=on_behalf_of,
            source=str(client[0]) if client else "",
            method=scope["method"],
            path=_path_of(scope, parameters),
            target=target[:TARGET_CHARS_MAX],
            status=status,
            outcome="allowed" if 0 < status < 400 else "refused",
            code=code,
            policy_version=self._policy_version,
            detail=_detail_of(scope),
        )


class _Answer:
    """One request's way out."""

    def __init__(self, audit: Audit, scope: Scope, send: Send) -> None:
        self.is_recorded = False
        self._audit = audit
        self._scope = scope
        self._send = send
        self._is_replaced = False

    async def send(self, message: Message) -> None:
        """Pass it on; the beginning once it is recorded. An answer that may not leave is replaced
        here: whoever sent it believes that it is on its way and could not send another."""
        if self._is_replaced:
            return
        if message["type"] == "http.response.start" and not self.is_recorded:
            self.is_recorded = True
            try:
                await self._record(message)
            except Unavailable as error:
                await self.refuse(error)
                return
            name = (REQUEST_ID, self._scope["state"]["request_id"].encode())
            message["headers"] = [*message.get("headers", ()), name]
        await self._send(message)

    async def refuse(self, error: Unavailable) -> None:
        """Answer that instead. The log counts the request as missing, so it is recorded too."""
        scope, problem = self._scope, answer_error(error)
        self._is_replaced = True
        if not self.is_recorded:
            self.is_recorded = True
            self._audit.log.append(self._audit.entry_of(scope, problem.status_code, error.code))
        problem.headers["QD-Request-Id"] = scope["state"]["request_id"]
        await problem(scope, _nothing, self._send)

    async def _record(self, start: Message) -> None:
        """Record it; for what may have changed something wait until that is durable."""
        scope, log, status = self._scope, self._audit.log, start["status"]
        if (scope["method"], scope["path"]) in PROBES and status != 403:
            return
        code = scope["state"].get("problem_code", "")
        entry = self._audit.entry_of(scope, status, code, _location(start))
        if scope["method"] not in READS:
            (await self._audit.settle(entry)).wait()
        elif log.is_busy:
            await self._audit.settle(entry)
        else:
            log.append(entry)


class _RequestIds:
    """Request ids that nobody can guess. The system is asked for hundreds at a time: each time it
    is asked, another thread may take the interpreter, and the event loop waits to have it back."""

    def __init__(self) -> None:
        self._digits, self._place = "", 0

    def draw(self) -> str:
        """Another one. Only the event loop draws."""
        if self._place >= len(self._digits):
            self._digits, self._place = secrets.token_hex(ID_BYTES * IDS_AT_ONCE), 0
        start, self._place = self._place, self._place + 2 * ID_BYTES
        return self._digits[start : self._place]


class _Wakeup:
    """Wakes those who wait for their records. One sync settles many records one after the other;
    the loop is woken for the first and finds the others beside it."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._settled: deque[asyncio.Event] = deque()
        self._is_asked = False

    def wake(self, waiting: asyncio.Event) -> None:
        """From any thread."""
        self._settled.append(waiting)
        if not self._is_asked:
            self._is_asked = True
            self.loop.call_soon_threadsafe(self._wake_all)

    def _wake_all(self) -> None:
        # Whoever comes from here on asks again; whoever came before is found below.
        self._is_asked = False
        while self._settled:
            self._settled.popleft().set()


async def _nothing() -> Message:
    return {"type": "http.disconnect"}


def _who(scope: Scope) -> tuple[str, str, str]:
    """Id, name and on whose behalf; all empty for who was not let in."""
    actor = scope["state"].get("actor")
    if actor is None:
        return "", "", ""
    return getattr(actor, "id", actor.name), actor.name, getattr(actor, "on_behalf_of", "")


def _path_of(scope: Scope, parameters: dict[str, Any]) -> str:
    path: str = scope["path"]
    for name in SECRET_PARAMETERS & parameters.keys():
        path = path.replace(str(parameters[name]), "-")
    return path


def _detail_of(scope: Scope) -> str:
    """What its route told of it, whether it was a dry run, and what the client calls the request:
    that is not trusted, so it is kept only when it is short and plain. Nothing else of query or
    headers."""
    about = scope["state"].get("about")
    told = [about] if about else []
    if scope["query_string"]:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        if query.get("dry_run", ["false"])[-1].lower() not in ("false", "0", "no", "off"):
            told.append("dry run")
    for name, value in scope["headers"]:
        if name != REQUEST_ID:
            continue
        text = value.decode("latin-1")
        if text.isascii() and text.isprintable() and len(text) <= GIVEN_ID_CHARS_MAX:
            told.append(f"client's request id {text}")
            break
    return "; ".join(told)


def _location(start: Message) -> str:
    """The id of what was made, when something was."""
    if start["status"] == 201:
        for name, value in start["headers"]:
            if name.lower() == b"location":
                place: str = value.decode("latin-1")
                return place.rpartition("/")[2]
    return ""
