"""Fabrics that are generated are those of NVIDIA's reference architectures, and can be cabled."""

from __future__ import annotations

from collections import Counter, deque
from itertools import product
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.errors import Invalid
from quarterdeck.core.cluster.fabric import Fabric, leaf_name


def _a100(units: int) -> Fabric:
    return Fabric(switch_ports=40, nodes_per_unit=20, units=units)


def _h100(units: int) -> Fabric:
    return Fabric(switch_ports=64, nodes_per_unit=32, units=units, nodes_withheld=1)


def _b200(units: int) -> Fabric:
    return Fabric(switch_ports=64, nodes_per_unit=32, units=units)


def _ports(fabric: Fabric) -> Counter[str]:
    used: Counter[str] = Counter()
    for cables in fabric.cables():
        used[cables.lower] += cables.count
        used[cables.upper] += cables.count
    return used


@pytest.mark.parametrize(
    ("units", "nodes", "leaves", "spines", "cores", "cables"),
    [
        (1, 20, 8, 5, 0, (160, 32)),
        (2, 40, 16, 10, 0, (320, 32)),
        (3, 60, 24, 20, 0, (480, 24)),
        (4, 80, 32, 20, 0, (640, 32)),
        (5, 100, 40, 20, 0, (800, 40)),
        (6, 120, 48, 80, 24, (960, 12)),
        (7, 140, 56, 80, 28, (1120, 14)),
    ],
)
def test_a_superpod_of_dgx_a100_has_the_switches_of_the_published_table(
    units: int,
    nodes: int,
    leaves: int,
    spines: int,
    cores: int,
    cables: tuple[int, int],
) -> None:
    fabric = _a100(units)
    leaf_cables, spine_ports = cables
    assert (fabric.nodes, fabric.leaves) == (nodes, leaves)
    assert (fabric.spines, fabric.cores) == (spines, cores)
    assert fabric.leaf_cables == leaf_cables
    assert fabric.spine_ports_down == spine_ports
    if cores:
        assert leaf_cables == spines * spine_ports == cores * 40


@pytest.mark.parametrize(
    ("units", "nodes", "leaves", "spines"),
    [(1, 31, 8, 4), (2, 63, 16, 8), (3, 95, 24, 16), (4, 127, 32, 16)],
)
def test_a_superpod_of_dgx_h100_has_the_switches_of_the_published_table(
    units: int, nodes: int, leaves: int, spines: int
) -> None:
    fabric = _h100(units)
    assert (fabric.nodes, fabric.leaves) == (nodes, leaves)
    assert (fabric.spines, fabric.cores) == (spines, 0)


@pytest.mark.parametrize(
    ("units", "nodes", "leaves", "spines", "cores"),
    [
        (2, 64, 16, 8, 0),
        (4, 128, 32, 16, 0),
        (8, 256, 64, 32, 0),
        (16, 512, 128, 128, 64),
        (32, 1024, 256, 256, 128),
        (64, 2048, 512, 512, 256),
    ],
)
def test_a_superpod_of_dgx_b200_has_the_switches_and_cables_of_the_published_table(
    units: int, nodes: int, leaves: int, spines: int, cores: int
) -> None:
    fabric = _b200(units)
    assert (fabric.nodes, fabric.leaves) == (nodes, leaves)
    assert (fabric.spines, fabric.cores) == (spines, cores)
    assert fabric.node_cables == fabric.leaf_cables == 8 * nodes
    assert fabric.core_cables == (8 * nodes if cores else 0)


def test_the_largest_published_one_is_cabled_in_less_than_a_second() -> None:
    began = process_time()
    fabric = _b200(64)
    assert sum(cables.count for cables in fabric.cables()) == 2 * 8 * 2048
    assert process_time() - began < 1


FABRICS = [
    *(pytest.param(_a100(units), id=f"a100-{units}") for units in range(1, 8)),
    *(pytest.param(_h100(units), id=f"h100-{units}") for units in range(1, 5)),
    *(pytest.param(_b200(units), id=f"b200-{units}") for units in (2, 4, 8, 9, 16, 32, 64)),
]


