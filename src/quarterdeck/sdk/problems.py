"""Turn an answer that is no success into an error of the house."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import (
    Conflict,
    Invalid,
    NotAllowed,
    NotFound,
    QuarterdeckError,
    Refused,
    Stale,
    Unavailable,
    Unsatisfiable,
)

if TYPE_CHECKING:
    from pydantic import ValidationError

    from quarterdeck.sdk.calls import Reply

_BY_STATUS: Final[dict[int, type[QuarterdeckError]]] = {
    400: Invalid,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    413: Invalid,
    422: Invalid,
}
_AGAIN_LATER: Final = (429, 502, 503, 504)
RETRY_AFTER_S_MAX: Final = 30.0
_BY_CODE: Final[dict[str, type[QuarterdeckError]]] = {
    "unsatisfiable": Unsatisfiable,
    "stale": Stale,
}


class ServerFault(QuarterdeckError):
    """The server failed on a request that it should have served."""

    code = "server_fault"


class NotAServer(QuarterdeckError):
    """Something answered, but not as a Quarterdeck server of our time would."""

    code = "not_a_server"


class Busy(Unavailable):
    """The server, or a proxy before it, cannot now; asking again may help."""

    code = "busy"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str = "",
        field: str = "",
        retry_after_s: float = 0.0,
    ) -> None:
        super().__init__(message, code=code, hint=hint, field=field)
        self.retry_after_s = retry_after_s


class Unanswered(Unavailable):
    """The connection failed. `may_have_acted`: the request may have arrived all the same."""

    code = "unreachable"

    def __init__(self, message: str, *, may_have_acted: bool, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.may_have_acted = may_have_acted


class NoServer(Unavailable):
    """No server to be found. `is_announced`: there was one on this home, and it is gone."""

    code = "no_server"

    def __init__(self, message: str, *, is_announced: bool, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.is_announced = is_announced


def check(reply: Reply) -> Reply:
    """The reply if it is a success; raises what it says otherwise."""
    if 200 <= reply.status < 300:
        return reply
    raise as_error(reply)


def as_error(reply: Reply) -> QuarterdeckError:
    """The error that a problem document describes; any other answer is not a server's of ours."""
    # The classes above are also raised where there is no time to import models: at a key press.
    from pydantic import ValidationError

    from quarterdeck.wire.v1.server import Problem

    try:
        problem = Problem.model_validate_json(reply.body)
    except ValidationError:
        return _foreign(reply)
    if reply.status in _AGAIN_LATER:
        return Busy(
            problem.detail,
            code=problem.code,
            hint=problem.hint,
            field=problem.field,
            retry_after_s=_retry_after_s(reply),
        )
    family = _BY_CODE.get(problem.code) or _BY_STATUS.get(reply.status)
    family = family or (ServerFault if reply.status >= 500 else Refused)
    return family(problem.detail, code=problem.code, hint=problem.hint, field=problem.field)


def unreadable(what: str, error: ValidationError) -> NotAServer:
    """The error for an answer that succeeded but does not say what it should."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in first["loc"]) or "body"
    return NotAServer(
        f"the server's answer is not a {what}: {where}: {first['msg']}",
        code="unreadable_answer",
        hint="compare `qd --version` with the server's; they may be too far apart",
    )


def _foreign(reply: Reply) -> QuarterdeckError:
    if reply.status in _AGAIN_LATER:
        return Busy(
            f"a proxy answers {reply.status} for the server",
            code=f"http_{reply.status}",
            hint="see whether the server behind it runs",
            retry_after_s=_retry_after_s(reply),
        )
    shown = reply.body[:80].decode(errors="replace")
    return NotAServer(
        f"what answers there is not a Quarterdeck server: {reply.status} {shown!a}",
        hint="check QD_URL; `qd up` starts a server",
    )


def _retry_after_s(reply: Reply) -> float:
    """Seconds only: a date would trust two clocks to agree."""
    text = reply.headers.get("retry-after", "").strip()
    if not (text.isascii() and text.isdigit() and len(text) < 9):
        return 0.0
    return min(float(text), RETRY_AFTER_S_MAX)
