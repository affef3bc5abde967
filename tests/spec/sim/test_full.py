"""The whole control plane runs a workload as the scheduler alone does, but for some seconds."""

from __future__ import annotations

import random

import pytest

from quarterdeck.adapters.blobs.memory import MemoryBlobs
from quarterdeck.adapters.stores.memory import MemoryStore
from quarterdeck.core.cluster.demand import Demand, GpuUnit, Resources
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.sim.fast.run import run
from quarterdeck.sim.fast.story import Cut, Outage, OutageKind, Story
from quarterdeck.sim.fast.workload import SimJob
from quarterdeck.sim.full.run import Backing, run_full
from tests.spec.sim.stories import nodes

BACKING = Backing(MemoryStore, MemoryBlobs)
TOLERANCE_S = 5.0
"""What docs/simulator.md says: so far apart are the starts of a job in the two, in a queue of a few
hundred jobs."""


def workload(count: int, seed: int = 1) -> list[SimJob]:
    """More than the cluster can take at once."""
    chance = random.Random(seed)
    jobs = []
    at_s = 0.0
    for line in range(2, count + 2):
        at_s += chance.expovariate(1 / 60)
        wanted = Resources(chance.choice((1, 1, 2, 4)), cpus=1)
        demand = Demand(chance.choice((1, 1, 1, 2)), wanted)
        length_s = chance.uniform(30, 900)
        name, every_s = f"j{line}", chance.choice((None, 60.0))
        jobs.append(SimJob(line, name, at_s, length_s, demand, checkpoint_s=every_s))
    return jobs


def starts(told: Story) -> dict[str, list[float]]:
    return {one.job.name: [span.start_s for span in one.spans] for one in told.ran}


def check_alike(jobs: list[SimJob], outages: tuple[Outage, ...] = (), count: int = 4) -> Story:
    fast = run(nodes(count), jobs, Policy(), outages=outages)
    full = run_full(nodes(count), jobs, Policy(), BACKING, outages=outages)
    ours, theirs = starts(full), starts(fast)
    assert ours.keys() == theirs.keys()
    for name, found in ours.items():
        assert found == pytest.approx(theirs[name], abs=TOLERANCE_S), name
    lost = {one.job.name: one.lost_s for one in fast.ran}
    for one in full.ran:
        assert one.lost_s == pytest.approx(lost[one.job.name], abs=TOLERANCE_S)
    return full


def test_every_job_starts_when_the_scheduler_alone_would_start_it() -> None:
    full = check_alike(workload(150))
    assert sum(one.wait_s > 60 for one in full.ran) > 30  # there was a queue


def test_runs_that_outages_cut_off_go_on_from_their_checkpoints_as_in_the_fast_one() -> None:
    outages = (
        Outage("n0", 600, 300),
        Outage("n1", 1500, 600, OutageKind.DRAIN),
        Outage("n2", 2500, 900, OutageKind.CORDON),
    )
    full = check_alike(workload(100), outages)
    cuts = [span.cut for one in full.ran for span in one.spans]
    assert cuts.count(Cut.NODE_LOST) >= 1
    assert cuts.count(Cut.DRAINED) >= 1


def test_parts_of_gpus_and_jobs_without_any_run_too() -> None:
    share = Resources(1, gpu_unit=GpuUnit.SHARE, gpu_percent=50)
    jobs = [SimJob(n, f"s{n}", 0, 60, Demand(1, share)) for n in range(2, 6)]
    jobs.append(SimJob(6, "cpu", 0, 10, Demand(1, Resources(0))))
    check_alike(jobs, count=1)


def test_a_job_that_can_never_fit_is_told_and_holds_up_nobody() -> None:
    huge = SimJob(2, "huge", 0, 10, Demand(1, Resources(99)))
    told: list[int] = []
    full = run_full(nodes(2), [huge, *workload(3)], Policy(), BACKING, told.append)
    assert [(job.name, "99 GPUs" in why) for job, why in full.never] == [("huge", True)]
    assert len(full.ran) == 3
    assert told == [1, 2, 3, 4]


def test_a_node_that_is_away_for_days_is_waited_for() -> None:
    jobs = [SimJob(2, "a", 10, 60, Demand(2, Resources(4)))]
    away = (Outage("n0", 5, 4 * 86400),)
    full = run_full(nodes(2), jobs, Policy(), BACKING, outages=away)
    assert full.ran[0].start_s == pytest.approx(4 * 86400 + 5, abs=TOLERANCE_S)


def test_the_policy_is_the_one_that_was_asked_for() -> None:
    """A small job may pass the large one, or not at all."""
    jobs = [
        SimJob(2, "first", 0, 100, Demand(1, Resources(3))),
        SimJob(3, "large", 10, 100, Demand(1, Resources(4))),
        SimJob(4, "small", 20, 200, Demand(1, Resources(1))),
    ]
    strict = starts(run_full(nodes(1), jobs, Policy(patience_s=0), BACKING))
    loose = starts(run_full(nodes(1), jobs, Policy(patience_s=9999), BACKING))
    assert strict["large"][0] == pytest.approx(100, abs=TOLERANCE_S)
    assert loose["small"][0] == pytest.approx(20, abs=TOLERANCE_S)
    assert loose["large"][0] == pytest.approx(220, abs=TOLERANCE_S)
