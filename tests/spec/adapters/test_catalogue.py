"""The hardware catalogue says what is known of real machines, and is data."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from quarterdeck.adapters.gauges.pretend import parse_pretend
from quarterdeck.adapters.sites.catalogue import load_catalogue
from quarterdeck.adapters.sites.hardware import HardwareEntry
from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.hardware import Location
from quarterdeck.core.cluster.nodetype import NodeType, nodes_of

TYPES = load_catalogue()
HGX_INTERFACES = [
    *("mlx5_0", "mlx5_3", "mlx5_4", "mlx5_5", "mlx5_6", "mlx5_9", "mlx5_10", "mlx5_11"),
]


@pytest.mark.parametrize("kind", TYPES.values(), ids=TYPES)
def test_every_type_says_where_its_facts_are_from_and_agrees_with_itself(kind: NodeType) -> None:
    assert kind.source
    assert kind.title
    if kind.topology is None:
        assert kind.gpus == 0
        return
    topology = kind.topology
    assert len(topology.numa) == len(topology.islands) == kind.gpus
    assert topology.host_gbytes_s > 0
    # An island of more than one GPU is faster inside than the way around it.
    if len(set(topology.islands)) < kind.gpus:
        assert topology.island_gbytes_s > topology.host_gbytes_s
    assert bool(topology.nics) == (topology.nic_gbytes_s > 0)


@pytest.mark.parametrize(
    ("name", "gpus", "gib", "cpus", "power_w", "units"),
    [
        ("dgx-a100", 8, 80, 256, 6500, 6),
        ("dgx-a100-40gb", 8, 40, 256, 6500, 6),
        ("dgx-h100", 8, 80, 224, 10200, 8),
        ("dgx-h200", 8, 141, 224, 10200, 8),
        ("dgx-b200", 8, 180, 224, 14300, 10),
        ("cpu", 0, 0, 64, 0, 0),
    ],
)
def test_the_sizes_are_those_of_the_data_sheets(
    name: str, gpus: int, gib: int, cpus: int, power_w: int, units: int
) -> None:
    kind = TYPES[name]
    assert (kind.gpus, kind.gpu_memory_bytes, kind.cpus) == (gpus, gib * GIB, cpus)
    assert (kind.power_w, kind.rack_units) == (power_w, units)


@pytest.mark.parametrize(
    ("name", "numa", "nics", "nvlink_gbytes_s", "nic_gbytes_s"),
    [
        (
            "dgx-a100",
            (3, 3, 1, 1, 7, 7, 5, 5),
            [f"mlx5_{n}" for n in (0, 1, 2, 3, 6, 7, 8, 9)],
            300,
            25,
        ),
        ("dgx-h100", (0, 0, 0, 0, 1, 1, 1, 1), HGX_INTERFACES, 450, 50),
        ("dgx-h200", (0, 0, 0, 0, 1, 1, 1, 1), HGX_INTERFACES, 450, 50),
        ("dgx-b200", (0, 0, 0, 0, 1, 1, 1, 1), HGX_INTERFACES, 900, 50),
    ],
)
def test_each_gpu_of_a_dgx_knows_its_processor_interface_and_rail(
    name: str, numa: tuple[int, ...], nics: list[str], nvlink_gbytes_s: float, nic_gbytes_s: float
) -> None:
    topology = TYPES[name].topology
    assert topology is not None
    assert topology.numa == numa
    assert list(topology.nics) == nics
    assert topology.rails == tuple(range(8))
    assert set(topology.islands) == {0}
    assert (topology.island_gbytes_s, topology.nic_gbytes_s) == (nvlink_gbytes_s, nic_gbytes_s)


def test_the_cube_mesh_of_a_dgx1_uses_the_six_links_of_each_gpu() -> None:
    topology = TYPES["dgx-1-v100"].topology
    assert topology is not None
    for gpu, row in enumerate(topology.links):
        joined = [speed for speed in row if speed > topology.host_gbytes_s]
        assert row[gpu] == 0
        assert len(joined) == 4
        assert sum(joined) == 6 * 25
        # Two meshes of four, and one link or two across.
        assert sum(row[other] > 16 for other in range(8) if other // 4 != gpu // 4) == 1


@pytest.mark.parametrize("name", ["t4", "l4", "a10", "a30", "v100-pcie", "aws-g5"])
def test_gpus_in_slots_are_islands_of_their_own(name: str) -> None:
    topology = TYPES[name].topology
    assert topology is not None
    assert topology.islands == tuple(range(TYPES[name].gpus))


def test_only_what_can_do_it_is_cut_into_slices_and_only_when_it_is_imaginary() -> None:
    able = {name for name, kind in TYPES.items() if kind.has_mig}
    assert {"dgx-a100", "dgx-h100", "dgx-b200", "a30", "aws-p4d"} <= able
    assert not {"cpu", "t4", "l4", "a10", "v100-pcie", "dgx-1-v100", "aws-g5"} & able
    assert all(node.may_slice for node in parse_pretend("dgx-a100:2"))
    assert not any(node.may_slice for node in parse_pretend("t4:2"))
    real = nodes_of(TYPES["dgx-a100"], ["a"], [Location()], pretend=False)
    assert not real[0].may_slice
    assert not real[0].pretend


def test_twenty_pretended_dgx_a100_are_a_unit_with_two_in_a_rack() -> None:
    places = [node.location for node in parse_pretend("dgx-a100:41")]
    assert [place.unit for place in places] == ["su1"] * 20 + ["su2"] * 20 + ["su3"]
    assert [place.rack for place in places[:5]] == ["r1", "r1", "r2", "r2", "r3"]
    assert places[19] == Location("r10", "su1")
    assert places[20] == Location("r1", "su2")


def test_thirty_two_pretended_dgx_h100_are_a_unit() -> None:
    places = [node.location for node in parse_pretend("dgx-h100:33")]
    assert [place.unit for place in places] == ["su1"] * 32 + ["su2"]


def test_machines_that_are_not_built_in_units_stand_nowhere_in_particular() -> None:
    assert {node.location for node in parse_pretend("cpu:3")} == {Location()}


_BOX: dict[str, Any] = {
    "cpus": 8,
    "memory": "64GiB",
    "gpu": {"model": "X", "count": 2, "memory": "10GiB"},
}


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"numa": [0]}, "numa has 1 entries for 2 GPUs"),
        ({"links": [[0, 1]]}, "links has 1 entries for 2 GPUs"),
        ({"links": [[0, 1], [1]]}, "row 2 of links has 1 numbers for 2 GPUs"),
        ({"links": [[0, 1], [2, 0]]}, "not back"),
        ({"memory": "64"}, "a number and a unit"),
        ({"cpus": 0}, "greater than or equal to 1"),
        ({"cpu": 4}, "Extra inputs"),
        ({"host_gbytes_s": float("inf")}, "less than or equal"),
    ],
)
def test_an_entry_that_does_not_agree_with_itself_is_refused(
    wrong: dict[str, Any], told: str
) -> None:
    HardwareEntry.model_validate(_BOX)
    with pytest.raises(ValidationError, match=told):
        HardwareEntry.model_validate({**_BOX, **wrong})
