"""Telling one receiver of changes of state: each at least once, those of a job in their order.

A courier goes along the event log from where its receiver stands. The log is the queue, so a
receiver that was away for a day costs nothing but a place in the log, and a server that was killed
goes on from the place that was kept last. What was delivered after that is delivered again, under
the same id, by which a receiver drops it. Nothing is overtaken: while one message cannot be
delivered, those after it wait, and only this receiver's do.
"""

from __future__ import annotations

import json
import logging
import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.times import NS_PER_S, to_iso
from quarterdeck.ports.notifier import Message

if TYPE_CHECKING:
    from quarterdeck.basics.chance import Chance
    from quarterdeck.control.changes import Change, Changes
    from quarterdeck.ports.clock import Clock
    from quarterdeck.ports.hooks import Hook, Progress
    from quarterdeck.ports.notifier import Notifier, Outcome

PAGE: Final = 200
FIRST_PAUSE_S: Final = 1.0
PAUSE_S_MAX: Final = 600.0
OFF_AFTER_S: Final = 3 * 24 * 3600
OFF_AFTER_FAILURES: Final = 10
"""No receiver is given up for a few tries, however long the server was down in between."""
log = logging.getLogger(__name__)


class Courier:
    """One receiver's. `turn` is for one thread; everything else may be called from any."""

    def __init__(
        self,
        hook: Hook,
        progress: Progress,
        changes: Changes,
        notifier: Notifier,
        clock: Clock,
        jitter: Chance,
    ) -> None:
        self.hook = hook
        self._progress = progress
        self._saved = progress
        self._changes = changes
        self._notifier = notifier
        self._clock = clock
        self._jitter = jitter
        self._lock = threading.Lock()
        self._pending: deque[Change] = deque()
        self._read_to = progress.cursor

    @property
    def progress(self) -> Progress:
        """How far the receiver has been told."""
        return self._progress

    @property
    def unsaved(self) -> Progress | None:
        """The progress, if there was any since it was last kept."""
        progress = self._progress
        return progress if progress != self._saved else None

    def note_saved(self, progress: Progress) -> None:
        """This was kept."""
        self._saved = progress

    def turn(self) -> float | None:
        """Deliver one message if there is one. Says after how many seconds to come again: 0 for at
        once, None for when there is news."""
        if self._progress.off_since_ns is not None:
            return None
        if not self._pending and not self._read_on():
            return None
        if not self._pending:
            return 0.0
        change = self._pending[0]
        outcome = self._notifier.send(self.hook.url, self.hook.secret, _message(self.hook, change))
        return self._note(change, outcome)

    def test(self) -> Outcome:
        """Send a message that means nothing. If it arrives, a receiver that was given up is told
        again, from where it stood."""
        now_ns = self._clock.now_ns()
        body = _body("webhook.test", now_ns, {"webhook_id": self.hook.id})
        message = Message(f"{self.hook.id}-test-{now_ns}", body)
        outcome = self._notifier.send(self.hook.url, self.hook.secret, message)
        if outcome.is_delivered:
            with self._lock:
                if self._progress.off_since_ns is not None:
                    self._progress = replace(
                        self._progress, off_since_ns=None, failing_since_ns=None, failures=0
                    )
        return outcome

    def _read_on(self) -> bool:
        """Read the next stretch of the log; False at its end. What the receiver does not want
        counts as told, as soon as all before it has been."""
        found, self._read_to = self._changes.read(self._read_to, PAGE)
        wanted = self.hook.states
        self._pending.extend(one for one in found if not wanted or one.state in wanted)
        if self._read_to == self._progress.cursor:
            return False
        if not self._pending:
            self._advance(self._read_to)
        return True

    def _advance(self, cursor: int) -> None:
        with self._lock:
            self._progress = replace(self._progress, cursor=cursor)

    def _note(self, change: Change, outcome: Outcome) -> float | None:
        now_ns = self._clock.now_ns()
        if outcome.is_delivered:
            self._pending.popleft()
            cursor = change.seq if self._pending else self._read_to
            with self._lock:
                self._progress = replace(
                    self._progress,
                    cursor=cursor,
                    failures=0,
                    failing_since_ns=None,
                    last_success_at_ns=now_ns,
                )
            return 0.0
        with self._lock:
            self._progress = _failed(self._progress, outcome, now_ns)
        if self._progress.off_since_ns is not None:
            log.warning("webhook %s: %s", self.hook.id, self._progress.last_failure)
            return None
        pause_s = FIRST_PAUSE_S * 2.0 ** min(self._progress.failures - 1, 30)
        return min(PAUSE_S_MAX, pause_s) * self._jitter.between(0.5, 1.0)


def _failed(before: Progress, outcome: Outcome, now_ns: int) -> Progress:
    failures = before.failures + 1
    since_ns = before.failing_since_ns if before.failing_since_ns is not None else now_ns
    has_failed_long = now_ns - since_ns >= OFF_AFTER_S * NS_PER_S
    told = outcome.message
    off_since_ns = None
    if outcome.is_gone:
        told += ": switched off, because the receiver says that it is gone"
        off_since_ns = now_ns
    elif has_failed_long and failures >= OFF_AFTER_FAILURES:
        told += f": switched off, because {failures} tries since {to_iso(since_ns)} failed"
        off_since_ns = now_ns
    return replace(
        before,
        failures=failures,
        failing_since_ns=since_ns,
        last_failure_at_ns=now_ns,
        last_failure=told,
        off_since_ns=off_since_ns,
    )


def _message(hook: Hook, change: Change) -> Message:
    data: dict[str, object] = {
        "id": change.job_id,
        "name": change.name,
        "owner": change.owner,
        "team": change.team,
        "state": change.state.value,
        "reason": change.reason.value if change.reason is not None else None,
        "message": change.message,
        "attempt": change.attempt,
        "exit_code": change.exit_code,
        "seq": change.seq,
    }
    body = _body(f"job.{change.state.value}", change.at_ns, data)
    return Message(f"{hook.id}-{change.seq}", body)


def _body(kind: str, at_ns: int, data: dict[str, object]) -> bytes:
    """The same bytes at every try."""
    content = {"type": kind, "timestamp": to_iso(at_ns), "data": data}
    return json.dumps(content, separators=(",", ":")).encode()
