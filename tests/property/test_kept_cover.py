"""What is kept of cover from plan to plan makes plans sooner, and never others than without.

Random histories of teams that share a cluster: jobs come, end, start late and are stopped, nodes
are cordoned and opened again, time passes by little and by much. At every step the plan of a keeper
that has seen all of it is compared with one that is made from nothing.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from quarterdeck.basics.chance import Chance
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Level, Resources
from quarterdeck.core.cluster.hardware import Cordon, Foreign
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.cover import Cover
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.pools import Cells, Pool
from quarterdeck.core.scheduling.runs import RunsBook
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.core.scheduling.standing import Keeper
from tests.property.guarantee_world import GPUS, STEP_S, World, run_part

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quarterdeck.basics.ids import JobId
    from quarterdeck.core.scheduling.snapshot import Running, Snapshot

HISTORIES = int(os.environ.get("QD_TEST_HISTORIES", "2000"))
PARTS = 20
STEPS = 20
NODES = 10
OWNERS = ("a", "b", "c", "d", "e")
TEAMS = (*OWNERS, "nobody's")

WHOLE = (Cells(1), Cells(2), Cells(3), Cells(2, Resources(GPUS)))
ALIKE = (Cells(1, Resources(2)), Cells(2, Resources(2)), Cells(5, Resources(2)))
OTHERS = (
    *WHOLE,
    Cells(1, Resources(2)),
    Cells(3, Resources(1)),
    Cells(2, Resources(GPUS), Level.RACK),
    Cells(2, Resources(2), Level.RACK),
)


def a_world(seed: int) -> World:
    """Of many all cells are alike: whole nodes, or halves."""
    chance = Chance(seed)
    shapes = chance.pick((WHOLE, WHOLE, ALIKE, OTHERS))
    pools = []
    for team in OWNERS:
        guarantee = tuple(chance.pick(shapes) for _ in range(1 + chance.happens(0.3)))
        pools.append(Pool(team, guarantee if chance.happens(0.9) else ()))
    policy = Policy(
        patience_s=chance.pick((1e9, 150.0)),
        nearness_patience_s=0,
        pod_patience_s=0,
        min_runtime_s=chance.pick((0.0, 150.0)),
        pools=tuple(pools),
        reclaim_after_s=chance.pick((0.0, 0.0, 250.0)),
    )
    return World(chance, {}, policy, nodes=NODES, teams=TEAMS)


def a_foreign(chance: Chance) -> tuple[str, tuple[Foreign, ...]]:
    """Others have something of a node, whether or not one of ours lies there."""
    node = f"n{chance.below(NODES)}"
    devices = tuple(f"GPU-{node}-{n}" for n in range(chance.below(GPUS + 1)))
    return node, (Foreign("Slurm job 1", devices, chance.below(16), ends_at_ns=None),)


def happen(world: World) -> None:
    """A little of everything."""
    chance = world.chance
    for _ in range(chance.below(5)):
        world.come()
    for _ in range(chance.below(3)):
        world.end()
    if world.running and chance.happens(0.2):
        key = chance.pick(sorted(world.running))
        one = world.running[key]
        world.running[key] = replace(one, started_at_ns=one.started_at_ns + NS_PER_S)
    if world.running and chance.happens(0.3):
        # As where a pool was larger before, or smaller: what is owed may be more than there is.
        key = chance.pick(sorted(world.running))
        world.running[key] = replace(world.running[key], is_owed=chance.happens(0.7))
    if chance.happens(0.1):
        node = f"n{chance.below(NODES)}"
        device = chance.pick((None, None, f"GPU-{node}-0"))
        world.cordons = {node: (Cordon(node, device, "broken", "ada", 0),)}
    if chance.happens(0.1):
        world.others = dict(a_foreign(chance) for _ in range(chance.below(3)))
    if chance.happens(0.05):
        world.running = dict(sorted(world.running.items()))
    if chance.happens(0.5):
        world.leave()
    world.now_ns += chance.pick((0, 1, STEP_S, 3 * STEP_S)) * NS_PER_S
    if chance.happens(0.02):
        world.now_ns -= STEP_S * NS_PER_S


def check_cover(seen: Snapshot, policy: Policy, keeper: Keeper) -> None:
    """All that a plan may ask of it."""
    capacity = capacity_of(seen.rooms)
    kept, new = Cover(capacity, seen, policy, keeper), Cover(capacity, seen, policy)
    assert {team: kept.covered_of(team) for team in OWNERS} == {
        team: new.covered_of(team) for team in OWNERS
    }
    assert set(kept.borrowed) == set(new.borrowed)
    assert set(kept.leaving) == set(new.leaving)
    assert (kept.shortfall, kept.next_turn_ns()) == (new.shortfall, new.next_turn_ns())
    for row in range(len(capacity)):
        assert set(kept.borrowed_on(row)) == set(new.borrowed_on(row))
    assert kept.book.spare().tolist() == new.book.spare().tolist()
    if kept.book.are_alike:
        # One job after the other, without what is only true of most of them.
        for team in OWNERS:
            covered = kept.covered_of(team)
            kept.go_without(team, ())
            assert kept.covered_of(team) == covered
    can_shrink = any(one.gives_most > 0 and not one.is_leaving for one in seen.running)
    assert kept.has_elastic == new.has_elastic >= can_shrink


def bring_up_to_date(runs: RunsBook[tuple[JobId, int]], world: World) -> Sequence[Running]:
    """What runs, as a board hands it over; now and then as one that has begun anew does."""
    if world.chance.happens(0.05):
        return tuple(world.running.values())
    for key in [key for key in runs if key not in world.running]:
        runs.pop(key)
    for key, one in world.running.items():
        runs.put(key, one)
    return runs.now()


def run_history(seed: int) -> None:
    world, keeper = a_world(seed), Keeper()
    runs: RunsBook[tuple[JobId, int]] = RunsBook()
    capacity = capacity_of(world.snapshot().rooms)
    for _ in range(STEPS):
        happen(world)
        seen = world.snapshot()
        if world.chance.happens(0.05):
            capacity = capacity_of(seen.rooms)
        capacity = capacity.replaced(seen.rooms)
        if world.chance.happens(0.03):
            capacity = capacity_of(capacity.rooms[1:])
        seen = replace(seen, rooms=capacity, running=bring_up_to_date(runs, world))
        plan = make_plan(seen, world.policy, keeper=keeper)
        assert plan == make_plan(seen, world.policy)
        check_cover(seen, world.policy, keeper)
        if world.chance.happens(0.8):
            world.follow(plan)


@pytest.mark.parametrize("part", range(PARTS))
def test_a_plan_is_the_same_with_what_was_kept(part: int) -> None:
    """Of random histories."""
    run_part(run_history, part, HISTORIES // PARTS)
