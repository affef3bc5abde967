"""The server's clock: the wall clock, but never turned back.

The order of the queue, how long a job has waited and when a retry is due are differences of stamps.
If the wall clock is set back by an hour, jobs of the next hour would pass those that wait, and what
was due in a minute would be due in 61. So this clock follows the one that nobody can set, and lets
the wall clock catch up: as long as the wall is behind, it goes at half speed, but it goes.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.ports.store import Store

BACK_NS_MAX: Final = 24 * 3600 * NS_PER_S
"""A clock that goes back by more than a day was wrong before, and is right now."""


class SteadyClock:
    """A `Clock`. `floor_ns` is the last stamp that was ever given, by an earlier server too."""

    def __init__(
        self,
        floor_ns: int = 0,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        steady_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._wall_ns = wall_ns
        self._steady_ns = steady_ns
        self._lock = threading.Lock()
        self._last_ns = floor_ns
        self._looked_ns = steady_ns()

    def now_ns(self) -> int:
        """Nanoseconds since the epoch, UTC; never less than the last time."""
        with self._lock:
            wall_ns, steady_ns = self._wall_ns(), self._steady_ns()
            passed_ns, self._looked_ns = steady_ns - self._looked_ns, steady_ns
            slow_ns = self._last_ns + passed_ns // 2
            is_believed = slow_ns - wall_ns > BACK_NS_MAX
            self._last_ns = wall_ns if is_believed else max(wall_ns, slow_ns)
            return self._last_ns


def find_last_stamp(store: Store) -> int:
    """When the log's last entry was written; 0 for an empty one."""
    records = store.list_records(store.head() - 1, limit=1)
    return records[-1].event.at_ns if records else 0
