"""Whole GPUs, slices and shares share machines, and nothing is ever held twice or cut wrongly."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.demand import Demand, Grant, Level, Wish
from quarterdeck.core.cluster.gpus import parse_gpus
from quarterdeck.core.cluster.hardware import Location, Node, NodeTopology
from quarterdeck.core.cluster.mig import occupancy_of, profiles_of
from quarterdeck.core.cluster.parts import parse_part
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Placement
from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_dgx

ROOT = Path(__file__).parents[2]
TOPOLOGY = NodeTopology(
    numa=(3, 3, 1, 1, 7, 7, 5, 5),
    islands=(0,) * 8,
    island_gbytes_s=300.0,
    host_gbytes_s=20.0,
    nics=tuple(f"mlx5_{number}" for number in (0, 1, 2, 3, 6, 7, 8, 9)),
    nic_gbytes_s=25.0,
    rails=tuple(range(8)),
)
ASKED = (
    *("1", "2", "4", "8", "A100:1", "H100|A100:2", "40GB..:1", "20GB", "5GB:2", "share-25%"),
    *("share-40%:2", "mig-1g.10gb:1", "mig-1g.10gb+me:1", "mig-1g.20gb:2", "mig-2g.20gb:1"),
    *("mig-3g.40gb:1", "mig-3g.40gb:3", "mig-4g.40gb:1", "mig-7g.80gb:1"),
)
WISHES = (
    *(Wish(), Wish(), Wish(require=Level.RACK), Wish(require=Level.UNIT)),
    *(Wish(prefer=Level.POD), Wish(require=Level.RAIL), Wish(spread=Level.RACK)),
)
PROFILES = profiles_of("A100-SXM4-80GB", 80 * GIB)


def some_nodes(count: int) -> list[Node]:
    return [
        a_dgx(
            f"n{number:02d}",
            topology=TOPOLOGY,
            location=Location(f"r{number // 2}", f"su{number // 4}"),
            may_slice=True,
        )
        for number in range(count)
    ]


def check_held(grants: list[Grant]) -> None:
    """Of no GPU more is held than there is, and its slices are some that NVIDIA has."""
    held: dict[str, list[str]] = {}
    for grant in grants:
        for device in grant.devices:
            held.setdefault(parse_part(device).gpu, []).append(device)
    for gpu, devices in held.items():
        parts = [parse_part(device) for device in devices]
        if any(part.is_whole for part in parts):
            assert devices == [gpu]
        elif any(part.profile for part in parts):
            occupancy_of([(part.profile, part.start) for part in parts], PROFILES)
        else:
            assert sum(part.percent for part in parts) <= 100


def check_gang(demand: Demand, placement: Placement, nodes: dict[str, Node]) -> None:
    """It is whole, on different nodes, and as near as it must be."""
    names = [grant.node for grant in placement.grants]
    assert len(set(names)) == len(names)
    assert demand.nodes <= len(names) <= demand.most_nodes
    assert all(len(grant.devices) == demand.resources.gpus for grant in placement.grants)
    places = {nodes[name].location for name in names}
    if demand.topology.require is Level.RACK:
        assert len(places) == 1
    if demand.topology.require in (Level.UNIT, Level.RAIL):
        assert len({place.unit for place in places}) == 1
    if demand.topology.require is Level.RAIL and len(names) > 1:
        assert len({grant.nics for grant in placement.grants}) == 1 or demand.resources.gpu_kind


def history(seed: int, steps: int, count: int = 8) -> list[Placement]:
    """Jobs come and go at random on so many nodes; every placement is looked at, and all that is
    held where something changed."""
    chance, nodes = Random(seed), some_nodes(count)
    by_name = {node.name: node for node in nodes}
    capacity = capacity_of([room_of("s", node, []) for node in nodes])
    running: dict[str, Placement] = {}
    placements = []
    for step in range(steps):
        job_id = JobId(f"j{step}")
        least = chance.choice((1, 1, 1, 1, 2, 3))
        most = chance.choice((None, None, least + 2)) if least > 1 else None
        resources = parse_gpus(chance.choice(ASKED))
        demand = Demand(least, resources, nodes_max=most, topology=chance.choice(WISHES))
        snapshot = Snapshot(START_NS, step, capacity, (Waiting(job_id, demand, 0, START_NS),))
        changed: set[str] = set()
        for placement in make_plan(snapshot, Policy()).placements:
            check_gang(demand, placement, by_name)
            placements.append(placement)
            running[job_id] = placement
            changed |= {grant.node for grant in placement.grants}
        while running and chance.random() < 0.45:
            ended = running.pop(chance.choice(sorted(running)))
            changed |= {grant.node for grant in ended.grants}
        grants = [grant for one in running.values() for grant in one.grants]
        for name in changed:
            check_held([grant for grant in grants if grant.node == name])
        rooms = [
            room_of("s", by_name[name], [one for one in grants if one.node == name])
            for name in sorted(changed)
        ]
        capacity = capacity.replaced(rooms)
    again = capacity_of(list(capacity))
    assert (again.state == capacity.state).all()
    assert (again.gpus_free == capacity.gpus_free).all()
    assert again.gpus_idle.tolist() == pytest.approx(capacity.gpus_idle.tolist())
    return placements


@pytest.mark.parametrize("seed", range(6))
def test_no_history_holds_anything_twice_or_cuts_a_gpu_wrongly(seed: int) -> None:
    placements = history(seed, 1500)
    kinds = Counter(
        "share" if device.endswith("%") else "slice" if "@" in device else "whole"
        for placement in placements
        for grant in placement.grants
        for device in grant.devices
    )
    assert min(kinds["whole"], kinds["slice"], kinds["share"]) > 100


def test_no_short_history_of_a_small_cluster_does_either() -> None:
    """`QD_TEST_HISTORIES=100000` tries that many."""
    slices = 0
    for seed in range(int(os.environ.get("QD_TEST_HISTORIES", "1500"))):
        slices += sum(
            "@" in device
            for placement in history(10_000 + seed, 12, count=2)
            for grant in placement.grants
            for device in grant.devices
        )
    assert slices > 100


def test_the_same_history_is_the_same_plan() -> None:
    assert history(3, 300) == history(3, 300)


def test_the_same_history_is_the_same_plan_under_any_hash_seed() -> None:
    line = (
        "import hashlib; from tests.property.test_placement import history; "
        "print(hashlib.sha256(repr(history(5, 300)).encode()).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", line],
            check=True,
            capture_output=True,
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            cwd=ROOT,
        ).stdout
        for seed in ("0", "1", "4711")
    }
    assert len(told) == 1
