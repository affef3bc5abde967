"""Which running jobs to move so that a MIG slice fits that fits nowhere: as few as will do.

Slices are placed one by one and end one by one, so what is free becomes scattered: often there is
enough of it, and one slice in the wrong place is in the way. A job that may be preempted can start
again elsewhere. What is found here is proven (`regrouping`). All must have stopped before any
starts.

Moving interrupts work, so a policy allows none unless it says so, and then only few of what starts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final

from quarterdeck.core.cluster.demand import GpuUnit
from quarterdeck.core.cluster.mig import mask_of, profiles_of
from quarterdeck.core.cluster.parts import parse_part
from quarterdeck.core.scheduling.capacity import SHARED, capacity_of
from quarterdeck.core.scheduling.fragments import typical_of
from quarterdeck.core.scheduling.free import Free
from quarterdeck.core.scheduling.placer import Placer
from quarterdeck.core.scheduling.regrouping import Allowed, first_proven, prove
from quarterdeck.core.scheduling.wants import want_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from quarterdeck.core.cluster.demand import Demand, Resources
    from quarterdeck.core.scheduling.capacity import Capacity
    from quarterdeck.core.scheduling.placer import Sites
    from quarterdeck.core.scheduling.regrouping import Regrouping, Where
    from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot, Waiting

LATELY: Final = 500
"""Starts over which moves are counted for the policy."""


@dataclass(frozen=True, slots=True)
class _Slice:
    """What a movable job holds of a GPU, as bits."""

    job: Running
    mask: int


@dataclass(frozen=True, slots=True)
class _Way:
    """What is in the way of a slice at this start of a GPU of this kind and state, the largest
    first."""

    start: int
    kind: int
    state: int
    slices: tuple[_Slice, ...]


def moves_left(policy: Policy, started: int, moved: int) -> int:
    """How many jobs may be moved now for one that waits, after so many starts and moves of late: a
    quiet time is no credit for a busy one."""
    allowed = int(policy.moves_percent / 100 * started) - moved
    return max(0, min(policy.moves_max, allowed))


def find_moves(
    snapshot: Snapshot, waiting: Waiting, most: int, sites: Sites = None
) -> Regrouping | None:
    """The moves of at most so many running jobs that make room for a job that wants one slice and
    for which there is no room at these sites: the fewest, and of these the ones that started
    last. A moved job stays at its site. None if nothing was found."""
    placer = Placer(Free(capacity_of(snapshot.rooms), typical_of(snapshot.asked)))
    ready = waiting.ready(snapshot.now_ns)
    if most < 1 or not ready or placer.could_place(waiting.demand, sites):
        return None

    def where(one: Waiting) -> Allowed:
        return Allowed(sites if one is waiting else None)

    return find_slice_moves(placer, snapshot.running, (waiting, ready[0]), most, where)


def find_slice_moves(
    placer: Placer,
    running: Iterable[Running],
    wanting: tuple[Waiting, int | None],
    most: int,
    where: Where,
) -> Regrouping | None:
    """The same for a job, or a task of it, for which there is no room in what this placer has."""
    waiting, task = wanting
    if not _is_one_slice(waiting.demand):
        return None
    at = _slices_at(placer.free.capacity, running)
    sites = where(waiting).sites

    def attempt(way: _Way) -> Regrouping | None:
        return prove(placer, waiting, task, [one.job for one in way.slices], where)

    ways = sorted(_ways(placer, waiting.demand, sites, at, most), key=_price)
    return first_proven((_likeness(way), partial(attempt, way)) for way in ways)


def _likeness(way: _Way) -> tuple[object, ...]:
    """What is the same of ways that succeed or fail alike."""
    return (way.start, way.kind, way.state, *(one.job.demand for one in way.slices))


def _is_one_slice(demand: Demand) -> bool:
    wanted = demand.resources
    is_single = demand.most_nodes == 1 and not demand.beside
    return is_single and wanted.gpu_unit is GpuUnit.SLICE and wanted.gpus == 1


def _price(way: _Way) -> tuple[int, int]:
    """Less is better: few jobs, then those that started last, as they have least to lose."""
    return len(way.slices), -sum(one.job.started_at_ns for one in way.slices)


def _slices_at(
    capacity: Capacity, running: Iterable[Running]
) -> dict[tuple[int, int], list[_Slice]]:
    """The slices that may be moved, by the row of their node and the column of their GPU."""
    found: dict[tuple[int, int], list[_Slice]] = {}
    columns: dict[int, dict[str, int]] = {}
    for job in running:
        if not job.is_preemptible or not _is_one_slice(job.demand):
            continue
        (grant,) = job.grants
        row = capacity.fleet.rows.get((job.site, grant.node))
        if row is None:
            continue
        devices = capacity.fleet.nodes[row].devices
        if row not in columns:
            columns[row] = {device.id: column for column, device in enumerate(devices)}
        part = parse_part(grant.devices[0])
        column = columns[row].get(part.gpu)
        if column is not None and part.profile:
            device = devices[column]
            profile = profiles_of(device.model, device.memory_bytes)[part.profile]
            mask = mask_of(profile, part.start)
            found.setdefault((row, column), []).append(_Slice(job, mask))
    return found


def _ways(
    placer: Placer,
    demand: Demand,
    sites: Sites,
    at: Mapping[tuple[int, int], Sequence[_Slice]],
    most: int,
) -> Iterator[_Way]:
    """Every start of another slice where all that is in its way may be moved, and where there is
    some other GPU or start for each of these."""
    free, wanted = placer.free, demand.resources
    want = want_of(wanted, free.fleet.kinds)
    rows = {
        row
        for site in placer.sites_for(demand, sites)
        for row in range(free.fleet.sites[site].start, free.fleet.sites[site].stop)
        if free.is_open[row]
    }
    has_place: dict[tuple[str, Resources], bool] = {}
    for (row, column), slices in at.items():
        kind, state = int(free.fleet.kind[row, column]), int(free.state[row, column])
        profile = want.profiles[kind]
        if row not in rows or profile is None or state >= SHARED:
            continue
        for start in profile.starts:
            mask = mask_of(profile, start)
            in_way = [one for one in slices if one.mask & mask]
            is_all = state & mask == sum(one.mask for one in in_way) & mask
            if not (is_all and 0 < len(in_way) <= most and _has_rest(free, row, wanted, in_way)):
                continue
            for one in in_way:
                key = (one.job.site, one.job.demand.resources)
                if key not in has_place:
                    has_place[key] = _has_place(free, *key)
            if all(has_place[one.job.site, one.job.demand.resources] for one in in_way):
                in_way.sort(key=lambda one: -one.mask.bit_count())
                yield _Way(start, kind, state, tuple(in_way))


def _has_rest(free: Free, row: int, wanted: Resources, gone: Sequence[_Slice]) -> bool:
    """Whether the node has the CPUs and the memory that are wanted, with these gone."""
    grants = [grant for one in gone for grant in one.job.grants]
    cpus = sum(grant.cpus for grant in grants)
    memory_bytes = sum(grant.memory_bytes for grant in grants)
    return bool(
        free.cpus[row] + cpus >= wanted.cpus
        and free.memory_bytes[row] + memory_bytes >= wanted.memory_bytes
    )


def _has_place(free: Free, site: str, resources: Resources) -> bool:
    """Whether a GPU has room for it, whatever else it needs: a job that moves within its node has
    its CPUs there already."""
    if resources.gpu_profile.endswith("+me"):
        return True  # its own media engines would seem to be in its way
    slice_alone = replace(resources, cpus=0, memory_bytes=0)
    return bool(free.fits(slice_alone)[free.fleet.sites[site]].any())
