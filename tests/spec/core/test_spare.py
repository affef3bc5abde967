"""Who could not make room leaves a node to each cell, also where a job that it covers lies beside
others that stay: when that job has gone, its team is owed as much as before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Demand
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.cover import Cover
from quarterdeck.core.scheduling.plan import Blocker, Plan
from quarterdeck.core.scheduling.pools import Cells
from quarterdeck.core.scheduling.snapshot import Running
from tests.spec.core.test_guarantees import (
    HALF,
    NOW_NS,
    ONE,
    plan_of,
    policy,
    runs,
    snapshot,
    victims,
    waits,
)

STAYS = {"is_preemptible": False}
BESIDE = runs("c0", "c", 0, 0, 1, **STAYS)
"""Where it lies there is no whole node for anybody."""
A1 = runs("a1", "a", 0, 1, 2)


def full(*nodes: int) -> list[Running]:
    return [runs(f"c{node}", "c", node, **STAYS) for node in nodes]


def starts(plan: Plan) -> dict[str, list[str]]:
    return {one.job_id: [grant.node for grant in one.grants] for one in plan.placements}


@pytest.mark.parametrize("is_owed", [True, False])
@pytest.mark.parametrize("change", [STAYS, {"min_runtime_s": 150.0}])
def test_a_job_beside_one_that_stays_leaves_its_cell_another_node(
    change: dict[str, Any], *, is_owed: bool
) -> None:
    """Its cell is bound to d0, where no whole one is any more once it has gone. d1 has one."""
    a1, c9 = replace(A1, is_owed=is_owed), waits("c9", "c", **change)
    given, stay = policy(a=ONE), [BESIDE, *full(2, 3)]
    plan = plan_of(given, [a1, *stay], c9)
    assert (starts(plan), plan.verdicts[c9.job_id].blocked_by) == ({}, Blocker.GUARANTEED)
    assert starts(plan_of(given, stay, waits("a2", "a"), c9)) == {"a2": ["d1"]}
    alone = [replace(a1, grants=runs("a1", "a", 0, 0, 2).grants), *full(2, 3)]
    assert starts(plan_of(given, alone, c9)) == {"c9": ["d1"]}
    could_go = [replace(BESIDE, is_preemptible=True), a1, *full(2, 3)]
    assert starts(plan_of(given, could_go, c9)) == {"c9": ["d1"]}
    not_yet = replace(given, reclaim_after_s=2000.0)
    assert starts(plan_of(not_yet, could_go, waits("c9", "c", **STAYS))) == {"c9": ["d1"]}


def test_a_gang_beside_two_that_stay_has_as_many_nodes_again_when_it_has_gone() -> None:
    """a has three cells, and room was made for a1 on d0 and d1, where others stay, and on d2."""
    parts = [runs("a1", "a", node, 1, 2, is_owed=True) for node in range(3)]
    grants = tuple(one.grants[0] for one in parts)
    a1 = replace(parts[0], demand=Demand(3, parts[0].demand.resources), grants=grants)
    stay = [runs(f"c{node}", "c", node, 0, 1, **STAYS) for node in (0, 1)]
    c9 = waits("c9", "c", gpus=2, min_runtime_s=150.0)
    assert starts(plan_of(policy(a=Cells(3)), [a1, *stay], c9)) == {}
    plan = plan_of(policy(a=Cells(2)), [replace(a1, grants=grants[1:]), *stay], c9)
    assert starts(plan) == {"c9": ["d0"]}, "d2 and d3 are enough"


def test_a_cell_on_a_node_that_is_down_needs_another_one_too() -> None:
    running = [runs("a1", "a", 0, is_owed=True), *full(2, 3)]
    c9 = waits("c9", "c", **STAYS)
    assert starts(plan_of(policy(a=ONE), running, c9)) == {"c9": ["d1"]}
    assert starts(plan_of(policy(a=ONE), running, c9, down=1)) == {}


@pytest.mark.parametrize(("change", "starts_c9"), [(STAYS, False), ({}, True)])
def test_who_stays_counts_though_a_cell_of_its_team_covers_it(
    change: dict[str, Any], *, starts_c9: bool
) -> None:
    """a0 was started on what was spare. Whoever comes before it in its team takes the cell from it:
    then c9 on d3 would leave no node for b."""
    a0, h0 = runs("a0", "a", 0, **change), waits("h0", "a", 2, priority=1)
    given = policy(a=Cells(2), b=ONE)
    plan = plan_of(given, [a0], waits("c9", "c", **STAYS))
    assert bool(plan.placements) is starts_c9
    plan = plan_of(given, [a0], h0, waits("b1", "b"))
    assert (len(plan.placements), victims(plan)) == (2, [])


def test_who_started_within_its_guarantee_has_the_node_of_its_cell() -> None:
    a0 = runs("a0", "a", 0, is_owed=True, **STAYS)
    plan = plan_of(policy(a=Cells(2), b=ONE), [a0], waits("c9", "c", **STAYS))
    assert len(plan.placements) == 1


def test_who_was_started_within_a_guarantee_that_is_smaller_now_stays_as_others_do() -> None:
    """Nothing is guaranteed to it any more beyond a0, and it lies beside b1."""
    a0 = runs("a0", "a", 2, is_owed=True, for_s=2000, **STAYS)
    a1 = runs("a1", "a", 0, 0, 4, is_owed=True, **STAYS)
    b1, c9 = runs("b1", "b", 0, 4, 4), waits("c9", "c", **STAYS)
    assert starts(plan_of(policy(a=ONE, b=ONE), [a0, a1, b1, *full(3)], c9)) == {}


def test_of_a_node_is_spare_what_neither_those_hold_who_stay_nor_a_cell_needs() -> None:
    """a0 has one GPU of d0, which its cell of four covers; two more leave one beside that."""
    running = [runs("a0", "a", 0, 0, 1, **STAYS), *full(1, 2, 3)]
    two = [waits(name, "c", gpus=2, **STAYS) for name in ("c8", "c9")]
    assert starts(plan_of(policy(a=HALF), running, *two)) == {"c8": ["d0"]}


@pytest.mark.parametrize(("gpus", "starts_c9"), [(4, True), (5, False)])
def test_of_several_cells_on_one_node_only_those_need_another_that_it_lacks(
    gpus: int, *, starts_c9: bool
) -> None:
    """Without a1 and a2, d0 has room for one of their cells again, and half of d1 for the other."""
    owed = [runs("a1", "a", 0, 1, 4, is_owed=True), runs("a2", "a", 0, 5, 3, is_owed=True)]
    running, c9 = [BESIDE, *owed, *full(2, 3)], waits("c9", "c", gpus=gpus, **STAYS)
    assert bool(starts(plan_of(policy(a=replace(HALF, count=2)), running, c9))) is starts_c9


def test_a_cell_that_is_bound_to_nothing_needs_one_node_though_another_of_its_team_is_crowded() -> (
    None
):
    """The whole one needs d1 once a1 has gone, and the other half of d2, as now."""
    running = [BESIDE, runs("a1", "a", 0, 1, 6, is_owed=True), *full(3)]
    c9 = waits("c9", "c", gpus=4, **STAYS)
    assert starts(plan_of(policy(a=(ONE, HALF)), running, c9)) == {"c9": ["d2"]}


def test_who_is_owed_part_of_a_node_leaves_the_whole_one_that_another_cell_needs() -> None:
    """b1 could start on d1. But a1 lies beside one that stays, so its team could have d1 alone when
    it has gone: b1 has half of d2, where somebody borrows."""
    half, e2 = runs("c2", "c", 2, 0, 4, **STAYS), runs("e2", "e", 2, 4, 4)
    running = [BESIDE, replace(A1, is_owed=True), half, e2, *full(3)]
    given, b1 = policy(a=ONE, b=HALF), waits("b1", "b", gpus=4)
    plan = plan_of(given, running, b1)
    assert (starts(plan), victims(plan)) == ({}, ["e2"])
    assert starts(plan_of(given, [*running[2:]], b1)) == {"b1": ["d0"]}


def test_what_borrows_is_not_covered_on_the_last_node_for_a_cell_beside_one_that_stays() -> None:
    """b2 lies on d2, and the cell of its team could have half of d1 as well."""
    half, b2 = runs("c1", "c", 1, 0, 4, **STAYS), runs("b2", "b", 2, 0, 4)
    for stay, borrowed in (([BESIDE], [b2]), ([], [])):
        seen = snapshot([*stay, replace(A1, is_owed=True), half, b2, *full(3)])
        cover = Cover(capacity_of(seen.rooms), seen, policy(a=ONE, b=HALF))
        assert [one for one in cover.borrowed if one.team == "b"] == borrowed


def test_a_plan_says_when_one_that_stays_and_is_covered_will_have_run_for_long_enough() -> None:
    """From then on others may have what is spare."""
    a0, c9 = runs("a0", "a", 0, for_s=100, min_runtime_s=150.0), waits("c9", "c", **STAYS)
    plan = plan_of(policy(a=Cells(2), b=ONE), [a0], c9)
    assert (starts(plan), plan.next_ready_ns) == ({}, NOW_NS + 50 * NS_PER_S)
    later = [replace(a0, started_at_ns=a0.started_at_ns - 50 * NS_PER_S)]
    assert len(plan_of(policy(a=Cells(2), b=ONE), later, c9).placements) == 1
