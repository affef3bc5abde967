"""What comes free at the latest, and when, by the time limits of what runs: ours and others' of
the site."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.parts import gpu_of, parse_part
from quarterdeck.core.scheduling.capacity import FREE, IDLE
from quarterdeck.core.scheduling.others import loans_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.core.scheduling.free import Free
    from quarterdeck.core.scheduling.snapshot import Running


class Ending(NamedTuple):
    """What comes free then at the latest."""

    at_ns: int
    site: str
    grants: tuple[Grant, ...]


def endings_of(running: Iterable[Running]) -> list[Ending]:
    """What of it ends by its time limit, in order."""
    ending = sorted(
        (one for one in running if one.ends_at_ns is not None),
        key=lambda one: (one.ends_at_ns, one.job_id, one.task or 0),
    )
    return [Ending(one.ends_at_ns or 0, one.site, one.grants) for one in ending]


class Endings:
    """All of them, as arrays: what is free at one time or another is asked for often. What is
    overdue by `now_ns` is over just after it."""

    def __init__(self, capacity: Capacity, endings: Iterable[Ending], now_ns: int) -> None:
        self._capacity = capacity
        self._now_ns = now_ns
        self._columns: dict[int, dict[str, int]] = {}
        self._late: list[Ending] = []
        whole: list[tuple[int, int, int]] = []
        held: list[tuple[int, int, int, int]] = []
        self._parts: list[tuple[int, str, Grant]] = []
        times_ns = set()
        for one in endings:
            at_ns = max(one.at_ns, now_ns + 1)
            times_ns.add(at_ns)
            for grant in one.grants:
                row = capacity.fleet.rows.get((one.site, grant.node))
                if row is None:
                    continue
                columns = self._columns_of(row)
                found = [columns.get(device) for device in grant.devices]
                if None in found:
                    self._parts.append((at_ns, one.site, grant))
                    continue
                held.append((at_ns, row, grant.cpus, grant.memory_bytes))
                whole += [(at_ns, row, column) for column in found if column is not None]
        for at_ns, row, grant in _loans_over(capacity, now_ns):
            times_ns.add(at_ns)
            held.append((at_ns, row, grant.cpus, grant.memory_bytes))
            self._parts += ((at_ns, capacity.rooms[row].site, one) for one in _slices(grant))
        whole += self._lent_over(now_ns)
        self._times_ns = times_ns
        self._held = np.array(held, np.int64).reshape(-1, 4)
        self._whole = np.array(whole, np.int64).reshape(-1, 3)

    @property
    def times_ns(self) -> list[int]:
        """When more comes free."""
        return sorted(self._times_ns)

    def add(self, ending: Ending) -> None:
        """One more."""
        self._late.append(ending)
        self._times_ns.add(ending.at_ns)

    def free_at(self, free: Free, at_ns: int) -> Free:
        """What is free by then if nobody else starts; `free` is so now, and stays as it is."""
        late = [(one.site, g) for one in self._late if one.at_ns <= at_ns for g in one.grants]
        late += ((site, grant) for end_ns, site, grant in self._parts if end_ns <= at_ns)
        made = free.returned(late)
        held = self._held[self._held[:, 0] <= at_ns]
        count = len(self._capacity)
        np.add.at(made.cpus, held[:, 1], held[:, 2])
        np.add.at(made.memory_bytes, held[:, 1], held[:, 3])
        whole = self._whole[self._whole[:, 0] <= at_ns]
        rows, columns = whole[:, 1], whole[:, 2]
        before = made.state[rows, columns]
        made.state[rows, columns] = FREE
        made.gpus_free += np.bincount(rows[before != FREE], minlength=count)
        made.gpus_idle += np.bincount(rows, IDLE[FREE] - IDLE[before], minlength=count)
        made.note_taken(np.unique(np.concatenate([held[:, 1], rows])).tolist())
        return made

    def _lent_over(self, now_ns: int) -> Iterator[tuple[int, int, int]]:
        """When each GPU that others hold whole is free of all of them, where that is known. One
        that ours wait for, too, does not come free."""
        over_ns: dict[tuple[int, str], int | None] = {}
        for loan in loans_of(self._capacity):
            for gpu in map(gpu_of, loan.grant.devices):
                before_ns, at_ns = over_ns.get((loan.row, gpu), 0), loan.ends_at_ns
                is_known = before_ns is not None and at_ns is not None
                over_ns[loan.row, gpu] = max(before_ns or 0, at_ns or 0) if is_known else None
        for (row, gpu), at_ns in over_ns.items():
            room, column = self._capacity.rooms[row], self._capacity.fleet.column_of(row, gpu)
            if at_ns is None or column is None or gpu not in room.lent or gpu in room.disputed:
                continue
            if all(gpu != cordon.device for cordon in room.cordons):
                yield max(at_ns, now_ns + 1), row, column

    def _columns_of(self, row: int) -> dict[str, int]:
        """The place of each GPU of a node that comes free when it is given back whole."""
        if row not in self._columns:
            room = self._capacity.rooms[row]
            shut = room.shut
            devices = enumerate(room.node.devices)
            self._columns[row] = {one.id: n for n, one in devices if one.id not in shut}
        return self._columns[row]


def _loans_over(capacity: Capacity, now_ns: int) -> Iterator[tuple[int, int, Grant]]:
    """What others hold until a time that is known: when it is over, of which row, and what."""
    for loan in loans_of(capacity):
        if loan.ends_at_ns is not None:
            yield max(loan.ends_at_ns, now_ns + 1), loan.row, loan.grant


def _slices(grant: Grant) -> list[Grant]:
    """The slices of it alone, without CPUs and memory."""
    slices = tuple(device for device in grant.devices if parse_part(device).profile)
    return [Grant(grant.node, slices, 0, 0)] if slices else []
