"""Word that something was committed, for whoever waits to look again.

A signal carries nothing: what has changed is read from the store. So it may be rung too often,
and a listener that missed one ring catches up with the next.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)


class Signal:
    """Listeners that are called, on the ringing thread, after every commit. They must be quick."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: tuple[Callable[[], None], ...] = ()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call the listener from now on; the answer ends that."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unsubscribe

    def ring(self) -> None:
        """Tell everybody. What was committed stays committed, so no listener may spoil it."""
        for listener in self._listeners:
            try:
                listener()
            except Exception:
                log.exception("a listener failed")
