"""Nodes and GPUs that somebody keeps new work off."""

from __future__ import annotations

from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.events import Cordoned, Resumed, evolve_site
from quarterdeck.core.cluster.hardware import Site
from quarterdeck.core.cluster.room import room_of
from quarterdeck.testing.builders import a_dgx, a_site_report

NODE = a_dgx("dgx-1")
GPUS = tuple(device.id for device in NODE.devices)


def a_site(*events: Cordoned | Resumed) -> Site:
    site = evolve_site(None, a_site_report(NODE, a_dgx("dgx-2")))
    for event in events:
        site = evolve_site(site, event)
    return site


def cordoned(*devices: str, node: str = "dgx-1", reason: str = "hot") -> Cordoned:
    return Cordoned(7, "local", node, devices, reason, "olga")


def test_a_cordoned_node_takes_nothing_and_says_why() -> None:
    (cordon,) = a_site(cordoned()).cordons_of("dgx-1")
    room = room_of("local", NODE, [], (cordon,))
    assert not room.is_open
    assert room.opened().is_open
    assert (cordon.reason, cordon.actor, cordon.at_ns) == ("hot", "olga", 7)


def test_a_cordoned_gpu_is_passed_over_and_the_others_are_not() -> None:
    cordons = a_site(cordoned(GPUS[0], GPUS[3])).cordons_of("dgx-1")
    room = room_of("local", NODE, [], cordons)
    assert room.is_open
    assert room.free_devices == tuple(gpu for gpu in GPUS if gpu not in (GPUS[0], GPUS[3]))
    assert room.opened().free_devices == GPUS


def test_a_gpu_that_is_held_and_cordoned_is_not_free_for_being_resumed() -> None:
    cordons = a_site(cordoned(GPUS[0], GPUS[1])).cordons_of("dgx-1")
    room = room_of("local", NODE, [Grant("dgx-1", (GPUS[0],))], cordons)
    assert len(room.free_devices) == 6
    assert len(room.opened().free_devices) == 7


def test_a_cordon_outlives_reports_and_says_its_last_reason() -> None:
    site = a_site(cordoned(), cordoned(reason="still hot"))
    site = evolve_site(site, a_site_report(NODE))
    assert [one.reason for one in site.cordons] == ["still hot"]


def test_resuming_ends_what_is_named_or_everything_of_the_node() -> None:
    both = (cordoned(), cordoned(GPUS[0], GPUS[1]), cordoned(node="dgx-2"))
    one = a_site(*both, Resumed(8, "local", "dgx-1", (GPUS[0],)))
    assert [cordon.device for cordon in one.cordons_of("dgx-1")] == [None, GPUS[1]]
    whole = a_site(*both, Resumed(8, "local", "dgx-1"))
    assert whole.cordons_of("dgx-1") == ()
    assert len(whole.cordons) == 1
