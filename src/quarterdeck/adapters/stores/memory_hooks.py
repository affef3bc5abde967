"""Webhooks in memory, for tests. Nothing survives it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from quarterdeck.basics.errors import Conflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quarterdeck.ports.hooks import Hook, Progress


class MemoryHooks:
    """See the module."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[Hook, Progress]] = {}

    def add(self, hook: Hook, progress: Progress) -> None:
        """Keep a new one."""
        with self._lock:
            if hook.id in self._kept:
                raise Conflict(f"there is a webhook {hook.id} already", hint="take another id")
            self._kept[hook.id] = (hook, progress)

    def list(self) -> list[tuple[Hook, Progress]]:
        """All, oldest first."""
        with self._lock:
            return sorted(self._kept.values(), key=lambda one: (one[0].created_at_ns, one[0].id))

    def remove(self, hook_id: str) -> bool:
        """Forget one."""
        with self._lock:
            return self._kept.pop(hook_id, None) is not None

    def save(self, progresses: Mapping[str, Progress]) -> None:
        """Keep how far these are."""
        with self._lock:
            for hook_id, progress in progresses.items():
                known = self._kept.get(hook_id)
                if known is not None and known[1].cursor <= progress.cursor:
                    self._kept[hook_id] = (known[0], progress)