@pytest.mark.parametrize("fabric", FABRICS)
def test_no_switch_has_more_cables_than_ports_and_none_is_a_bottleneck(fabric: Fabric) -> None:
    _check_budgets(fabric)


@settings(max_examples=150, deadline=None)
@given(
    half=st.integers(2, 20),
    units=st.integers(1, 40),
    rails=st.integers(1, 9),
    data=st.data(),
)
def test_whatever_can_be_cabled_keeps_the_port_budgets(
    half: int, units: int, rails: int, data: st.DataObject
) -> None:
    per_unit = data.draw(st.integers(1, half))
    try:
        fabric = Fabric(2 * half, per_unit, units, rails)
    except Invalid:
        # Only what three tiers cannot reach.
        assert rails * -(-units // half) > 2 * half
        return
    _check_budgets(fabric)


def _check_budgets(fabric: Fabric) -> None:
    used = _ports(fabric)
    up: Counter[str] = Counter()
    for cables in fabric.cables():
        up[cables.lower] += cables.count
    leaves = {leaf_name(*place) for place in product(range(fabric.units), range(fabric.rails))}
    spines = {name for name in used if name.startswith("spine")}
    cores = {name for name in used if name.startswith("core")}
    assert len(leaves) == fabric.leaves
    assert (len(spines), len(cores)) == (fabric.spines, fabric.cores)
    assert all(used[name] <= fabric.switch_ports for name in spines | cores)
    # Full bisection: each switch sends up as much as it is sent from below.
    assert all(up[leaf] == fabric.nodes_per_unit for leaf in leaves)
    assert fabric.nodes_per_unit * 2 <= fabric.switch_ports
    if fabric.tiers == 3:
        assert all(2 * up[spine] >= used[spine] for spine in spines)
    counted = sum(cables.count for cables in fabric.cables())
    assert counted == fabric.leaf_cables + fabric.core_cables


@pytest.mark.parametrize("fabric", [_a100(1), _a100(5), _a100(7), _h100(3), _b200(16)])
def test_hops_are_those_of_the_shortest_way_along_the_cables(fabric: Fabric) -> None:
    joined: dict[str, set[str]] = {}
    for cables in fabric.cables():
        joined.setdefault(cables.lower, set()).add(cables.upper)
        joined.setdefault(cables.upper, set()).add(cables.lower)
    places = list(product(range(fabric.units), range(fabric.rails)))
    start = (0, 0)
    far = {leaf_name(*start): 1}
    queue = deque([leaf_name(*start)])
    while queue:
        switch = queue.popleft()
        for other in joined[switch] - far.keys():
            far[other] = far[switch] + 1
            queue.append(other)
    assert {place: fabric.hops(start, place) for place in places} == {
        place: far[leaf_name(*place)] for place in places
    }


def test_one_rail_is_one_hop_in_a_unit_three_across_units_and_five_through_the_core() -> None:
    seven = _a100(7)
    assert seven.hops((2, 3), (2, 3)) == 1
    assert seven.hops((0, 3), (6, 3)) == 3
    assert seven.hops((0, 0), (6, 7)) == 5
    # In the largest fabric not even one rail reaches all units by its spines.
    assert _b200(64).hops((0, 3), (31, 3)) == 3
    assert _b200(64).hops((0, 3), (63, 3)) == 5


@pytest.mark.parametrize(
    ("ports", "per_unit", "units", "withheld", "field"),
    [
        (40, 21, 1, 0, "nodes_per_unit"),
        (40, 0, 1, 0, "nodes_per_unit"),
        (40, 20, 0, 0, "units"),
        (40, 20, 1, 20, "nodes_withheld"),
        (4, 2, 500, 0, "units"),
    ],
)
def test_what_cannot_be_cabled_is_refused_with_the_numbers(
    ports: int, per_unit: int, units: int, withheld: int, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        Fabric(ports, per_unit, units, 8, withheld)
    assert refused.value.field == field
    assert refused.value.hint
