"""When those who wait should start: the queue played on into the future, roughly and quickly.

What runs ends when it should, who waits starts in the order of the queue as soon as there is room,
and nobody else comes. Room is counted: for each kind of node how many have how many GPUs free. Who
gets which GPU, how near the nodes of a gang lie, limits and memory are left out, which a plan looks
at (`make_plan`): that would take a plan for each end. So what comes out is a guess, of which
`promises` knows how far it is off.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.cluster.parts import parse_part
from quarterdeck.core.scheduling.capacity import MEMORY_SLICES
from quarterdeck.core.scheduling.others import loans_of
from quarterdeck.core.scheduling.survey import able_rows
from quarterdeck.core.scheduling.terms import find_obstacle
from quarterdeck.core.scheduling.wants import want_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.cluster.demand import Demand, Grant
    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.core.scheduling.fleet import Fleet

GRAIN: Final = 8
"""Where parts of GPUs are wanted or held a GPU is counted as so many."""
STARTS_MAX: Final = 5000
"""No further start is played than this one: of what waits behind nothing is foreseen."""
EPSILON: Final = 1e-6
GOLDEN: Final = 0.6180339887498949

Held = tuple[tuple[tuple[str, str], float, int], ...]
"""Of an attempt, for each of its nodes: site and name, GPUs (parts count as parts), and CPUs."""


@dataclass(frozen=True, slots=True)
class Runs:
    """An attempt that holds devices, and how many seconds longer it should."""

    held: Held
    left_s: float


@dataclass(frozen=True, slots=True)
class Queued:
    """Somebody who waits: `count` tasks of the same demand that should each run for `expected_s`.
    After `holds_in_s` nobody behind may pass; infinity for never."""

    job_id: JobId
    demand: Demand
    expected_s: float
    holds_in_s: float
    count: int = 1


class Draws:
    """Which of the run times that are likely each job is taken to have: spread evenly over all
    jobs in the order in which they are first asked for, and the same for one job at each look.

    If every job took the mean, nodes would come free together and far too late for gangs; most are
    quick and few take long. It is the Kronecker sequence of the golden ratio (Niederreiter, "Random
    Number Generation and Quasi-Monte Carlo Methods", SIAM 1992), so nothing is left to chance.
    """

    def __init__(self) -> None:
        self._numbers: dict[JobId, int] = {}
        self._next = 0

    def share(self, job_id: JobId) -> float:
        """At least 0 and less than 1."""
        number = self._numbers.get(job_id)
        if number is None:
            number = self._numbers[job_id] = self._next
            self._next += 1
        return number * GOLDEN % 1.0

    def keep(self, job_ids: Collection[JobId]) -> None:
        """Forget all others, now and then."""
        if len(self._numbers) > 2 * len(job_ids) + 1000:
            self._numbers = {one: n for one, n in self._numbers.items() if one in job_ids}


def held_of(site: str, grants: Iterable[Grant]) -> Held:
    """What an attempt holds, as it is counted here."""
    return tuple(((site, one.node), sum(map(_size_of, one.devices)), one.cpus) for one in grants)


def runs_of_others(capacity: Capacity, now_ns: int) -> Iterator[Runs]:
    """What others of the site hold, until the times that they have to be over by; what has no such
    time does not end as far as can be seen."""
    for loan in loans_of(capacity):
        if loan.ends_at_ns is not None:
            grant, disputed = loan.grant, capacity.rooms[loan.row].disputed
            if disputed:
                # What they hold of a GPU of ours as well is not theirs to give back.
                own = [device for device in grant.devices if device not in disputed]
                grant = replace(grant, devices=tuple(own))
            left_s = max(0.0, (loan.ends_at_ns - now_ns) / NS_PER_S)
            yield Runs(held_of(loan.site, [grant]), left_s)


class LookAhead:
    """Looks ahead again and again on a fleet that seldom changes. One thread at a time."""

    def __init__(self) -> None:
        self._known: tuple[Fleet, _Kinds] | None = None

    def foresee(
        self,
        capacity: Capacity,
        runs: Iterable[Runs],
        queue: Sequence[Queued],
        until: JobId | None = None,
    ) -> dict[JobId, float]:
        """In how many seconds each of the queue should start, of several tasks the first; without
        those that never would as far as can be seen. It looks no further than the start of
        `until`."""
        fleet = capacity.fleet
        if self._known is None or self._known[0] is not fleet:
            self._known = (fleet, _Kinds(fleet))
        played = _Played(self._known[1], capacity, queue)
        played.hold(runs)
        return played.play(until)


class _Kinds:
    """The nodes of a fleet by what is the same of them to everybody who waits."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        of: dict[tuple[object, ...], int] = {}
        sites = {row: site for site, part in fleet.sites.items() for row in _rows_in(part)}
        self.kind_of_row: list[int] = []
        self.site_of_kind: list[str] = []
        first: list[int] = []
        for row in range(len(fleet.nodes)):
            key = (
                sites[row],
                fleet.kind[row].tobytes(),
                int(fleet.cpus[row]),
                int(fleet.memory_bytes[row]),
            )
            if key not in of:
                of[key] = len(of)
                self.site_of_kind.append(sites[row])
                first.append(row)
            self.kind_of_row.append(of[key])
        self._first = np.array(first, np.int64)
        self._able: dict[Demand, list[list[int]]] = {}

    def able(self, part: Demand) -> list[list[int]]:
        """The kinds of nodes that could be of use to a gang, site by site."""
        if part not in self._able:
            rows = {*able_rows(self.fleet, part.resources, self._first).tolist()}
            by_site: dict[str, list[int]] = {}
            for kind, row in enumerate(self._first.tolist()):
                site = self.site_of_kind[kind]
                if row in rows and part.site in (None, site):
                    by_site.setdefault(site, []).append(kind)
            if len(self._able) > 10_000:
                self._able.clear()
            self._able[part] = [*by_site.values()]
        return self._able[part]

    def suits(self, gang: Demand, kind: int) -> bool:
        """Whether the site of these nodes could run all of a gang."""
        site = self.site_of_kind[kind]
        return find_obstacle(gang, self.fleet.gang_terms[site], site) is None


class _Lane:
    """What is free of nodes of one kind, each by how many units it has free. A node may be listed
    where it was before: only its own number counts."""

    __slots__ = ("counts", "free", "listed")

    def __init__(self) -> None:
        self.free: dict[int, int] = {}
        self.counts: list[int] = [0]
        self.listed: list[list[int]] = [[]]

    def put(self, row: int, units: int) -> None:
        """A node has so much free from now on."""
        before = self.free.get(row)
        if before is not None:
            self.counts[before] -= 1
        while len(self.counts) <= units:
            self.counts.append(0)
            self.listed.append([])
        self.free[row] = units
        self.counts[units] += 1
        self.listed[units].append(row)

    def count(self, units: int) -> int:
        """How many nodes have at least so much free."""
        return sum(self.counts[units:])

    def take(self, units: int, nodes: int) -> list[int]:
        """So many units of each of up to so many nodes: of the fullest that have them."""
        taken: list[int] = []
        for free in range(units, len(self.counts)):
            while len(taken) < nodes and self.counts[free]:
                row = self.listed[free].pop()
                if self.free[row] == free and row not in taken:
                    taken.append(row)
                    self.put(row, free - units)
            if len(taken) == nodes:
                break
        return taken


@dataclass(frozen=True, slots=True)
class _Part:
    """What one group of a gang takes: units of each of so many nodes of the kinds of one site."""

    nodes: int
    units: int
    is_of_gpus: bool
    sites: list[list[int]]


Taken = list[tuple[_Lane, int, int]]
"""Lane, row, and how many units were taken there."""


class _Played:
    """One look."""

    def __init__(self, kinds: _Kinds, capacity: Capacity, queue: Sequence[Queued]) -> None:
        self._kinds = kinds
        self._queue = queue
        self._is_open = capacity.is_open.tolist()
        idle = capacity.gpus_idle
        self._grain = GRAIN if _has_parts(capacity, queue) else 1
        self._gpus = [_Lane() for _ in kinds.site_of_kind]
        self._cpus = [_Lane() for _ in kinds.site_of_kind]
        self._counts_cpus = any(not one.demand.resources.gpus for one in queue)
        units = np.floor(idle * self._grain + EPSILON).astype(int).tolist()
        cpus = capacity.cpus.tolist()
        for row, kind in enumerate(kinds.kind_of_row):
            if self._is_open[row]:
                self._gpus[kind].put(row, units[row])
                if self._counts_cpus:
                    self._cpus[kind].put(row, max(0, cpus[row]))
        self._parts: dict[Demand, list[_Part]] = {}
        self._ends: list[tuple[float, int, Taken]] = []

    def hold(self, runs: Iterable[Runs]) -> None:
        """These run, and what they hold comes free when they end."""
        rows = self._kinds.fleet.rows
        for number, one in enumerate(runs):
            taken: Taken = []
            for place, gpus, cpus in one.held:
                row = rows.get(place)
                if row is None or not self._is_open[row]:
                    continue
                kind = self._kinds.kind_of_row[row]
                if gpus:
                    units = int(gpus * self._grain + EPSILON)
                    taken.append((self._gpus[kind], row, units))
                if self._counts_cpus and cpus:
                    taken.append((self._cpus[kind], row, cpus))
            if taken:
                self._ends.append((one.left_s, number, taken))
        heapq.heapify(self._ends)

    def play(self, until: JobId | None) -> dict[JobId, float]:
        """Until all have started, or that one has, or nothing happens any more."""
        queue, alike = self._queue, self._alike()
        left = [one.count for one in queue]
        waiting = sum(left[place] for places in alike.values() for place in places)
        next_of = dict.fromkeys(alike, 0)
        starts: dict[JobId, float] = {}
        now_s, begun = 0.0, 0
        number = len(self._ends)
        while waiting and begun < STARTS_MAX:
            heads = [(places[next_of[key]], key) for key, places in alike.items() if places]
            heapq.heapify(heads)
            while heads and begun < STARTS_MAX:
                place, key = heapq.heappop(heads)
                one = queue[place]
                taken = self._take(one.demand)
                if taken is None:
                    if now_s >= one.holds_in_s:
                        break
                    continue
                if one.job_id not in starts:
                    starts[one.job_id] = now_s
                    if one.job_id == until:
                        return starts
                number, begun, waiting = number + 1, begun + 1, waiting - 1
                heapq.heappush(self._ends, (now_s + one.expected_s, number, taken))
                left[place] -= 1
                if not left[place]:
                    next_of[key] += 1
                    if next_of[key] == len(alike[key]):
                        alike[key] = []
                        continue
                heapq.heappush(heads, (alike[key][next_of[key]], key))
            if not self._ends:
                break
            now_s = max(now_s, self._ends[0][0])
            while self._ends and self._ends[0][0] <= now_s:
                self._give(heapq.heappop(self._ends)[2])
        return starts

    def _alike(self) -> dict[int, list[int]]:
        """The places in the queue of those that ask for the same: if the first finds no room, none
        does. Without those for whom the nodes that are up would not do if they were empty: they
        hold up nobody."""
        numbers: dict[Demand, int] = {}
        found: dict[int, list[int]] = {}
        for place, one in enumerate(self._queue):
            number = numbers.setdefault(one.demand, len(numbers))
            found.setdefault(number, []).append(place)
        demands = [*numbers]
        return {key: places for key, places in found.items() if self._is_able(demands[key])}

    def _is_able(self, demand: Demand) -> bool:
        return all(
            any(
                sum(len(self._gpus[kind].free) for kind in kinds) >= part.nodes
                for kinds in part.sites
            )
            for part in self._parts_of(demand)
        )

    def _parts_of(self, demand: Demand) -> list[_Part]:
        if demand not in self._parts:
            self._parts[demand] = [self._part_of(part, demand) for part in demand.parts]
        return self._parts[demand]

    def _take(self, demand: Demand) -> Taken | None:
        """Room for all of a gang, or None."""
        taken: Taken = []
        for part in self._parts_of(demand):
            if not self._take_part(part, taken):
                self._give(taken)
                return None
        return taken

    def _take_part(self, part: _Part, taken: Taken) -> bool:
        lanes = self._gpus if part.is_of_gpus else self._cpus
        for kinds in part.sites:
            if sum(lanes[kind].count(part.units) for kind in kinds) < part.nodes:
                continue
            lacking = part.nodes
            for kind in kinds:
                rows = lanes[kind].take(part.units, lacking)
                taken += [(lanes[kind], row, part.units) for row in rows]
                lacking -= len(rows)
            return True
        return False

    def _part_of(self, part: Demand, gang: Demand) -> _Part:
        wanted = part.resources
        sites = [kinds for kinds in self._kinds.able(part) if self._kinds.suits(gang, kinds[0])]
        if not wanted.gpus:
            return _Part(part.nodes, wanted.cpus, False, sites)
        size = want_of(wanted, self._kinds.fleet.kinds).part if self._grain > 1 else 1.0
        units = max(1, round(wanted.gpus * size * self._grain))
        return _Part(part.nodes, units, True, sites)

    def _give(self, taken: Taken) -> None:
        for lane, row, units in taken:
            lane.put(row, lane.free[row] + units)


def _has_parts(capacity: Capacity, queue: Sequence[Queued]) -> bool:
    """Whether slices or shares are held or waited for."""
    idle = capacity.gpus_idle
    if bool(np.any(np.abs(idle - np.round(idle)) > EPSILON)):
        return True
    return any(one.demand.resources.gpu_unit is not GpuUnit.WHOLE for one in queue)


def _size_of(device: str) -> float:
    """How much of a GPU a granted device is."""
    part = parse_part(device)
    if part.profile:
        return float(part.profile.partition("g")[0]) / MEMORY_SLICES
    return part.percent / 100


def _rows_in(part: slice) -> range:
    return range(part.start, part.stop)
