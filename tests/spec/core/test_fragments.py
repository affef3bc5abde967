"""What is typical, and how much of what is free it could not use."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from quarterdeck.basics.chance import Chance
from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Demand, GpuUnit, Grant, Resources
from quarterdeck.core.cluster.hardware import Device, Node
from quarterdeck.core.cluster.room import Room, room_of
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.fragments import TYPICAL_MAX, Recent, Typical, typical_of
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting


def unusable(typical: Typical, gpus: int, cpus: int = 64) -> float:
    free = [np.array([value], np.int64) for value in (gpus, cpus, 2**40)]
    return float(typical.fragments(*free)[0])


def test_with_no_jobs_yet_it_is_the_usual_ones() -> None:
    """Half of them ask for one GPU, a fifth for eight."""
    typical = typical_of(())
    assert unusable(typical, 1) == pytest.approx(0.5)
    assert unusable(typical, 4) == pytest.approx(4 * 0.2)
    assert unusable(typical, 8) == pytest.approx(0)
    assert unusable(typical, 0) == 0


def test_a_few_jobs_say_little_and_many_say_all() -> None:
    few = typical_of([(Resources(4), 2)])
    many = typical_of([(Resources(4), 2000)])
    assert unusable(few, 2) == pytest.approx(2 * (0.35 * 20 + 2) / 22)
    assert unusable(many, 2) == pytest.approx(2 * (0.35 * 20 + 2000) / 2020)


def test_what_lacks_cpus_for_a_usual_job_is_of_no_use_to_it() -> None:
    typical = typical_of([(Resources(1, cpus=32), 10**6)])
    assert unusable(typical, 1, cpus=64) < 0.01
    assert unusable(typical, 1, cpus=31) > 0.99


def test_jobs_without_gpus_and_rare_shapes_are_no_part_of_it() -> None:
    assert len(typical_of([(Resources(0, cpus=8), 50)]).share) == len(typical_of(()).share)
    many = [(Resources(1, cpus=number), number) for number in range(1, 40)]
    assert len(typical_of(many).share) == TYPICAL_MAX
    assert typical_of(many).share.sum() == pytest.approx(1)


def test_only_the_last_jobs_are_remembered() -> None:
    recent = Recent(size=3)
    for gpus in (1, 2, 2, 4):
        recent.add(Resources(gpus))
    assert dict(recent.asked()) == {Resources(2): 2, Resources(4): 1}


def of_some_needs(chance: Chance) -> Resources:
    """Few enough that the same needs come again, and that several are of one shape."""
    cpus, memory_bytes = chance.pick((0, 4, 8)), chance.pick((0, 2**30, 2**31))
    if chance.happens(0.3):
        unit, percent = chance.pick(
            ((GpuUnit.SHARE, 30), (GpuUnit.SHARE, 70), (GpuUnit.SLICE, 100))
        )
        return Resources(1, None, cpus, memory_bytes, gpu_unit=unit, gpu_percent=percent)
    model = chance.pick((None, "A100"))
    return Resources(chance.pick((0, 1, 1, 2, 4, 8)), model, cpus, memory_bytes)


@pytest.mark.parametrize("size", [1, 3, 40, 2000])
def test_what_is_counted_as_jobs_come_is_the_same_as_counted_at_once(size: int) -> None:
    """To the last bit, and in the same order where two shapes are asked for as often."""
    chance, recent = Chance(size), Recent(size)
    last: list[Resources] = []
    for _ in range(800):
        wanted = of_some_needs(chance)
        recent.add(wanted)
        last = [*last, wanted][-size:]
        asked = recent.asked()
        assert dict(asked) == Counter(last)
        kept, new = asked.typical, typical_of(list(asked))
        for name in ("gpus", "cpus", "memory_bytes", "share"):
            assert getattr(kept, name).tolist() == getattr(new, name).tolist()
        assert kept.shares == new.shares
        assert kept.cpus_per_gpu == new.cpus_per_gpu
        assert kept.memory_bytes_per_gpu == new.memory_bytes_per_gpu


def stranded(typical: Typical, idle: float, cpus: int, memory_bytes: int = 0) -> float:
    """Of one node."""
    return float(typical.stranded(np.array([idle]), np.array([cpus]), np.array([memory_bytes]))[0])


def test_gpus_are_stranded_where_cpus_or_memory_are_scarcer_than_jobs_ask_for() -> None:
    of_gpus = (Resources(2, cpus=20, memory_bytes=100), 3)
    of_shares = (Resources(1, cpus=2, memory_bytes=10, gpu_unit=GpuUnit.SHARE, gpu_percent=50), 4)
    typical = typical_of([of_gpus, of_shares])
    assert typical.cpus_per_gpu == pytest.approx((3 * 20 + 4 * 2) / (3 * 2 + 4 * 0.5))
    assert stranded(typical, 8.0, 68, 10**6) == 0
    assert stranded(typical, 8.0, 34, 10**6) == pytest.approx(4)
    assert stranded(typical, 8.0, 68, 0) == pytest.approx(8)
    assert stranded(typical, 0.0, 0, 0) == 0


def test_nothing_is_stranded_before_it_is_known_what_jobs_ask_for() -> None:
    unknown = typical_of([(Resources(0, cpus=64), 9), (Resources(1, gpu_unit=GpuUnit.SLICE), 9)])
    assert stranded(unknown, 8.0, 0) == 0


def test_a_job_with_many_cpus_goes_where_it_strands_no_gpus() -> None:
    """Both nodes have room; on the fuller one it would take the CPUs that its last GPUs need."""
    few = Node("few", 40, 2**40, gpus("few", 4))
    many = Node("many", 200, 2**40, gpus("many", 4))
    asked = ((Resources(1, cpus=10), 1000),)
    capacity = capacity_of([Room.empty("here", node) for node in (few, many)])
    waiting = Waiting(JobId("j000000001"), Demand(1, Resources(0, cpus=30)), 0, 0)
    plan = make_plan(Snapshot(1, 1, capacity, (waiting,), asked=asked), Policy())
    assert [grant.node for grant in plan.placements[0].grants] == ["many"]
    plain = make_plan(Snapshot(1, 1, capacity, (waiting,)), Policy())
    assert [grant.node for grant in plain.placements[0].grants] == ["few"]


def test_what_is_idle_of_gpus_that_are_held_in_part() -> None:
    node = Node("n", 8, 2**30, gpus("n", 4), may_slice=True)
    a, b, c, _ = (device.id for device in node.devices)
    held = [
        Grant("n", (a,)),
        Grant("n", (f"{b}/25%",)),
        Grant("n", (f"{c}/1g.10gb@0", f"{c}/3g.40gb@4")),
    ]
    capacity = capacity_of([room_of("here", node, held)])
    assert capacity.gpus_idle.tolist() == pytest.approx([0 + 0.75 + 3 / 8 + 1])


def gpus(name: str, count: int) -> tuple[Device, ...]:
    """Of 80 GB each."""
    return tuple(Device(f"GPU-{name}-{n}", "A100-SXM4-80GB", 80 * 10**9) for n in range(count))
