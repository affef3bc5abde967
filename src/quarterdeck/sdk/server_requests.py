"""Requests about the server itself, without any I/O: what to send, and how to read the answer."""

from __future__ import annotations

from quarterdeck.sdk.calls import Call
from quarterdeck.sdk.requests import JSON, UPLOAD_S, as_model, body_of, dry, nothing
from quarterdeck.wire.v1.gc import GcReport
from quarterdeck.wire.v1.pools import PoolList, PoolsAnswer, PoolsRequest
from quarterdeck.wire.v1.promises import PromiseStats
from quarterdeck.wire.v1.server import PolicyView, ServerView, ShutdownRequest


def get_server() -> Call[ServerView]:
    """Who answers."""
    return Call("GET", "/v1/server", as_model(ServerView))


def get_policy() -> Call[PolicyView]:
    """What the scheduler follows."""
    return Call("GET", "/v1/policy", as_model(PolicyView))


def list_pools() -> Call[PoolList]:
    """What teams are guaranteed, and hold."""
    return Call("GET", "/v1/pools", as_model(PoolList))


def put_pools(text: str, *, dry_run: bool = False) -> Call[PoolsAnswer]:
    """Other guarantees, as YAML with the key `pools`."""
    body = body_of(PoolsRequest(text=text))
    return Call(
        "PUT", "/v1/pools", as_model(PoolsAnswer), query=dry(dry_run), headers=JSON, body=body
    )


def count_promises(days: int) -> Call[PromiseStats]:
    """How many promised starts were kept, on the last so many days that had any."""
    return Call("GET", "/v1/stats/promises", as_model(PromiseStats), query={"days": days})


def shut_down(*, stop_jobs: bool) -> Call[None]:
    """End the server."""
    body = body_of(ShutdownRequest(stop_jobs=stop_jobs))
    path = "/v1/server/shutdown"
    return Call("POST", path, nothing, headers=JSON, body=body, is_repeatable=False)


def sweep(*, dry_run: bool = False) -> Call[GcReport]:
    """Delete what retention lets go, or say what that would be."""
    return Call("POST", "/v1/gc", as_model(GcReport), query=dry(dry_run), answer_s=UPLOAD_S)
