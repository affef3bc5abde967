"""Points in time: integer nanoseconds since the epoch inside, ISO 8601 UTC text outside."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

NS_PER_S: Final = 1_000_000_000


def to_iso(at_ns: int) -> str:
    """UTC text with microseconds and a `Z`, for example `2026-11-23T09:45:00.000000Z`."""
    seconds, rest_ns = divmod(at_ns, NS_PER_S)
    whole = datetime.fromtimestamp(seconds, UTC).isoformat()[: len("2026-11-23T09:45:00")]
    return f"{whole}.{rest_ns // 1000:06d}Z"
