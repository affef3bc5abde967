"""The calendar in memory, and the one way to change it.

Every plan and everybody who asks read memory alone. A change is a function from the bookings that
are to those that are to be kept; it is run again when somebody else's change came first.
"""

from __future__ import annotations

import threading
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeVar

from quarterdeck.basics.errors import NotFound, Stale
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.signal import Signal
from quarterdeck.core.calendar.window import Window

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quarterdeck.core.calendar.booking import Booking
    from quarterdeck.core.calendar.occurrences import Occurrence
    from quarterdeck.ports.calendar import CalendarStore
    from quarterdeck.ports.directory import Secrets

T = TypeVar("T")
TRIES_MAX: Final = 5


class Agenda:
    """See the module. `changed` rings after every change, also of another server's. Every method
    may be called from any thread."""

    def __init__(self, kept: CalendarStore, secrets: Secrets) -> None:
        self.changed = Signal()
        self._kept = kept
        self._secrets = secrets
        self._lock = threading.Lock()
        self._load()

    @property
    def revision(self) -> int:
        """Moves with every change."""
        return self._revision

    @property
    def bookings(self) -> Mapping[str, Booking]:
        """All of them, by id."""
        return self._bookings

    def get(self, booking_id: str) -> Booking:
        """A booking, or `NotFound`."""
        found = self._bookings.get(booking_id)
        if found is None:
            raise unknown_booking(booking_id)
        return found

    def new_id(self) -> str:
        """An id that was not given before."""
        return self._secrets.new_id("b")

    def times(self, now_ns: int) -> tuple[Occurrence, ...]:
        """What is booked now and in the coming days; the same object until that changes."""
        with self._lock:
            return self._window.times(now_ns)

    def due_in_s(self, now_ns: int) -> float | None:
        """How long until something begins or ends; None if nothing does in the coming days."""
        with self._lock:
            next_ns = self._window.next_ns(now_ns)
        return None if next_ns is None else (next_ns - now_ns) / NS_PER_S

    def refresh(self) -> bool:
        """See what other servers have changed; says whether there was anything."""
        with self._lock:
            if self._kept.revision() == self._revision:
                return False
            self._load()
        self.changed.ring()
        return True

    def change(
        self,
        work: Callable[[Mapping[str, Booking]], tuple[Sequence[Booking], T]],
        *,
        is_dry_run: bool = False,
    ) -> T:
        """Make a change and keep it, durably; what `work` raises is raised, with nothing changed.
        Answers what `work` answers. In a dry run everything is checked and nothing is kept."""
        before = self._revision
        try:
            with self._lock:
                return self._change(work, is_dry_run=is_dry_run)
        finally:
            if self._revision != before:
                self.changed.ring()

    def forget(self, booking_ids: Sequence[str]) -> None:
        """These are not kept any more. `Stale` when somebody else has changed things meanwhile."""
        with self._lock:
            if booking_ids:
                revision = self._kept.change(self._revision, gone=booking_ids)
                left = {key: one for key, one in self._bookings.items() if key not in booking_ids}
                self._hold(left, revision)

    def _change(
        self,
        work: Callable[[Mapping[str, Booking]], tuple[Sequence[Booking], T]],
        *,
        is_dry_run: bool,
    ) -> T:
        for _ in range(TRIES_MAX):
            put, answer = work(self._bookings)
            if is_dry_run or not put:
                return answer
            try:
                revision = self._kept.change(self._revision, put=put)
            except Stale:
                self._load()
                continue
            self._hold({**self._bookings, **{one.id: one for one in put}}, revision)
            return answer
        raise Stale("the calendar changes faster than this could be kept", hint="try again")

    def _load(self) -> None:
        contents = self._kept.load()
        self._hold({one.id: one for one in contents.bookings}, contents.revision)

    def _hold(self, bookings: dict[str, Booking], revision: int) -> None:
        self._bookings: Mapping[str, Booking] = MappingProxyType(bookings)
        self._window = Window(bookings.values())
        self._revision = revision


def unknown_booking(booking_id: str) -> NotFound:
    """The answer for a booking that there is not."""
    return NotFound(
        f"there is no booking {booking_id[:80]!a}",
        code="unknown_booking",
        field="booking",
        hint="`qd calendar` shows those there are",
    )
