"""What others of a site have of its nodes (`Node.others`), as the parts of a plan reckon with it.

What they hold is not free, and comes free by itself at its end; nobody of ours can make it go. What
they have reserved is a booking that is for none of ours (`bookings`), told by the site instead of
by the calendar.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Kind
from quarterdeck.core.calendar.occurrences import Occurrence
from quarterdeck.core.scheduling.allotment import NEVER_NS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterdeck.core.cluster.demand import Grant
    from quarterdeck.core.cluster.room import Room
    from quarterdeck.core.scheduling.capacity import Capacity


class Loaned(NamedTuple):
    """What another one holds of the node in a row, and when that comes free at the latest; None:
    nobody knows."""

    row: int
    site: str
    grant: Grant
    ends_at_ns: int | None


def loans_of(capacity: Capacity) -> Iterator[Loaned]:
    """All of them, by rows."""
    for row in capacity.shared:
        room = capacity.rooms[row]
        for grant, ends_at_ns in room.outside.loans:
            yield Loaned(row, room.site, grant, ends_at_ns)


def reservations_of(capacity: Capacity) -> list[Occurrence]:
    """What others have reserved, each with all its nodes, in the order of their starts."""
    found: dict[tuple[str, str, int, int, bool], list[str]] = {}
    for row in capacity.shared:
        room = capacity.rooms[row]
        for one in room.outside.reserved:
            end_ns = NEVER_NS if one.ends_at_ns is None else one.ends_at_ns
            key = (room.site, one.name, one.starts_at_ns, end_ns, one.spares_unlimited)
            found.setdefault(key, []).append(room.node.name)
    times = [
        Occurrence(
            name,
            Kind.MAINTENANCE,
            start_ns,
            end_ns,
            nodes=tuple(dict.fromkeys(nodes)),
            site=site,
            called=name,
            spares_unlimited=spares,
        )
        for (site, name, start_ns, end_ns, spares), nodes in found.items()
    ]
    return sorted(times, key=lambda time: (time.start_ns, time.booking_id, time.site))


def taken_of(room: Room, total: float) -> float:
    """How much of a node others hold, counted as GPUs of it like what jobs take of cells."""
    held, node = room.outside.held, room.node
    cpus = total * held.cpus / max(1, node.cpus)
    memory = total * held.memory_bytes / max(1, node.memory_bytes)
    return min(total, max(float(held.gpus), cpus, memory))


class Outsiders(NamedTuple):
    """What others hold of some nodes together: GPUs and CPUs, of how many CPUs, and when the first
    of them ends at the latest; None where nobody knows."""

    gpus: int
    cpus: int
    cpus_total: int
    first_ns: int | None

    @property
    def is_anybody(self) -> bool:
        """Whether they hold anything."""
        return bool(self.gpus or self.cpus)

    def numbers(self, now_ns: int) -> dict[str, int]:
        """For a verdict; none where they hold nothing."""
        if not self.is_anybody:
            return {}
        found = {
            "gpus_of_others": self.gpus,
            "cpus_of_others": self.cpus,
            "cpus_total": self.cpus_total,
        }
        if self.first_ns is not None:
            found["others_end_s"] = max(0, math.ceil((self.first_ns - now_ns) / NS_PER_S))
        return found


def outsiders_of(capacity: Capacity, rows: Sequence[int]) -> Outsiders:
    """Of these rows."""
    if not capacity.shared:
        return NOBODY
    shared = set(capacity.shared).intersection(rows)
    rooms = [capacity.rooms[row] for row in shared if capacity.rooms[row].outside.loans]
    firsts = (room.outside.first_ns for room in rooms)
    return Outsiders(
        sum(room.outside.held.gpus for room in rooms),
        sum(min(room.outside.held.cpus, room.node.cpus) for room in rooms),
        int(capacity.fleet.cpus[list(rows)].sum()),
        min((first_ns for first_ns in firsts if first_ns is not None), default=None),
    )


NOBODY: Final = Outsiders(0, 0, 0, None)
