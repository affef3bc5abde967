"""The fast placement is what a slow and plain one would choose, on random clusters."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.demand import Demand, GpuUnit, Grant, Level, Wish
from quarterdeck.core.cluster.gpus import parse_gpus
from quarterdeck.core.cluster.hardware import Cordon, Device, Location, Node, NodeState
from quarterdeck.core.cluster.parts import parse_part
from quarterdeck.core.cluster.room import Room, room_of
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Placement
from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS
from tests.oracles.plain_costs import cost_on, gpus_of, has_room
from tests.property.test_placement import TOPOLOGY

ASKED = (
    *("0", "1", "2", "3", "4", "8", "A100:2", "H100|A100:1", "A30:1", "40GB..:1", "20GB", "5GB:2"),
    *("share-25%", "share-60%:2", "mig-1g.10gb:1", "mig-1g.10gb+me:1", "mig-2g.20gb:2"),
    *("mig-3g.40gb:1", "mig-4g.40gb:1", "mig-1g.20gb:1"),
)
Cluster = dict[str, tuple[Node, tuple[Cordon, ...]]]
KINDS = (("A100-SXM4-80GB", 80), ("A100-SXM4-80GB", 80), ("H100-SXM5-80GB", 80), ("A30-PCIe", 24))
WISHES = (
    *(Wish(), Wish(), Wish(require=Level.RACK), Wish(require=Level.UNIT)),
    *(Wish(prefer=Level.UNIT), Wish(require=Level.RAIL), Wish(spread=Level.RACK)),
)
AT_ONCE = Policy(nearness_patience_s=0.0, pod_patience_s=0.0)
"""Who waits to lie nearer is another matter (`test_nearness`)."""


@st.composite
def nodes(draw: st.DrawFn, number: int) -> Node:
    model, memory = draw(st.sampled_from(KINDS))
    count = draw(st.sampled_from((0, 2, 4, 8, 8)))
    has_suspect = draw(st.integers(0, 4)) == 0
    devices = tuple(
        Device(f"GPU-{number}-{n}", model, memory * GIB, is_suspect=has_suspect and n == 1)
        for n in range(count)
    )
    where = Location(f"r{draw(st.integers(0, 3))}", f"su{draw(st.integers(0, 1))}")
    return Node(
        f"n{number}",
        draw(st.sampled_from((8, 64))),
        256 * GIB,
        devices,
        state=draw(st.sampled_from((NodeState.READY, NodeState.READY, NodeState.DOWN))),
        topology=TOPOLOGY if count == 8 else None,
        location=where,
        may_slice=draw(st.booleans()),
        whole_gpus_only=draw(st.booleans()),
    )


@st.composite
def demands(draw: st.DrawFn) -> Demand:
    wanted = replace(
        parse_gpus(draw(st.sampled_from(ASKED))),
        cpus=draw(st.sampled_from((1, 1, 4, 30))),
        memory_bytes=draw(st.sampled_from((0, GIB, 100 * GIB))),
    )
    least = draw(st.sampled_from((1, 1, 1, 2, 2, 3, 4)))
    most = draw(st.sampled_from((None, None, least + 2))) if least > 1 else None
    return Demand(least, wanted, nodes_max=most, topology=draw(st.sampled_from(WISHES)))


@st.composite
def clusters(draw: st.DrawFn) -> Cluster:
    found: Cluster = {}
    for number in range(draw(st.integers(1, 7))):
        node = draw(nodes(number))
        cordons = []
        if node.devices and draw(st.integers(0, 5)) == 0:
            cordons.append(Cordon(node.name, node.devices[0].id, "", "ada", 0))
        found[node.name] = (node, tuple(cordons))
    return found


@settings(max_examples=300)
@given(clusters(), st.lists(demands(), min_size=1, max_size=8))
def test_the_fast_plan_is_one_that_the_plain_oracle_would_choose(
    cluster: Cluster, asked: list[Demand]
) -> None:
    compare(cluster, asked)


@pytest.mark.parametrize("seed", range(120))
def test_on_larger_clusters_too(seed: int) -> None:
    """Chance draws more gangs that fit than a search for small examples does."""
    chance = Random(seed)
    cluster: Cluster = {}
    for number in range(chance.randint(6, 16)):
        devices = tuple(Device(f"GPU-{number}-{n}", "A100-SXM4-80GB", 80 * GIB) for n in range(8))
        where = Location(f"r{chance.randint(0, 2)}", f"su{chance.randint(0, 1)}")
        topology = TOPOLOGY
        node = Node(f"n{number}", 128, 512 * GIB, devices, topology=topology, location=where)
        cluster[node.name] = (
            replace(node, may_slice=chance.random() < 0.7, whole_gpus_only=chance.random() < 0.3),
            (),
        )
    asked = []
    for _ in range(20):
        wanted = replace(parse_gpus(chance.choice(ASKED)), cpus=chance.choice((1, 4, 16)))
        least = chance.choice((1, 2, 2, 3, 4, 6))
        most = chance.choice((None, None, least + 2)) if least > 1 else None
        asked.append(Demand(least, wanted, nodes_max=most, topology=chance.choice(WISHES)))
    compare(cluster, asked)


def compare(cluster: Cluster, asked: list[Demand]) -> None:
    """Each job goes where the oracle, which looks at every node anew, would have it."""
    cpus = max(node.cpus for node, _ in cluster.values())
    held: dict[str, list[Grant]] = {name: [] for name in cluster}
    rooms = rooms_with(cluster, held)
    waiting = tuple(
        Waiting(JobId(f"j{number}"), demand, 0, START_NS + number)
        for number, demand in enumerate(asked)
    )
    made = make_plan(Snapshot(START_NS, 1, tuple(rooms.values()), waiting), AT_ONCE)
    placed = {placement.job_id: placement for placement in made.placements}
    for one in waiting:
        costs = {name: cost_on(one.demand.resources, room, cpus) for name, room in rooms.items()}
        fits = {name: cost for name, cost in costs.items() if cost < math.inf}
        placement = placed.get(one.job_id)
        assert (placement is not None) == could_start(one.demand, fits, rooms), one.demand
        if placement is None:
            is_never = made.verdicts[one.job_id].blocked_by is Blocker.UNSATISFIABLE
            assert is_never == (not could_start_on_empty(one.demand, cluster))
            continue
        check_nodes(one.demand, placement, fits, rooms)
        for grant in placement.grants:
            check_gpus(one.demand, grant, rooms[grant.node])
            held[grant.node].append(grant)
        rooms = rooms_with(cluster, held)


def rooms_with(cluster: Cluster, held: dict[str, list[Grant]]) -> dict[str, Room]:
    return {
        name: room_of("s", node, held[name], cordons) for name, (node, cordons) in cluster.items()
    }


def could_start(demand: Demand, fits: dict[str, float], rooms: dict[str, Room]) -> bool:
    """By counting the nodes of every domain."""
    require = demand.topology.require
    if len(fits) < demand.nodes:
        return False
    if demand.most_nodes == 1 or require is None or demand.topology.spread is not None:
        return True
    if require is Level.RAIL:
        return any(rail_rows(demand, unit, fits, rooms) for unit in ("su0", "su1"))
    return max(domain_counts(require, fits, rooms).values()) >= demand.nodes


def could_start_on_empty(demand: Demand, cluster: Cluster) -> bool:
    """Whether it could if nothing ran, and nothing were down or cordoned."""
    rooms = {
        name: Room.empty("s", replace(node, state=NodeState.READY))
        for name, (node, _) in cluster.items()
    }
    fits = {name: 0.0 for name, room in rooms.items() if has_room(demand.resources, room)}
    if demand.topology.require is Level.RAIL:
        # Whether rails could ever do is told by the unit alone.
        demand = replace(demand, topology=Wish(require=Level.UNIT))
    return could_start(demand, fits, rooms)


def rail_rows(
    demand: Demand, unit: str, fits: dict[str, float], rooms: dict[str, Room]
) -> set[tuple[int, ...]]:
    """The sets of GPUs that enough nodes of a unit could give alike."""
    count = demand.resources.gpus
    if demand.resources.gpu_unit is not GpuUnit.WHOLE or count == 0:
        return set()
    here = [rooms[name] for name in fits if rooms[name].node.location.unit == unit]
    free = [{n for n, gpu in enumerate(gpus_of(room)) if gpu.is_free} for room in here]
    return {
        chosen
        for chosen in combinations(range(8), count)
        if sum(set(chosen) <= one for one in free) >= demand.nodes
    }


def domain_of(level: Level, room: Room) -> tuple[str, ...]:
    where = room.node.location
    return (where.unit, where.rack) if level is Level.RACK else (where.unit,)


def domain_counts(
    level: Level, fits: dict[str, float], rooms: dict[str, Room]
) -> Counter[tuple[str, ...]]:
    return Counter(domain_of(level, rooms[name]) for name in fits)


def check_nodes(
    demand: Demand, placement: Placement, fits: dict[str, float], rooms: dict[str, Room]
) -> None:
    """The nodes are as near and as cheap as any could be."""
    names = [grant.node for grant in placement.grants]
    assert set(names) <= set(fits)
    assert len(set(names)) == len(names)
    costs = sum(fits[name] for name in names)
    wish = demand.topology
    if demand.most_nodes == 1:
        least = min(fits.values())
        assert abs(costs - least) < 1e-6
        check_least_broken(names[0], [name for name in fits if fits[name] <= least + 1e-9], rooms)
        return
    if Level.RAIL in (wish.require, wish.prefer):
        assert len({rooms[name].node.location.unit for name in names}) == 1
        return
    if wish.spread is not None:
        assert len(names) == min(demand.most_nodes, len(fits))
        used = {domain_of(Level.RACK, rooms[name]) for name in names}
        assert len(used) == min(len(names), len(domain_counts(Level.RACK, fits, rooms)))
        return
    check_packed(demand, names, costs, fits, rooms)


def check_least_broken(name: str, alike: list[str], rooms: dict[str, Room]) -> None:
    """Of nodes that cost the same the one whose rack has fewest of them, then whose unit has."""
    counts = [
        Counter(domain_of(level, rooms[one]) for one in alike) for level in (Level.RACK, Level.UNIT)
    ]
    around = {
        one: (
            counts[0][domain_of(Level.RACK, rooms[one])],
            counts[1][rooms[one].node.location.unit,],
        )
        for one in alike
    }
    assert around[name] == min(around.values())


def check_packed(
    demand: Demand,
    names: list[str],
    costs: float,
    fits: dict[str, float],
    rooms: dict[str, Room],
) -> None:
    wish = demand.topology
    reach = len(fits)
    if wish.require is not None:
        reach = max(domain_counts(wish.require, fits, rooms).values())
    assert len(names) == min(demand.most_nodes, reach)
    levels = [Level.RACK, Level.UNIT]
    if wish.prefer is Level.UNIT:
        levels = [Level.UNIT]
    for level in levels:
        counts = domain_counts(level, fits, rooms)
        enough = [domain for domain, count in counts.items() if count >= len(names)]
        if not enough:
            continue
        used = {domain_of(level, rooms[name]) for name in names}
        assert len(used) == 1, f"one {level} had room"
        domain = used.pop()
        if level is Level.UNIT:
            parts = {one: racks_needed(len(names), one, fits, rooms) for one in enough}
            assert parts[domain] == min(parts.values()), "another needs fewer racks"
            enough = [one for one in enough if parts[one] == parts[domain]]
        fewest = min(counts[one] for one in enough)
        assert counts[domain] == fewest, "another is filled better"
        sums = {
            one: sum(cost for name, cost in fits.items() if domain_of(level, rooms[name]) == one)
            for one in enough
            if counts[one] == fewest
        }
        assert sums[domain] <= min(sums.values()) + 1e-6
        inside = [name for name in fits if domain_of(level, rooms[name]) == domain]
        if level is Level.RACK:
            assert abs(costs - sum(sorted(fits[name] for name in inside)[: len(names)])) < 1e-6
        else:
            check_few_racks(names, inside, rooms)
        return


def racks_needed(
    count: int, unit: tuple[str, ...], fits: dict[str, float], rooms: dict[str, Room]
) -> int:
    """The fewest racks of a unit that have room for so many."""
    racks = domain_counts(Level.RACK, fits, rooms)
    sizes = sorted((size for rack, size in racks.items() if rack[0] == unit[0]), reverse=True)
    return next(number for number in range(1, 99) if sum(sizes[:number]) >= count)


def check_few_racks(names: list[str], inside: list[str], rooms: dict[str, Room]) -> None:
    """No choice would need fewer racks."""
    unit = domain_of(Level.UNIT, rooms[names[0]])
    fewest = racks_needed(len(names), unit, dict.fromkeys(inside, 0.0), rooms)
    assert len({domain_of(Level.RACK, rooms[name]) for name in names}) == fewest


def check_gpus(demand: Demand, grant: Grant, room: Room) -> None:
    """Whole GPUs are as near to each other as any that were free."""
    if demand.resources.gpu_unit is not GpuUnit.WHOLE or demand.resources.gpus == 0:
        return
    gpus = gpus_of(room)
    places = {gpu.device.id: place for place, gpu in enumerate(gpus)}
    chosen = tuple(places[parse_part(device).gpu] for device in grant.devices)
    assert all(gpus[place].is_free for place in chosen)
    if Level.RAIL in (demand.topology.require, demand.topology.prefer):
        return
    free = [place for place, gpu in enumerate(gpus) if gpu.is_free]
    suspects = {place for place, gpu in enumerate(gpus) if gpu.device.is_suspect}
    fewest = max(0, len(chosen) - len(set(free) - suspects))
    assert len(suspects & set(chosen)) == fewest
    numa = room.node.topology.numa if room.node.topology is not None else None
    if numa is not None:
        rest = [place for place in free if place not in suspects]
        choices = combinations(rest if len(rest) >= len(chosen) else free, len(chosen))
        best = min(len({numa[place] for place in choice}) for choice in choices)
        assert len({numa[place] for place in chosen}) == best
        assert len(grant.nics) == len(chosen), "each has an interface of its own"
