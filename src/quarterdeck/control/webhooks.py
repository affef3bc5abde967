"""The webhooks of a control plane: add, list, remove, test, and keep how far each has been told."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from quarterdeck.basics.errors import Conflict, NotFound, Unavailable
from quarterdeck.basics.signatures import parse_secret
from quarterdeck.control.changes import Changes
from quarterdeck.control.notify import Courier
from quarterdeck.control.signal import Signal
from quarterdeck.ports.hooks import Hook, Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quarterdeck.basics.chance import Chance
    from quarterdeck.control.plane import ControlPlane
    from quarterdeck.core.jobs.states import JobState
    from quarterdeck.ports.hooks import HookKeys, Hooks
    from quarterdeck.ports.notifier import Notifier, Outcome

HOOKS_MAX: Final = 32
"""Each has a thread of its own while the server runs."""
LOOKS_OUT_MAX: Final = 4
"""Requests that wait for the outside at a time; the API's threads are for other things."""


class Webhooks:
    """See the module. `changed` rings when one has come, gone, or may be worth a new try."""

    def __init__(
        self,
        plane: ControlPlane,
        hooks: Hooks,
        notifier: Notifier,
        keys: HookKeys,
        jitter: Chance,
    ) -> None:
        self._plane = plane
        self._hooks = hooks
        self._notifier = notifier
        self._keys = keys
        self._jitter = jitter
        self._changes = Changes(plane.store)
        self._lock = threading.Lock()
        self._saving = threading.Lock()
        self._looks_out = threading.BoundedSemaphore(LOOKS_OUT_MAX)
        self._couriers = {hook.id: self._courier(hook, known) for hook, known in hooks.list()}
        self.changed = Signal()

    def couriers(self) -> list[Courier]:
        """All, oldest first."""
        return list(self._couriers.values())

    def head(self) -> int:
        """The end of the log: how far everybody should be told."""
        return self._changes.head()

    def add(
        self,
        url: str,
        states: tuple[JobState, ...],
        secret: str | None,
        owner: str,
        *,
        is_dry_run: bool = False,
    ) -> Hook:
        """A new one, told of everything that happens from now on."""
        if secret is not None:
            parse_secret(secret)
        with self._looking_out():
            self._notifier.check(url)
        with self._lock:
            self._refuse_double(url)
            hook = Hook(
                id="" if is_dry_run else self._keys.new_hook_id(),
                url=url,
                secret=secret or self._keys.new_secret(),
                owner=owner,
                created_at_ns=self._plane.clock.now_ns(),
                states=tuple(dict.fromkeys(states)),
            )
            if not is_dry_run:
                progress = Progress(self.head())
                self._hooks.add(hook, progress)
                self._couriers = {**self._couriers, hook.id: self._courier(hook, progress)}
        if not is_dry_run:
            self.changed.ring()
        return hook

    def find(self, hook_id: str) -> Courier:
        """One of them, or `NotFound`."""
        courier = self._couriers.get(hook_id)
        if courier is None:
            raise NotFound(
                f"there is no webhook {hook_id[:80]!a}",
                field="id",
                hint="`qd webhook list` shows those there are",
            )
        return courier

    def remove(self, hook_id: str, *, is_dry_run: bool = False) -> None:
        """Tell it no more. A message that is on its way may still arrive."""
        self.find(hook_id)
        if is_dry_run:
            return
        with self._lock:
            self._hooks.remove(hook_id)
            self._couriers = {key: one for key, one in self._couriers.items() if key != hook_id}
        self.changed.ring()

    def test(self, hook_id: str, *, is_dry_run: bool = False) -> Outcome | None:
        """Send a message that means nothing, now; None for a dry run, which only looks whether one
        could be sent."""
        courier = self.find(hook_id)
        with self._looking_out():
            if is_dry_run:
                self._notifier.check(courier.hook.url)
                return None
            outcome = courier.test()
        if outcome.is_delivered:
            self.changed.ring()
        return outcome

    def save(self) -> None:
        """Keep how far everybody has been told, if anybody has been."""
        with self._saving:
            unsaved = {}
            for courier in self.couriers():
                progress = courier.unsaved
                if progress is not None:
                    unsaved[courier] = progress
            if not unsaved:
                return
            self._hooks.save({courier.hook.id: known for courier, known in unsaved.items()})
            for courier, progress in unsaved.items():
                courier.note_saved(progress)

    def _courier(self, hook: Hook, progress: Progress) -> Courier:
        clock, jitter = self._plane.clock, self._jitter.split()
        return Courier(hook, progress, self._changes, self._notifier, clock, jitter)

    def _refuse_double(self, url: str) -> None:
        if len(self._couriers) >= HOOKS_MAX:
            raise Conflict(
                f"there are {HOOKS_MAX} webhooks, and no more are possible",
                code="too_many_webhooks",
                hint="remove one, or let one receiver pass the messages on",
            )
        for courier in self._couriers.values():
            if courier.hook.url == url:
                raise Conflict(
                    f"webhook {courier.hook.id} already sends to this URL",
                    code="webhook_exists",
                    field="url",
                    hint=f"`qd webhook remove {courier.hook.id}` first, if it should be another",
                )

    @contextmanager
    def _looking_out(self) -> Iterator[None]:
        if not self._looks_out.acquire(blocking=False):
            raise Unavailable(
                f"{LOOKS_OUT_MAX} requests wait for receivers already",
                code="busy",
                hint="try again in a few seconds",
            )
        try:
            yield
        finally:
            self._looks_out.release()
