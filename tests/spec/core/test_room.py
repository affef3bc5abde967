"""What is free on a node, and what could ever be."""

from __future__ import annotations

import pytest

from quarterdeck.basics.quantities import GIB
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.hardware import Device, Node, NodeState
from quarterdeck.core.cluster.room import Room, could_ever_fit, has_model, room_of
from quarterdeck.testing.builders import a_demand, a_node

NODE = a_node("n", gpus=4)  # 16 CPUs, 64 GiB
EMPTY = Room.empty("local", NODE)


def a_node_of(model: str) -> Node:
    return Node("n", 16, GIB, (Device("GPU-0", model, GIB),))


def test_an_empty_room_is_the_whole_node() -> None:
    assert EMPTY.free_devices == tuple(device.id for device in NODE.devices)
    assert (EMPTY.free_cpus, EMPTY.free_memory_bytes) == (16, 64 * GIB)


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (Resources(), True),
        (Resources(4, None, 16, 64 * GIB), True),
        (Resources(5), False),
        (Resources(cpus=17), False),
        (Resources(memory_bytes=64 * GIB + 1), False),
        (Resources(1, "H100"), False),
    ],
)
def test_a_replica_fits_when_each_need_does(wanted: Resources, fits: bool) -> None:
    assert EMPTY.fits(wanted) is fits
    assert could_ever_fit(NODE, wanted) is fits


def test_nothing_fits_on_a_node_that_is_down_but_it_could() -> None:
    node = a_node("n", gpus=4, state=NodeState.DOWN)
    assert not Room.empty("local", node).fits(Resources())
    assert could_ever_fit(node, Resources(4))


def test_a_grant_takes_the_first_free_devices_and_exactly_what_is_wanted() -> None:
    first = EMPTY.grant(Resources(2, None, 3, GIB))
    assert first == Grant("n", ("GPU-n-0", "GPU-n-1"), 3, GIB)
    left = EMPTY.without(first)
    assert (left.free_cpus, left.free_memory_bytes) == (13, 63 * GIB)
    assert left.grant(Resources(1)).devices == ("GPU-n-2",)


def test_what_does_not_fit_is_not_granted() -> None:
    with pytest.raises(AssertionError):
        EMPTY.grant(Resources(5))


def test_a_device_cannot_be_taken_twice() -> None:
    grant = EMPTY.grant(Resources(1))
    with pytest.raises(AssertionError, match="not free"):
        EMPTY.without(grant).without(grant)


def test_the_room_of_a_node_is_what_its_grants_leave() -> None:
    grants = [Grant("n", ("GPU-n-2",), 4, GIB), Grant("n", ("GPU-n-0",), 2, 2 * GIB)]
    room = room_of("local", NODE, grants)
    assert room == EMPTY.without(grants[0]).without(grants[1])
    assert room.free_devices == ("GPU-n-1", "GPU-n-3")


def test_two_grants_of_one_device_are_a_bug() -> None:
    with pytest.raises(AssertionError, match="is held"):
        room_of("local", NODE, [Grant("n", ("GPU-n-0",)), Grant("n", ("GPU-n-0", "GPU-n-1"))])


def test_a_node_that_shrank_under_its_grants_fits_nothing() -> None:
    room = room_of("local", a_node("n", cpus=2), [Grant("n", ("GPU-n-3",), 4)])
    assert room.free_cpus == -2
    assert not room.fits(Resources())


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
    assert has_model(a_node_of(model), Resources(1, wish)) is meets


def test_who_wants_no_gpu_does_not_mind_the_model() -> None:
    assert has_model(a_node("n"), Resources(0, "H100"))
    assert has_model(a_node("n", gpus=1), Resources(1))
    assert not has_model(a_node("n"), Resources(1, "H100"))


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
