"""A thread that takes turns: at once when woken, otherwise now and then."""

from __future__ import annotations

import logging
import threading
from time import monotonic
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Stale, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

BACKOFF_S_MAX: Final = 5.0
log = logging.getLogger(__name__)


class Worker:
    """Calls `turn` again and again until closed. A turn that is true has more to do at once.

    A failed turn is repeated after a pause that grows, because the turns are level-triggered:
    whatever one could not do, the next one finds again. After a long turn the worker rests as long
    as the turn took, so that no worker takes more than half a processor; by `measure`, which may
    leave out what a turn only waited for.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], object],
        *,
        every_s: float,
        due_in_s: Callable[[], float | None] = lambda: None,
        apart_s: float = 0.0,
        measure: Callable[[], float] = monotonic,
    ) -> None:
        """`due_in_s` is asked after each turn: when the next one has something to do, if known.
        Turns begin at least `apart_s` after each other, so that one serves all who call meanwhile;
        who calls after a pause waits for nothing."""
        self._turn = turn
        self._every_s = every_s
        self._due_in_s = due_in_s
        self._apart_s = apart_s
        self._measure = measure
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin with a first turn."""
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do. From any thread."""
        self._wake.set()

    def close(self) -> None:
        """Finish the present turn and end."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        backoff_s = 0.0
        while not self._closing.is_set():
            self._wake.clear()
            began, busy = monotonic(), self._measure()
            has_more = False
            try:
                has_more = bool(self._turn())
            except (Stale, Unavailable) as error:
                log.info("%s: %s", self._thread.name, error)
                backoff_s = min(BACKOFF_S_MAX, backoff_s * 2 or 0.02)
            except Exception:
                log.exception("%s failed; it is tried again", self._thread.name)
                backoff_s = min(BACKOFF_S_MAX, backoff_s * 2 or 0.5)
            else:
                backoff_s = 0.0
            took_s, busy_s = monotonic() - began, self._measure() - busy
            self._closing.wait(max(backoff_s, busy_s, self._apart_s - took_s))
            if not backoff_s and not has_more:
                self._wake.wait(self._rest_s())

    def _rest_s(self) -> float:
        due_in_s = self._due_in_s()
        return self._every_s if due_in_s is None else min(self._every_s, due_in_s)
