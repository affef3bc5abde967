"""Where bookings are kept.

All of them are small enough to be read at once. `revision` counts the changes, so that a server
that holds a copy knows when somebody else has made one, and nobody overwrites what they have not
seen.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from quarterdeck.core.calendar.booking import Booking

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Contents:
    """All bookings at one revision, by their ids."""

    revision: int
    bookings: tuple[Booking, ...] = ()


class CalendarStore(Protocol):
    """See the module. What a method returned from has survived a power cut."""

    def load(self) -> Contents:
        """Everything, of one instant."""
        ...

    def revision(self) -> int:
        """Counts the changes."""
        ...

    def change(
        self, revision: int, *, put: Sequence[Booking] = (), gone: Sequence[str] = ()
    ) -> int:
        """Keep these, in place of what has their ids, and forget those, by id: all or nothing.
        Answers the new revision; `Stale` unless the calendar is at `revision`."""
        ...
