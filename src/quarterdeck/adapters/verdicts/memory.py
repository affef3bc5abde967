"""A log of verdicts in memory, for tests and for servers that forget."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.ports.verdicts import Told


class MemoryVerdictLog:
    """A `VerdictLog` that ends with its process. Any thread may call it."""

    def __init__(self) -> None:
        self._told: dict[JobId, list[Told]] = {}
        self._lock = threading.Lock()

    def add(self, told: Sequence[Told]) -> None:
        """Keep these."""
        with self._lock:
            for one in told:
                known = self._told.setdefault(one.job_id, [])
                if not known or (known[-1].code, known[-1].message) != (one.code, one.message):
                    known.append(one)

    def list_told(self, job_id: JobId, limit: int) -> list[Told]:
        """The last so many."""
        with self._lock:
            return self._told.get(job_id, [])[-limit:]

    def drop(self, before_ns: int) -> None:
        """Forget what is older."""
        with self._lock:
            for job_id in list(self._told):
                kept = [one for one in self._told[job_id] if one.at_ns >= before_ns]
                if kept:
                    self._told[job_id] = kept
                else:
                    del self._told[job_id]

    def close(self) -> None:
        """Nothing to let go of."""
