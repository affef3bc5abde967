"""Clusters that slices are asked of: one that a simple rule rules, and one with our scheduler."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from time import perf_counter
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from benchmarks.slices import GPUS, MEMORY_GIB, PLAIN, WARM_UP
from quarterdeck.basics.ids import JobId, format_id
from quarterdeck.basics.quantities import GIB
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand, GpuUnit, Resources
from quarterdeck.core.cluster.hardware import Device, Node
from quarterdeck.core.cluster.mig import mask_of
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.fragments import Recent
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.moves import LATELY, find_moves, moves_left
from quarterdeck.core.scheduling.regrouping import Move
from quarterdeck.core.scheduling.snapshot import Running, Snapshot, Waiting

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.baselines.mig import Rule
    from benchmarks.slices import Request
    from quarterdeck.core.scheduling.snapshot import Policy

SITE: Final = "mig"
GPUS_PER_NODE: Final = 4


@dataclass(frozen=True, slots=True)
class Served:
    """One run: percent of the requests and of their compute slices that were served, moves in
    percent of the requests that were served, and seconds for each decision."""

    requests: float
    slices: float
    moved: float = 0.0
    seconds: float = 0.0


class Server(Protocol):
    """A cluster that slices are asked of. `moved` counts moves, and `seconds` are those
    that decisions took, where they are measured."""

    moved: int
    seconds: float

    def start(self, number: int, request: Request) -> bool:
        """Whether there was room."""
        ...

    def end(self, number: int) -> None:
        """A request that was served is over."""
        ...


class RuleServer:
    """GPUs, and a rule."""

    def __init__(self, rule: Rule) -> None:
        self.moved, self.seconds = 0, 0.0
        self._rule = rule
        self._occupied = np.zeros(GPUS, np.int64)
        self._held: dict[int, tuple[int, int]] = {}

    def start(self, number: int, request: Request) -> bool:
        """See `Server`."""
        chosen = self._rule.choose(self._occupied, request.profile)
        if chosen is None:
            return False
        gpu, mask = chosen[0], mask_of(request.profile, chosen[1])
        assert not self._occupied[gpu] & mask, (gpu, request, chosen)
        self._occupied[gpu] |= mask
        self._held[number] = gpu, mask
        return True

    def end(self, number: int) -> None:
        """See `Server`."""
        gpu, mask = self._held.pop(number)
        self._occupied[gpu] &= ~mask


class OurServer:
    """The same GPUs, some to a node, and the plans that the server would make: one for each request
    that comes. All jobs may be preempted if the policy moves any."""

    def __init__(self, policy: Policy, model: str = PLAIN, per_node: int = GPUS_PER_NODE) -> None:
        self.moved, self.seconds = 0, 0.0
        self._policy = policy
        self._capacity = capacity_of(
            [room_of(SITE, node, ()) for node in _nodes_of(model, per_node)]
        )
        self._jobs: dict[JobId, Running] = {}
        self._on: dict[str, set[JobId]] = {room.node.name: set() for room in self._capacity}
        self._changed: set[str] = set()
        self._recent = Recent()
        self._moved_lately: deque[int] = deque(maxlen=LATELY)

    def start(self, number: int, request: Request) -> bool:
        """See `Server`."""
        wanted = Resources(1, gpu_unit=GpuUnit.SLICE, gpu_profile=request.profile.name)
        self._recent.add(wanted)
        self._look_again()
        now_ns = int(request.at_s * NS_PER_S)
        waiting = Waiting(_id_of(number), Demand(1, wanted), 0, now_ns)
        asked = self._recent.asked()
        snapshot = Snapshot(now_ns, number, self._capacity, (waiting,), asked=asked)
        began = perf_counter()
        placements = make_plan(snapshot, self._policy, explains=False).placements
        moves: tuple[Move, ...] = ()
        most = moves_left(self._policy, len(self._moved_lately), sum(self._moved_lately))
        if not placements and most:
            found = find_moves(replace(snapshot, running=tuple(self._jobs.values())), waiting, most)
            if found is not None:
                placements, moves = (found.placement,), found.moves
        self.seconds += perf_counter() - began
        for move in moves:
            self._forget(move.job.job_id)
        for placed, demand in [
            *((one, waiting.demand) for one in placements),
            *((move.after, move.job.demand) for move in moves),
        ]:
            self._hold(Running(placed.job_id, SITE, demand, placed.grants, 0, now_ns, now_ns, 0.0))
        self.moved += len(moves)
        self._moved_lately += [len(moves)] * len(placements)
        return bool(placements)

    def end(self, number: int) -> None:
        """See `Server`."""
        self._forget(_id_of(number))

    def _hold(self, job: Running) -> None:
        self._jobs[job.job_id] = job
        self._on[job.grants[0].node].add(job.job_id)
        self._changed.add(job.grants[0].node)

    def _forget(self, job_id: JobId) -> None:
        node = self._jobs.pop(job_id).grants[0].node
        self._on[node].remove(job_id)
        self._changed.add(node)

    def _look_again(self) -> None:
        """The capacity as it is after what was held and ended."""
        rows = self._capacity.fleet.rows
        self._capacity = self._capacity.replaced(
            room_of(
                SITE,
                self._capacity[rows[SITE, node]].node,
                [self._jobs[job_id].grants[0] for job_id in sorted(self._on[node])],
            )
            for node in self._changed
        )
        self._changed.clear()


def serve(server: Server, requests: Sequence[Request]) -> Served:
    """All requests, in their order; those that warm it up do not count."""
    ends: list[tuple[float, int]] = []
    asked, got = np.zeros(2), np.zeros(2)
    first = int(WARM_UP * len(requests))
    moved_before = 0
    for number, request in enumerate(requests):
        while ends and ends[0][0] <= request.at_s:
            server.end(heappop(ends)[1])
        if number == first:
            moved_before = server.moved
        is_served = server.start(number, request)
        if is_served:
            heappush(ends, (request.at_s + request.life_s, number))
        if number >= first:
            asked += 1, request.profile.compute
            got += is_served, is_served * request.profile.compute
    requests_percent, slices_percent = (100 * got / asked).tolist()
    moved = 100 * (server.moved - moved_before) / max(1, int(got[0]))
    return Served(requests_percent, slices_percent, moved, server.seconds / len(requests))


def _nodes_of(model: str, per_node: int) -> list[Node]:
    return [
        Node(
            f"n{node:03d}",
            64,
            256 * GIB,
            tuple(
                Device(f"GPU-{gpu}", model, MEMORY_GIB[model] * GIB)
                for gpu in range(node * per_node, min(GPUS, (node + 1) * per_node))
            ),
            may_slice=True,
        )
        for node in range(-(-GPUS // per_node))
    ]


def _id_of(number: int) -> JobId:
    return JobId(format_id("j", number))
