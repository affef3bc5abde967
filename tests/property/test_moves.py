"""Moves on random clusters: legal, only of what may be moved, and found where there is one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from random import Random

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.demand import Demand, Grant
from quarterdeck.core.cluster.gpus import parse_gpus
from quarterdeck.core.cluster.hardware import Device, Node
from quarterdeck.core.cluster.mig import occupancy_of, profiles_of
from quarterdeck.core.cluster.parts import Part, parse_part
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.moves import find_moves
from quarterdeck.core.scheduling.snapshot import Running, Snapshot, Waiting
from quarterdeck.testing.builders import SITE, START_NS, a_job_id

MODELS = {"A100-SXM4-80GB": 80, "H100-NVL": 94, "A30": 24}
STARTS = {
    "8": {1: (1, range(7)), 2: (2, (0, 2, 4)), 3: (4, (0, 4)), 4: (4, (0,)), 7: (8, (0,))},
    "4": {1: (1, range(4)), 2: (2, (0, 2)), 4: (4, (0,))},
}
"""Memory slices and starts by compute slices, once more by hand; 1g with twice the memory and
media engines are known by their names."""


def places_of(model: str, profile: str) -> list[frozenset[str]]:
    """Every place of a profile on a GPU: its memory slices, and `me` for the media engines."""
    table = STARTS["4" if model == "A30" else "8"]
    size, starts = table[int(profile[0])]
    plain = {"A100-SXM4-80GB": "1g.10gb", "H100-NVL": "1g.12gb", "A30": "1g.6gb"}[model]
    if profile.startswith("1g") and profile.removesuffix("+me") != plain:
        size, starts = 2, (0, 2, 4, 6)
    media = {"me"} if profile.endswith("+me") else set()
    return [frozenset({str(start + n) for n in range(size)} | media) for start in starts]


class Cluster:
    """Nodes of one model, and the jobs that hold slices of them."""

    def __init__(self, seed: int) -> None:
        self.random = random = Random(seed)
        self.model = random.choice([*MODELS])
        memory_bytes = MODELS[self.model] * GIB
        self.profiles = profiles_of(self.model, memory_bytes)
        self.nodes = [
            Node(
                f"n{number}", random.choice((6, 64)), 64 * GIB,
                tuple(Device(f"GPU-{number}-{n}", self.model, memory_bytes)
                      for n in range(random.choice((1, 2)))),
                may_slice=True,
            )
            for number in range(random.choice((1, 2)))
        ]  # fmt: skip
        self.jobs: dict[JobId, Running] = {}
        for number in range(random.randrange(20, 60)):
            self._start(number)
        for job_id in random.sample([*self.jobs], len(self.jobs) // 4):
            del self.jobs[job_id]
        self.movable = [job for job in self.jobs.values() if job.is_preemptible]

    def _start(self, number: int) -> None:
        """One more slice anywhere."""
        random = self.random
        node = random.choice(self.nodes)
        demand = self.demand(random.choice([*self.profiles]))
        places = [
            (gpu.id, start)
            for gpu in node.devices
            for start in self.profiles[demand.resources.gpu_profile].starts
        ]
        gpu, start = random.choice(places)
        part = str(Part(gpu, demand.resources.gpu_profile, start))
        cpus = sum(
            job.grants[0].cpus for job in self.jobs.values() if job.grants[0].node == node.name
        )
        held = [one.grants[0] for one in self.jobs.values()]
        if cpus + demand.resources.cpus <= node.cpus and are_apart(self.model, held, part):
            grant = Grant(node.name, (part,), demand.resources.cpus)
            started_at_ns = START_NS - random.randrange(10**9)
            job = Running(
                a_job_id(number), SITE, demand, (grant,), 0, started_at_ns, started_at_ns, 0.0,
                is_preemptible=random.random() < 0.7,
            )  # fmt: skip
            self.jobs[job.job_id] = job

    def demand(self, profile: str) -> Demand:
        wanted = replace(parse_gpus(f"mig-{profile}"), cpus=self.random.choice((0, 1, 3)))
        return Demand(1, wanted)

    def grants(self) -> list[Grant]:
        return [one.grants[0] for one in self.jobs.values()]

    def snapshot(self, waiting: Waiting) -> Snapshot:
        rooms = [
            room_of(
                SITE,
                node,
                [j.grants[0] for j in self.jobs.values() if j.grants[0].node == node.name],
            )
            for node in self.nodes
        ]
        return Snapshot(START_NS, 1, rooms, (waiting,), running=tuple(self.jobs.values()))


def are_apart(model: str, grants: Iterable[Grant], part: str) -> bool:
    """Whether a slice would overlap none of these."""
    mine = parse_part(part)
    return all(
        mine.gpu != other.gpu or slices_of(model, mine).isdisjoint(slices_of(model, other))
        for other in (parse_part(grant.devices[0]) for grant in grants)
    )


def slices_of(model: str, part: Part) -> frozenset[str]:
    return next(
        one for one in places_of(model, part.profile) if str(part.start) == min(one - {"me"})
    )


def profile_of(grant: Grant) -> str:
    return parse_part(grant.devices[0]).profile


def fits(cluster: Cluster, grants: Iterable[Grant], demand: Demand) -> list[Grant]:
    """Every way to place another slice beside these, one after the other."""
    held, wanted = [*grants], demand.resources
    found = []
    for node in cluster.nodes:
        cpus = sum(grant.cpus for grant in held if grant.node == node.name)
        for gpu in node.devices if cpus + wanted.cpus <= node.cpus else ():
            for place in places_of(cluster.model, wanted.gpu_profile):
                part = str(Part(gpu.id, wanted.gpu_profile, int(min(place - {"me"}))))
                if are_apart(cluster.model, held, part):
                    found.append(Grant(node.name, (part,), wanted.cpus))
    return found


def one_move_would_do(cluster: Cluster, demand: Demand) -> bool:
    """By trying every job, every place for the new one that it is in the way of, and every place
    for the moved one."""
    for job in cluster.movable:
        others = [one.grants[0] for one in cluster.jobs.values() if one is not job]
        for new in fits(cluster, others, demand):
            is_in_way = not are_apart(cluster.model, [*job.grants], new.devices[0])
            if is_in_way and fits(cluster, [*others, new], job.demand):
                return True
    return False


def check(cluster: Cluster, held: Mapping[JobId, Grant]) -> None:
    """No slice overlaps another one, all are where the driver lets them, and CPUs are enough."""
    for node in cluster.nodes:
        mine = [grant for grant in held.values() if grant.node == node.name]
        assert sum(grant.cpus for grant in mine) <= node.cpus
        for gpu in node.devices:
            parts = [parse_part(device) for grant in mine for device in grant.devices]
            occupancy_of(
                [(one.profile, one.start) for one in parts if one.gpu == gpu.id], cluster.profiles
            )


@pytest.mark.parametrize("first", [0, 150])
def test_moves_are_legal_and_one_that_would_do_is_found(first: int) -> None:
    moved = missed = 0
    for seed in range(first, first + 150):
        cluster = Cluster(seed)
        check(cluster, {job.job_id: job.grants[0] for job in cluster.jobs.values()})
        demand = cluster.demand(cluster.random.choice([*cluster.profiles]))
        waiting = Waiting(a_job_id(999), demand, 0, START_NS)
        most = cluster.random.choice((1, 2, 3))
        found = find_moves(cluster.snapshot(waiting), waiting, most)
        has_room = bool(fits(cluster, cluster.grants(), demand))
        if found is None:
            would_do = not has_room and one_move_would_do(cluster, demand)
            assert not would_do, (seed, demand)
            missed += not has_room
            continue
        assert not has_room
        assert 1 <= len(found.moves) <= most
        assert {one.job.job_id for one in found.moves} <= {one.job_id for one in cluster.movable}
        held = {job.job_id: job.grants[0] for job in cluster.jobs.values()}
        for move in found.moves:
            (held[move.job.job_id],) = move.after.grants
            assert profile_of(held[move.job.job_id]) == move.job.demand.resources.gpu_profile
        (held[waiting.job_id],) = found.placement.grants
        assert profile_of(held[waiting.job_id]) == demand.resources.gpu_profile
        check(cluster, held)
        moved += 1
    assert moved > 3
    assert missed > 3
