"""Turn an answer that is no success into an error of the house."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

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
from quarterdeck.wire.v1.server import Problem

if TYPE_CHECKING:
    from quarterdeck.sdk.calls import Reply

_BY_STATUS: Final[dict[int, type[QuarterdeckError]]] = {
    400: Invalid,
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    413: Invalid,
    422: Invalid,
}
_BY_CODE: Final[dict[str, type[QuarterdeckError]]] = {
    "unsatisfiable": Unsatisfiable,
    "stale": Stale,
}


class ServerFault(QuarterdeckError):
    """The server failed on a request that it should have served."""

    code = "server_fault"


def check(reply: Reply) -> Reply:
    """The reply if it is a success; raises what it says otherwise."""
    if reply.status < 400:
        return reply
    raise as_error(reply)


def as_error(reply: Reply) -> QuarterdeckError:
    """The error that a problem document describes; another answer is described by its status."""
    try:
        problem = Problem.model_validate_json(reply.body)
    except ValidationError:
        shown = reply.body[:200].decode(errors="replace")
        problem = Problem(
            type="about:blank",
            title="",
            status=reply.status,
            detail=f"the server answered {reply.status}: {shown}",
            code=f"http_{reply.status}",
            hint="is this a Quarterdeck server?",
        )
    family = _BY_CODE.get(problem.code) or _BY_STATUS.get(reply.status) or _by_range(reply.status)
    return family(problem.detail, code=problem.code, hint=problem.hint, field=problem.field)


def _by_range(status: int) -> type[QuarterdeckError]:
    if status in (502, 503, 504):
        return Unavailable
    return ServerFault if status >= 500 else Refused
