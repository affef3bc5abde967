"""What both transports do alike with their HTTP library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from quarterdeck.sdk.calls import Reply

if TYPE_CHECKING:
    import httpx2

    from quarterdeck.sdk.calls import Call
    from quarterdeck.sdk.find import Address

CONNECT_S: Final = 5.0
IDLE_S: Final = 45.0
"""A stream says something every 15 seconds; one that is silent for three times that is dead."""


def headers_of(call: Call[Any], address: Address) -> dict[str, str]:
    """The call's own headers and the token."""
    return {**call.headers, "Authorization": f"Bearer {address.token}"}


def reply_of(response: httpx2.Response, body: bytes) -> Reply:
    """A whole answer."""
    headers = {name.lower(): value for name, value in response.headers.items()}
    return Reply(response.status_code, headers, body)
