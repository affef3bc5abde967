"""Bookings in memory, for tests and the simulator. Nothing survives it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Stale
from quarterdeck.ports.calendar import Contents

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.core.calendar.booking import Booking


class MemoryCalendar:
    """See the module."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._revision = 0
        self._kept: dict[str, Booking] = {}

    def load(self) -> Contents:
        """Everything, of one instant."""
        with self._lock:
            return Contents(self._revision, tuple(one for _, one in sorted(self._kept.items())))

    def revision(self) -> int:
        """Counts the changes."""
        with self._lock:
            return self._revision

    def change(
        self, revision: int, *, put: Sequence[Booking] = (), gone: Sequence[str] = ()
    ) -> int:
        """Keep and forget, all or nothing."""
        with self._lock:
            if revision != self._revision:
                raise Stale("the calendar has changed meanwhile", hint="look again")
            kept = {key: one for key, one in self._kept.items() if key not in gone}
            self._kept = kept | {one.id: one for one in put}
            self._revision += 1
            return self._revision
