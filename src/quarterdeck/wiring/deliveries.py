"""The threads that deliver webhooks: one each, so a receiver that hangs holds up nobody else.

What they deliver is in the event log and how far they are is in the store, so a thread can be
dropped at any moment. How far they are is kept about once a second for all of them together.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import QuarterdeckError
from quarterdeck.wiring.worker import Worker

if TYPE_CHECKING:
    from collections.abc import Callable

    from quarterdeck.control.notify import Courier
    from quarterdeck.control.signal import Signal
    from quarterdeck.control.webhooks import Webhooks

SAVE_EVERY_S: Final = 1.0
LOOK_EVERY_S: Final = 5.0
"""Another server on the same store does not ring here."""
GATHER_S: Final = 0.02
"""Between two looks at the log, so that a burst of commits is read as one."""
AFTER_A_FAILURE_S: Final = 5.0
END_S_MAX: Final = 1.0
"""A try may last longer than the end of the server; it is made again after the next start."""
log = logging.getLogger(__name__)


class Deliveries:
    """One thread for each of the webhooks there are at the moment."""

    def __init__(self, webhooks: Webhooks, news: Signal) -> None:
        self._webhooks = webhooks
        self._news = news
        self._lock = threading.Lock()
        self._threads: dict[str, _DeliveryThread] = {}
        self._is_closing = False
        self._saver = Worker("webhooks", self._save, every_s=SAVE_EVERY_S)
        self._unsubscribe: list[Callable[[], None]] = []

    def start(self) -> None:
        """Deliver from here on."""
        self._unsubscribe = [
            self._webhooks.changed.subscribe(self._match),
            self._news.subscribe(self._tell),
        ]
        self._match()
        self._saver.start()

    def close(self) -> None:
        """Stop delivering, and keep how far it went."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        with self._lock:
            self._is_closing = True
            threads, self._threads = list(self._threads.values()), {}
        for thread in threads:
            thread.close()
        for thread in threads:
            thread.join(END_S_MAX)
        self._saver.close()
        try:
            self._webhooks.save()
        except QuarterdeckError as error:
            log.warning("some webhooks will come twice: %s", error)

    def _save(self) -> None:
        self._webhooks.save()

    def _tell(self) -> None:
        """On the thread that has committed: quick."""
        for thread in self._threads.values():
            thread.tell()

    def _match(self) -> None:
        """A thread for each, and none for those that have gone; and nobody waits any more."""
        with self._lock:
            if self._is_closing:
                return
            before, now = self._threads, {}
            for courier in self._webhooks.couriers():
                hook_id = courier.hook.id
                now[hook_id] = before.get(hook_id) or _started(courier)
            # Put in place whole: `_tell` may be looking.
            self._threads = now
        for hook_id, thread in before.items():
            if hook_id in now:
                thread.hurry()
            else:
                thread.close()


def _started(courier: Courier) -> _DeliveryThread:
    thread = _DeliveryThread(courier)
    thread.start()
    return thread


class _DeliveryThread(threading.Thread):
    """Takes a courier's turns, and waits as long as the courier says."""

    def __init__(self, courier: Courier) -> None:
        super().__init__(name=f"webhook-{courier.hook.id}", daemon=True)
        self._courier = courier
        self._wake = threading.Condition()
        self._has_news = False
        self._is_hurried = False
        self._is_closing = False

    def tell(self) -> None:
        """There may be something to deliver."""
        if not self._has_news:
            with self._wake:
                self._has_news = True
                self._wake.notify()

    def hurry(self) -> None:
        """Take the next turn now."""
        with self._wake:
            self._is_hurried = True
            self._wake.notify()

    def close(self) -> None:
        """No turn after this one."""
        with self._wake:
            self._is_closing = True
            self._wake.notify()

    def run(self) -> None:
        """Until closed."""
        while not self._is_closing:
            self._has_news = self._is_hurried = False
            self._wait(self._turn())

    def _turn(self) -> float | None:
        try:
            return self._courier.turn()
        except QuarterdeckError as error:
            log.warning("%s: %s", self.name, error)
        except Exception:
            log.exception("%s failed; it is tried again", self.name)
        return AFTER_A_FAILURE_S

    def _wait(self, pause_s: float | None) -> None:
        with self._wake:
            if pause_s is None:
                self._wake.wait_for(lambda: self._must_go or self._has_news, LOOK_EVERY_S)
                self._wake.wait_for(lambda: self._must_go, GATHER_S)
            elif pause_s > 0:
                self._wake.wait_for(lambda: self._must_go, pause_s)

    @property
    def _must_go(self) -> bool:
        return self._is_closing or self._is_hurried
