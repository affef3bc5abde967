"""What both transports do alike with their HTTP library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import httpx2

from quarterdeck.sdk.calls import FileBody, Reply
from quarterdeck.sdk.find import is_loopback
from quarterdeck.sdk.patience import unreachable

if TYPE_CHECKING:
    from quarterdeck.sdk.calls import Call
    from quarterdeck.sdk.find import Address
    from quarterdeck.sdk.problems import Unanswered

CONNECT_S: Final = 5.0
IDLE_S: Final = 45.0
"""A stream says something every 15 seconds; one that is silent for three times that is dead."""
KEEP_CONNECTION_S: Final = 2.0
"""Shorter than a server's usual 5 s: we drop an idle connection, not it under our next request."""
_NOT_SENT: Final = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


def client_options(address: Address) -> dict[str, Any]:
    """How to connect. Redirects are not followed: they would carry the token away. Certificates
    take 50 ms to load, so only where one will be looked at; no proxy leads to this machine."""
    return {
        "timeout": httpx2.Timeout(IDLE_S, connect=CONNECT_S),
        "limits": httpx2.Limits(max_connections=100, keepalive_expiry=KEEP_CONNECTION_S),
        "trust_env": not is_loopback(address.url),
        "verify": address.url.startswith("https:"),
        "follow_redirects": False,
    }


def request_options(call: Call[Any], address: Address) -> dict[str, Any]:
    """The request, all but the bytes of a file."""
    headers = {"Accept-Encoding": "identity", **call.headers}
    if call.needs_token:
        headers["Authorization"] = f"Bearer {address.token}"
    options: dict[str, Any] = {
        "method": call.method,
        "url": address.url + call.path,
        "params": dict(call.query),
        "headers": headers,
    }
    if isinstance(call.body, FileBody):
        headers["Content-Length"] = str(call.body.size_bytes)
    else:
        options["content"] = call.body
    return options


def reply_of(response: httpx2.Response, body: bytes) -> Reply:
    """A whole answer."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, body)


def failure_of(error: httpx2.TransportError, address: Address) -> Unanswered:
    """The error of the house for a connection that failed."""
    return unreachable(address.url, error, may_have_acted=not isinstance(error, _NOT_SENT))
