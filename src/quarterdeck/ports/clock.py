"""What time it is."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """The wall clock. It may jump; nothing but stamps and waits may depend on it."""

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, UTC."""
        ...
