"""A fast run moves slices when its policy allows, and only then."""

from __future__ import annotations

from itertools import pairwise

from quarterdeck.core.cluster.demand import Demand, GpuUnit, Grant, Resources
from quarterdeck.core.cluster.hardware import Device, Node
from quarterdeck.core.cluster.parts import parse_part
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.sim.fast.run import run
from quarterdeck.sim.fast.story import Begun, Cut, Story
from quarterdeck.sim.fast.workload import SimJob

PATIENT = 1e9


def nodes(gpus: int) -> list[Node]:
    devices = tuple(Device(f"G-{n}", "A100-SXM4-80GB", 80 * 10**9) for n in range(gpus))
    return [Node("n0", 64, 2**40, devices, may_slice=True)]


def job(name: str, submit_s: float, duration_s: float, profile: str) -> SimJob:
    wanted = Resources(1, gpu_unit=GpuUnit.SLICE, gpu_profile=profile)
    return SimJob(1, name, submit_s, duration_s, Demand(1, wanted), checkpoint_s=0.0)


def start_of(told: Story, name: str) -> float:
    return next(one.start_s for one in told.ran if one.job.name == name)


def story(policy: Policy) -> Story:
    """One small slice lies on each of two GPUs, and a large one that needs all of a GPU comes."""
    held = [
        Begun(job(f"s{n}", 0, 5000, "1g.10gb"), (Grant("n0", (f"G-{n}/1g.10gb@0",), 1),))
        for n in range(2)
    ]
    before = [job(f"w{n}", n, 1, "1g.10gb") for n in range(60)]
    return run(nodes(2), [*before, job("large", 200, 50, "7g.80gb")], policy, begun=held)


def test_without_moves_a_large_slice_waits_until_a_gpu_is_empty() -> None:
    told = story(Policy(PATIENT))
    assert start_of(told, "large") == 5000
    assert all(span.cut is Cut.DONE for one in told.ran for span in one.spans)


def test_with_moves_one_small_slice_goes_as_soon_as_it_pays() -> None:
    """A minute of work is lost, so after a minute."""
    told = story(Policy(PATIENT, moves_max=2, min_runtime_s=0))
    assert start_of(told, "large") == 260
    (moved,) = [one for one in told.ran if len(one.spans) > 1]
    assert [span.cut for span in moved.spans] == [Cut.PREEMPTED, Cut.DONE]
    assert moved.spans[0].end_s == moved.spans[1].start_s == 260
    assert moved.held_s == moved.job.duration_s
    held: dict[tuple[str, int], list[tuple[float, float]]] = {}
    for one in told.ran:
        for span in one.spans:
            (device,) = span.grants[0].devices
            part = parse_part(device)
            size = {"1g.10gb": 1, "7g.80gb": 8}[part.profile]
            for slot in range(part.start, part.start + size):
                held.setdefault((part.gpu, slot), []).append((span.start_s, span.end_s))
    for spans in held.values():
        spans.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_more_moves_than_the_share_of_starts_are_not_made() -> None:
    told = story(Policy(PATIENT, moves_max=2, moves_percent=1.0, min_runtime_s=0))
    assert start_of(told, "large") == 5000


def test_nobody_moves_before_it_has_run_for_the_least_time() -> None:
    assert start_of(story(Policy(PATIENT, moves_max=2, min_runtime_s=600)), "large") == 600


def test_half_a_node_moves_so_that_a_job_has_a_whole_one() -> None:
    """It goes on from its checkpoint, and nobody who comes meanwhile is in its way."""
    halves = [
        SimJob(1, f"h{n}", 0, 5000, Demand(1, Resources(4)), checkpoint_s=0.0) for n in range(2)
    ]
    begun = [
        Begun(one, (Grant(f"n{n}", tuple(f"G-{n}{gpu}" for gpu in range(4)), 1),))
        for n, one in enumerate(halves)
    ]
    both = [
        Node(f"n{n}", 64, 2**40, tuple(Device(f"G-{n}{gpu}", "A100", 2**36) for gpu in range(8)))
        for n in range(2)
    ]
    before = [SimJob(1, f"w{n}", n, 1, Demand(1, Resources(1))) for n in range(60)]
    whole = SimJob(1, "whole", 1000, 50, Demand(1, Resources(8)))
    for policy, at_s in ((Policy(PATIENT), 5000), (Policy(PATIENT, moves_max=1), 1030)):
        told = run(both, [*before, whole], policy, begun=begun)
        assert start_of(told, "whole") == at_s
    (moved,) = [one for one in told.ran if len(one.spans) > 1]
    assert [(span.start_s, span.cut) for span in moved.spans] == [
        (0, Cut.PREEMPTED), (1030, Cut.DONE),
    ]  # fmt: skip
    assert moved.held_s == 5000
