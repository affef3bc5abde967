"""What is free as one plan uses it up, and what a job would cost on each node.

Within a plan things only become fewer, so what is reckoned for one job is kept for the next that
asks for the same, and only the nodes that something was taken from meanwhile are looked at again.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from quarterdeck.core.cluster.demand import GpuUnit, Grant
from quarterdeck.core.cluster.hardware import NodeState
from quarterdeck.core.cluster.parts import parse_part
from quarterdeck.core.scheduling.capacity import (
    CLOSED,
    FREE,
    IDLE,
    SHARED,
    state_with,
    state_without,
)
from quarterdeck.core.scheduling.devices import choose_parts
from quarterdeck.core.scheduling.node_costs import find_fitting, reckon
from quarterdeck.core.scheduling.shares import costs_of
from quarterdeck.core.scheduling.wants import want_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from quarterdeck.core.cluster.demand import Resources
    from quarterdeck.core.cluster.hardware import Device, Node
    from quarterdeck.core.cluster.parts import Part
    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.core.scheduling.fragments import Typical
    from quarterdeck.core.scheduling.wants import Want


FEW: Final = 3
"""What a third of the nodes on which something fits would cost is reckoned for itself."""


class Free:
    """See the module."""

    def __init__(self, capacity: Capacity, typical: Typical) -> None:
        self.capacity = capacity
        self.fleet = capacity.fleet
        self.is_open = capacity.is_open
        self.cpus = capacity.cpus.copy()
        self.memory_bytes = capacity.memory_bytes.copy()
        self.gpus_free = capacity.gpus_free.copy()
        self.gpus_idle = capacity.gpus_idle.copy()
        self.state = capacity.state.copy()
        self.typical = typical
        self._taken_from: list[int] = []
        self._before: list[tuple[NDArray[Any], ...]] | None = None
        self._known: dict[Resources, _Known] = {}
        self.barred: NDArray[np.bool_] | None = None
        """Rows on which nothing fits for the job that is looked at: somebody has booked them."""

    def fits(self, resources: Resources) -> NDArray[np.bool_]:
        """On which nodes there is room for a replica."""
        known = self._look(resources)
        return known.fits if self.barred is None else known.fits & ~self.barred

    def costs(
        self, resources: Resources, within: NDArray[np.bool_] | None = None
    ) -> NDArray[np.float64]:
        """What a replica would cost on each node; `inf` where it does not fit, or not `within`."""
        known = self._look(resources)
        if known.values is None and within is not None:
            here = known.fits & within
            if FEW * np.count_nonzero(here) < np.count_nonzero(known.fits):
                here = here if self.barred is None else here & ~self.barred
                return reckon(self, known.want, here)  # The others are not worth it.
        if known.values is None:
            known.values = reckon(self, known.want, known.fits)
        values = known.values
        if self.barred is not None:
            values = np.where(self.barred, np.inf, values)
        return values if within is None else np.where(within, values, np.inf)

    def _look(self, resources: Resources) -> _Known:
        """What is known of these needs, as of now."""
        known = self._known.get(resources)
        if known is None:
            want = self.want_of(resources)
            known = _Known(want, find_fitting(self, want, None), len(self._taken_from))
            self._known[resources] = known
        elif known.seen < len(self._taken_from):
            rows = np.array(sorted({*self._taken_from[known.seen :]}), np.int64)
            if known.is_shared:
                known = self._known[resources] = known.copy()
            known.fits[rows] = find_fitting(self, known.want, rows)
            if known.values is not None:
                known.values[rows] = reckon(self, known.want, known.fits[rows], rows)
            known.seen = len(self._taken_from)
        return known

    def take(
        self, rows: Sequence[int], resources: Resources, only: int | None = None
    ) -> tuple[Grant, ...]:
        """Of each of these nodes, all different, a replica's part: they have room for it. Its GPUs
        are of the mask `only`."""
        want = self.want_of(resources)
        at = np.asarray(rows)
        if self._before is not None:
            held = (self.cpus, self.memory_bytes, self.gpus_free, self.gpus_idle, self.state)
            self._before.append((at, *(values[at] for values in held)))
        grants, nodes, is_whole = [], self.fleet.nodes, want.is_whole
        whole: list[int] = []
        for row in rows:
            node = nodes[row]
            if is_whole and resources.gpus == len(node.devices):
                # Nothing is left to choose: so it is with most gangs.
                devices, nics = self.fleet.whole_of(row)
                cpus, memory_bytes = resources.cpus, resources.memory_bytes
                grants.append(Grant(node.name, devices, cpus, memory_bytes, nics))
                whole.append(row)
                continue
            parts = choose_parts(self.fleet, row, self.state[row], want, only)
            grants.append(_grant_of(node, parts, resources))
            if is_whole:
                self.state[row, [column for column, _ in parts]] = CLOSED
            else:
                self._take_parts(row, parts)
        if whole:
            self.state[whole, : resources.gpus] = CLOSED
        if is_whole:
            self.gpus_free[at] -= resources.gpus
            self.gpus_idle[at] -= resources.gpus
        self.cpus[at] -= resources.cpus
        self.memory_bytes[at] -= resources.memory_bytes
        self._taken_from += rows
        return tuple(grants)

    def _take_parts(self, row: int, parts: Iterable[tuple[int, Part]]) -> None:
        devices = self.fleet.nodes[row].devices
        for column, part in parts:
            before = int(self.state[row, column])
            self.state[row, column] = state_with(before, part, devices[column])
            self.gpus_free[row] -= before == FREE
            self.gpus_idle[row] -= IDLE[before] - IDLE[self.state[row, column]]

    def note_taken(self, rows: Iterable[int]) -> None:
        """Something was taken of these nodes."""
        self._taken_from += rows

    def mark(self) -> None:
        """A moment to go back to, until what was taken is kept."""
        self._before = []

    def keep(self) -> None:
        """What was taken stays so."""
        self._before = None

    def go_back(self) -> None:
        """Give back what was taken since the mark."""
        for at, cpus, memory_bytes, gpus_free, gpus_idle, states in reversed(self._before or ()):
            self.cpus[at], self.memory_bytes[at] = cpus, memory_bytes
            self.gpus_free[at], self.gpus_idle[at] = gpus_free, gpus_idle
            self.state[at] = states
            self._taken_from += at.tolist()
        self._before = None

    def opened(self, rows: Iterable[int]) -> Free:
        """What would be free without the cordons of these nodes; this stays as it is."""
        made = Free(self.capacity, self.typical)
        made.barred = self.barred
        made.cpus, made.memory_bytes = self.cpus, self.memory_bytes
        made.gpus_free, made.gpus_idle = self.gpus_free.copy(), self.gpus_idle.copy()
        made.state = self.state.copy()
        made.is_open = self.is_open.copy()
        for row in rows:
            room = self.capacity.rooms[row]
            made.is_open[row] = room.node.state is NodeState.READY
            shut = frozenset(room.cordoned_devices)
            for column, device in enumerate(room.node.devices):
                if device.id in shut:
                    made.state[row, column] = FREE
            made.gpus_free[row] += len(shut)
            made.gpus_idle[row] += len(shut)
        return made

    def untouched(self) -> Free:
        """What was free before this plan; this stays as it is."""
        made = self._copied()
        made.start_again()
        return made

    def start_again(self) -> None:
        """As it was before this plan; of what costs were reckoned only those of the nodes are
        reckoned again of which something was taken or given back."""
        capacity = self.capacity
        self.cpus, self.memory_bytes = capacity.cpus.copy(), capacity.memory_bytes.copy()
        self.gpus_free, self.gpus_idle = capacity.gpus_free.copy(), capacity.gpus_idle.copy()
        self.state, self.barred = capacity.state.copy(), None
        self._taken_from += sorted(set(self._taken_from))

    def has(self, row: int, grant: Grant) -> bool:
        """Whether just this is free on a node that is open to new work."""
        if not self.is_open[row]:
            return False
        if grant.cpus > self.cpus[row] or grant.memory_bytes > self.memory_bytes[row]:
            return False
        devices = {device.id: n for n, device in enumerate(self.fleet.nodes[row].devices)}
        states = self.state[row].copy()
        for held in grant.devices:
            part = parse_part(held)
            column = devices.get(part.gpu)
            if column is None or states[column] == CLOSED:
                return False
            before, device = int(states[column]), self.fleet.nodes[row].devices[column]
            after = state_with(before, part, device)
            is_mixed = bool(part.profile) and before >= SHARED
            is_too_much = not part.is_whole and after >= CLOSED
            if is_mixed or is_too_much or state_without(after, part, device) != before:
                return False
            states[column] = after
        return True

    def returned(self, grants: Iterable[tuple[str, Grant]]) -> Free:
        """What would be free once these were given back, each with its site; this stays as it is.
        What has left its node, is cordoned or is held by others, too, does not come free."""
        made = self._copied()
        made.give_back(grants)
        return made

    def granted(self, grants: Iterable[tuple[str, Grant]]) -> Free:
        """What would be free once these were held, too, for which there is room; this stays as it
        is."""
        made = self._copied()
        made.hold(grants)
        return made

    def give_back(self, grants: Iterable[tuple[str, Grant]]) -> None:
        """These are not held any more."""
        self._put(grants, 1, state_without)

    def hold(self, grants: Iterable[tuple[str, Grant]]) -> None:
        """These are held from now on; there is room for them."""
        self._put(grants, -1, state_with)

    def shared_with(self, later: Free, left: Free) -> Free:
        """What is free now and stays so: `later` is what will be free, too, once others have gone,
        and `left` what who waits for it leaves of that. Of GPUs on which they are nothing is."""
        made, width = self._copied(), max(1, self.state.shape[1])
        is_less = (left.cpus < self.cpus) | (left.memory_bytes < self.memory_bytes)
        apart = [
            (self.state != other.state).ravel().nonzero()[0] // width for other in (later, left)
        ]
        # What was taken and given back may have left a trace in sums of parts of GPUs.
        known = np.array(self._taken_from, np.int64)
        rows = np.unique(np.concatenate((*apart, is_less.nonzero()[0], known)))
        made.cpus[rows] = np.minimum(self.cpus[rows], left.cpus[rows])
        made.memory_bytes[rows] = np.minimum(self.memory_bytes[rows], left.memory_bytes[rows])
        is_same = self.state[rows] == later.state[rows]
        state = made.state[rows] = np.where(is_same, left.state[rows], CLOSED)
        is_there = self.fleet.kind[rows] >= 0
        made.gpus_free[rows] = ((state == FREE) & is_there).sum(axis=1)
        made.gpus_idle[rows] = np.where(is_there, IDLE[state], 0.0).sum(axis=1)
        made.note_taken(rows.tolist())
        return made

    def want_of(self, resources: Resources) -> Want:
        """The need; what a share of a GPU costs depends on which shares are typical."""
        known = self._known.get(resources)
        if known is not None:
            return known.want
        want = want_of(resources, self.fleet.kinds)
        if resources.gpu_unit is not GpuUnit.SHARE:
            return want
        costs = costs_of(resources.gpu_percent, self.typical.shares)
        return replace(want, costs=np.where(np.isfinite(want.costs), costs, np.inf))

    def _copied(self) -> Free:
        for known in self._known.values():
            known.is_shared = True
        made = copy(self)
        made.detach()
        return made

    def detach(self) -> None:
        """It changes nothing any more of what it was copied from."""
        self.cpus, self.memory_bytes = self.cpus.copy(), self.memory_bytes.copy()
        self.gpus_free, self.gpus_idle = self.gpus_free.copy(), self.gpus_idle.copy()
        self.state = self.state.copy()
        self._before, self._taken_from = None, self._taken_from.copy()
        self._known = self._known.copy()

    def _put(
        self,
        grants: Iterable[tuple[str, Grant]],
        sign: int,
        state_after: Callable[[int, Part, Device], int],
    ) -> None:
        rows: list[int] = []
        columns: list[int] = []
        for site, grant in grants:
            row = self.fleet.rows.get((site, grant.node))
            if row is None:
                continue
            self._taken_from.append(row)
            self.cpus[row] += sign * grant.cpus
            self.memory_bytes[row] += sign * grant.memory_bytes
            shut = self.capacity.rooms[row].shut
            for device in grant.devices:
                part = parse_part(device)
                column = self.fleet.column_of(row, part.gpu)
                if column is None or part.gpu in shut:
                    continue
                if part.is_whole:
                    rows.append(row)
                    columns.append(column)
                else:
                    it = self.fleet.nodes[row].devices[column]
                    after = state_after(int(self.state[row, column]), part, it)
                    self._set_state(np.array([row]), np.array([column]), after)
        if rows:
            after = FREE if state_after is state_without else CLOSED
            self._set_state(np.array(rows), np.array(columns), after)

    def _set_state(self, rows: NDArray[np.int64], columns: NDArray[np.int64], after: int) -> None:
        """The state of some GPUs, all different, from now on."""
        before = self.state[rows, columns]
        self.state[rows, columns] = after
        np.add.at(self.gpus_free, rows, int(after == FREE) - (before == FREE).astype(np.int64))
        np.add.at(self.gpus_idle, rows, IDLE[after] - IDLE[before])


class _Known:
    """Where a replica fits, and what it costs there as far as anybody asked; what is shared is not
    changed any more."""

    __slots__ = ("fits", "is_shared", "seen", "values", "want")

    def __init__(self, want: Want, fits: NDArray[np.bool_], seen: int) -> None:
        self.want = want
        self.fits = fits
        self.values: NDArray[np.float64] | None = None
        self.seen = seen
        self.is_shared = False

    def copy(self) -> _Known:
        """The same, to be changed."""
        made = _Known(self.want, self.fits.copy(), self.seen)
        made.values = None if self.values is None else self.values.copy()
        return made


def _grant_of(node: Node, parts: Sequence[tuple[int, Part]], resources: Resources) -> Grant:
    nics = node.topology.nics if node.topology is not None else ()
    return Grant(
        node.name,
        tuple([str(part) for _, part in parts]),
        resources.cpus,
        resources.memory_bytes,
        tuple(dict.fromkeys([nics[column] for column, _ in parts])) if nics else (),
    )
