"""A person with cells of their own is to the scheduler what a team with these cells would be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

import pytest

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Resources
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.pools import Cells, Member, Pool
from quarterdeck.core.scheduling.snapshot import Running, Waiting
from quarterdeck.core.scheduling.standing import Keeper
from tests.property.guarantee_world import GPUS, STEP_S, World, run_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.core.scheduling.snapshot import Policy, Snapshot

Job = TypeVar("Job", Waiting, Running)

HISTORIES = 240
PARTS = 8
STEPS = 12


def as_ann(jobs: Sequence[Job]) -> tuple[Job, ...]:
    """Those of team a, as those of a person of team b."""
    return tuple(replace(one, team="b", owner="ann") if one.team == "a" else one for one in jobs)


def with_ann(policy: Policy, owned: dict[str, int]) -> Policy:
    """What team a is guaranteed is a part of what team b is."""

    def cells(count: int) -> tuple[Cells, ...]:
        return (Cells(count, Resources(GPUS)),) if count else ()

    ann = Member("ann", guarantee=cells(owned["a"]))
    pools = (
        Pool("b", cells(owned["a"] + owned["b"]), people=(ann,)),
        Pool("c", cells(owned["c"])),
    )
    return replace(policy, pools=pools)


def run_history(seed: int) -> None:
    world, keeper = World.of(seed), Keeper()
    if not world.owned["a"]:
        return
    if seed % 2:
        world.policy = replace(world.policy, patience_s=2 * STEP_S)
    policy = with_ann(world.policy, world.owned)
    for _ in range(STEPS):
        for _ in range(world.chance.below(4)):
            world.come()
        if world.chance.happens(0.6):
            world.end()
        if world.chance.happens(0.4):
            world.leave()
        seen: Snapshot = world.snapshot()
        plan = make_plan(seen, world.policy)
        seen = replace(seen, waiting=as_ann(seen.waiting), running=as_ann(seen.running))
        assert make_plan(seen, policy, keeper=keeper) == plan
        world.follow(plan)
        world.now_ns += STEP_S * NS_PER_S


@pytest.mark.parametrize("part", range(PARTS))
def test_a_person_has_what_a_team_would_have(part: int) -> None:
    run_part(run_history, part, HISTORIES // PARTS)
