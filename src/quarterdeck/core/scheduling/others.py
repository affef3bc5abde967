"""What others of a site have of its nodes (`Node.others`), as the parts of a plan reckon with it.

What they hold is not free, and comes free by itself at its end; nobody of ours can make it go. What
they have reserved is a booking that is for none of ours (`bookings`), told by the site instead of
by the calendar.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Kind
from quarterdeck.core.calendar.occurrences import Occurrence
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.parts import gpu_of
from quarterdeck.core.scheduling.allotment import NEVER_NS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from quarterdeck.core.cluster.hardware import Foreign, Node
    from quarterdeck.core.scheduling.capacity import Capacity


class Loan(NamedTuple):
    """What another one holds of a node now, and when that comes free at the latest; None: nobody
    knows."""

    row: int
    site: str
    grant: Grant
    ends_at_ns: int | None


def loans_of(capacity: Capacity) -> Iterator[Loan]:
    """All of them, by rows."""
    for row in capacity.shared:
        room = capacity.rooms[row]
        for one in room.node.others:
            if not one.is_reservation:
                held = Grant(room.node.name, one.devices, one.cpus, one.memory_bytes)
                yield Loan(row, room.site, held, one.ends_at_ns)


def reservations_of(capacity: Capacity) -> list[Occurrence]:
    """What others have reserved, each with all its nodes, in the order of their starts."""
    found: dict[tuple[str, Foreign], list[str]] = {}
    for row in capacity.shared:
        room = capacity.rooms[row]
        for one in room.node.others:
            if one.is_reservation:
                found.setdefault((room.site, _whole(one)), []).append(room.node.name)
    times = [
        Occurrence(
            one.name,
            Kind.MAINTENANCE,
            one.starts_at_ns,
            NEVER_NS if one.ends_at_ns is None else one.ends_at_ns,
            nodes=tuple(dict.fromkeys(nodes)),
            site=site,
            called=one.name,
        )
        for (site, one), nodes in found.items()
    ]
    return sorted(times, key=lambda time: (time.start_ns, time.booking_id, time.site))


def taken_of(node: Node, total: float) -> float:
    """How much of a node others hold, counted as GPUs of it like what jobs take of cells."""
    held = [one for one in node.others if not one.is_reservation]
    gpus = len({gpu_of(device) for one in held for device in one.devices})
    cpus = sum(one.cpus for one in held) / max(1, node.cpus)
    memory = sum(one.memory_bytes for one in held) / max(1, node.memory_bytes)
    return min(total, max(float(gpus), cpus * total, memory * total))


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
    among = set(rows).intersection(capacity.shared)
    if not among:
        return NOBODY
    gpus: dict[int, set[str]] = {}
    cpus: Counter[int] = Counter()
    ends = []
    for loan in loans_of(capacity):
        if loan.row in among:
            gpus.setdefault(loan.row, set()).update(map(gpu_of, loan.grant.devices))
            cpus[loan.row] += loan.grant.cpus
            if loan.ends_at_ns is not None:
                ends.append(loan.ends_at_ns)
    held = sum(
        len(ids.intersection(device.id for device in capacity.rooms[row].node.devices))
        for row, ids in gpus.items()
    )
    most = sum(min(count, capacity.rooms[row].node.cpus) for row, count in cpus.items())
    total = int(capacity.fleet.cpus[list(rows)].sum())
    return Outsiders(held, most, total, min(ends, default=None))


NOBODY: Final = Outsiders(0, 0, 0, None)


def _whole(one: Foreign) -> Foreign:
    """A reservation as it is the same for all its nodes: the whole of each is kept."""
    return type(one)(one.name, ends_at_ns=one.ends_at_ns, starts_at_ns=one.starts_at_ns)
