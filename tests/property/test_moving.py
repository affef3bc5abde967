"""Simulated days on which jobs move: whoever stops goes on at once, and nothing is held twice."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.scheduling.snapshot import Backfill, Policy
from quarterdeck.sim.fast.run import run
from quarterdeck.sim.fast.story import Cut, Story
from quarterdeck.sim.fast.workload import SimJob
from quarterdeck.testing.builders import a_dgx

MINUTE_S = 60.0


def a_day(seed: int, backfill: Backfill) -> Story:
    """Small jobs of every size, and some of a whole node, on six nodes that are nearly full."""
    chance = random.Random(seed)
    jobs = []
    for number in range(250):
        gpus = chance.choice((1, 1, 2, 2, 4, 4, 8))
        runs_s = chance.uniform(2, 120) * MINUTE_S
        jobs.append(
            SimJob(
                number,
                f"j{number}",
                number * 4 * MINUTE_S,
                runs_s,
                Demand(1, Resources(gpus)),
                checkpoint_s=chance.choice((None, 0.0)),
                limit_s=chance.choice((None, 1.5 * runs_s)),
            )
        )
    policy = Policy(
        patience_s=300.0, moves_max=3, moves_percent=20.0, min_runtime_s=300.0, backfill=backfill
    )
    return run([a_dgx(f"n{n}") for n in range(6)], jobs, policy)


@pytest.mark.parametrize("backfill", list(Backfill))
@pytest.mark.parametrize("seed", range(4))
def test_whoever_moves_goes_on_at_once_and_nothing_is_held_twice(
    seed: int, backfill: Backfill
) -> None:
    told = a_day(seed, backfill)
    assert (len(told.ran), told.never) == (250, ())
    held: dict[str, list[tuple[float, float]]] = {}
    moves = 0
    for one in told.ran:
        assert one.job.checkpoint_s is not None or len(one.spans) == 1
        for span in one.spans:
            for device in (device for grant in span.grants for device in grant.devices):
                held.setdefault(device, []).append((span.start_s, span.end_s))
        for before, after in pairwise(one.spans):
            moves += 1
            assert before.cut is Cut.PREEMPTED
            assert before.end_s - before.start_s >= 300.0
            # The share of its node that it left was wanted: it goes on elsewhere, at that moment.
            assert after.start_s == before.end_s
            assert after.grants[0].node != before.grants[0].node
    for spans in held.values():
        spans.sort()
        assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    assert 0 < moves <= 0.2 * len(told.ran)
