"""A log of promises in memory, for tests and for servers that forget."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from quarterdeck.basics.times import to_iso
from quarterdeck.ports.promises import Day, Kept

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.scheduling.promises import Promise
    from quarterdeck.ports.promises import Settled


class MemoryPromiseLog:
    """A `PromiseLog` that ends with its process. Any thread may call it."""

    def __init__(self) -> None:
        self._kept: list[Kept] = []
        self._lock = threading.Lock()

    def add(self, promises: Sequence[Promise]) -> None:
        """Keep these."""
        with self._lock:
            self._kept += [Kept(one) for one in promises]

    def settle(self, settled: Sequence[Settled]) -> None:
        """Every open promise of these jobs has its end."""
        ends = {one.job_id: one.started_at_ns for one in settled}
        with self._lock:
            self._kept = [
                replace(
                    one,
                    started_at_ns=ends[one.promise.job_id],
                    is_void=ends[one.promise.job_id] is None,
                )
                if _is_open(one) and one.promise.job_id in ends
                else one
                for one in self._kept
            ]

    def list_promises(self, job_id: JobId, limit: int) -> list[Kept]:
        """The last so many of a job."""
        with self._lock:
            return [one for one in self._kept if one.promise.job_id == job_id][-limit:]

    def list_open(self) -> list[Promise]:
        """All that are open."""
        with self._lock:
            return [one.promise for one in self._kept if _is_open(one)]

    def list_settled(self, limit: int) -> list[Kept]:
        """The last so many first ones that were settled by a start."""
        with self._lock:
            found = [one for one in self._kept if one.started_at_ns and one.promise.is_first]
        return sorted(found, key=lambda one: one.started_at_ns or 0)[-limit:]

    def list_days(self, limit: int) -> list[Day]:
        """The last so many days, newest first."""
        waits: dict[tuple[JobId, int], list[Promise]] = defaultdict(list)
        with self._lock:
            for one in self._kept:
                if one.started_at_ns is not None:
                    waits[one.promise.job_id, one.started_at_ns].append(one.promise)
        days: dict[str, Day] = {}
        for (_, at_ns), promises in waits.items():
            if not promises[0].is_first:
                continue
            name = to_iso(at_ns)[:10]
            day = days.get(name, Day(name, 0, 0, 0, 0, 0))
            first, last = promises[0], promises[-1]
            days[name] = Day(
                name,
                day.starts + 1,
                day.half_kept + first.half.holds(at_ns),
                day.most_kept + first.most.holds(at_ns),
                day.last_half_kept + last.half.holds(at_ns),
                day.last_most_kept + last.most.holds(at_ns),
            )
        return [days[name] for name in sorted(days, reverse=True)][:limit]

    def drop(self, before_ns: int) -> None:
        """Forget what is older."""
        with self._lock:
            self._kept = [
                one for one in self._kept if _is_open(one) or one.promise.made_at_ns >= before_ns
            ]

    def close(self) -> None:
        """Nothing to let go of."""


def _is_open(one: Kept) -> bool:
    return one.started_at_ns is None and not one.is_void
