"""The Python client: `Client` and `AsyncClient` over one layer of requests that does no I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from quarterdeck.sdk.async_client import AsyncClient
    from quarterdeck.sdk.client import Client
    from quarterdeck.wire.v1.bookings import BookingRequest
    from quarterdeck.wire.v1.jobs import JobRequest

__all__ = ["AsyncClient", "BookingRequest", "Client", "JobRequest"]

_HOMES = {
    "AsyncClient": "quarterdeck.sdk.async_client",
    "BookingRequest": "quarterdeck.wire.v1.bookings",
    "Client": "quarterdeck.sdk.client",
    "JobRequest": "quarterdeck.wire.v1.jobs",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - one of those above
    """Import what is asked for, and only that: the command line starts quickly."""
    import importlib

    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
