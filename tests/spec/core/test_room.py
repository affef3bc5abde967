"""What is free on a node."""

from __future__ import annotations

import pytest

from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.demand import Demand, Grant
from quarterdeck.core.cluster.models import is_model
from quarterdeck.core.cluster.room import Room, room_of
from quarterdeck.testing.builders import a_demand, a_node

NODE = a_node("n", gpus=4)  # 16 CPUs, 64 GiB
EMPTY = Room.empty("local", NODE)


def test_an_empty_room_is_the_whole_node() -> None:
    assert EMPTY.free_devices == tuple(device.id for device in NODE.devices)
    assert (EMPTY.free_cpus, EMPTY.free_memory_bytes) == (16, 64 * GIB)


def test_the_room_of_a_node_is_what_its_grants_leave() -> None:
    grants = [Grant("n", ("GPU-n-2",), 4, GIB), Grant("n", ("GPU-n-0",), 2, 2 * GIB)]
    room = room_of("local", NODE, grants)
    assert room.free_devices == ("GPU-n-1", "GPU-n-3")
    assert (room.free_cpus, room.free_memory_bytes) == (10, 61 * GIB)


def test_two_grants_of_one_device_are_a_bug() -> None:
    with pytest.raises(AssertionError, match="is held"):
        room_of("local", NODE, [Grant("n", ("GPU-n-0",)), Grant("n", ("GPU-n-0", "GPU-n-1"))])


def test_a_node_that_shrank_under_its_grants_has_less_than_nothing() -> None:
    room = room_of("local", a_node("n", cpus=2), [Grant("n", ("GPU-n-3",), 4)])
    assert room.free_cpus == -2


@pytest.mark.parametrize(
    ("model", "wish", "meets"),
    [
        ("A100-SXM4-80GB", "A100", True),
        ("A100-SXM4-80GB", "a100-sxm4", True),
        ("A100-SXM4-80GB", "A100-SXM4-80GB", True),
        ("A100-SXM4-80GB", "A10", False),
        ("A100-SXM4-80GB", "SXM4", False),
        ("A100", "A100-SXM4-80GB", False),
        ("L40S", "L4", False),
        ("L40S", "L40", False),
    ],
)
def test_a_wish_is_met_by_its_model_and_longer_names_of_it(
    model: str, wish: str, meets: bool
) -> None:
    assert is_model(model, wish) is meets


@pytest.mark.parametrize(
    ("demand", "text"),
    [
        (a_demand(8, 8, gpu_model="A100"), "8 nodes × 8 A100 GPUs"),
        (a_demand(1, 1), "1 node × 1 GPU"),
        (a_demand(2, cpus=4), "2 nodes × 4 CPUs"),
        (Demand(), "1 node × 1 CPU"),
    ],
)
def test_a_demand_reads_well(demand: Demand, text: str) -> None:
    assert str(demand) == text
