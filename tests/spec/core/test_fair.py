"""Teams take turns by what they hold for their weight, and so do the people of a team."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import GpuUnit, Grant
from quarterdeck.core.ledger.usage import UsageBook, Used, day_of
from quarterdeck.core.scheduling.fair import gpus_held
from quarterdeck.core.scheduling.order import order_of
from quarterdeck.core.scheduling.own_order import exchanged
from quarterdeck.core.scheduling.pools import Pool
from quarterdeck.core.scheduling.snapshot import Order, Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_demand

FAIR = Policy(order=Order.FAIR_SHARE)


def waits(name: str, team: str, owner: str = "", gpus: int = 1, **more: Any) -> Waiting:
    number = int(name[1:])
    return Waiting(
        JobId(name), a_demand(1, gpus), more.pop("priority", 0), START_NS + number, team=team,
        owner=owner, **more,
    )  # fmt: skip


def holds(team: str, owner: str, gpus: int) -> Running:
    grant = Grant("n1", tuple(f"GPU-{team}-{owner}-{n}" for n in range(gpus)))
    return Running(
        JobId(f"r-{team}-{owner}"), "local", a_demand(1, gpus), (grant,), 0, 0, 0, 0.0, team=team,
        owner=owner,
    )  # fmt: skip


def order(waiting: list[Waiting], *running: Running, policy: Policy = FAIR) -> list[str]:
    snapshot = Snapshot(START_NS, 1, (), tuple(waiting), running=running)
    return [one.job_id for one in sorted(waiting, key=order_of(snapshot, policy))]


def test_a_team_that_came_first_with_many_jobs_is_not_served_first_alone() -> None:
    jobs = [waits(f"a{n}", "a") for n in range(4)] + [waits("b8", "b"), waits("b9", "b")]
    assert order(jobs) == ["a0", "b8", "a1", "b9", "a2", "a3"]


def test_who_holds_more_waits_until_the_others_have_as_much() -> None:
    jobs = [waits("a0", "a"), waits("b1", "b"), waits("b2", "b"), waits("b3", "b")]
    assert order(jobs, holds("a", "x", 2)) == ["b1", "b2", "a0", "b3"]


def test_a_team_of_twice_the_weight_gets_twice_as_much() -> None:
    jobs = [waits(f"a{n}", "a") for n in range(6)] + [waits(f"b{n}", "b") for n in range(6)]
    policy = Policy(order=Order.FAIR_SHARE, pools=(Pool("b", weight=2.0),))
    first = order(jobs, policy=policy)[:6]
    assert [name[0] for name in first].count("b") == 4


def test_large_jobs_count_as_what_they_ask_for() -> None:
    jobs = [waits("a0", "a", gpus=4), waits("a1", "a"), *[waits(f"b{n}", "b") for n in range(2, 6)]]
    assert order(jobs) == ["a0", "b2", "b3", "b4", "b5", "a1"]


def test_who_orders_their_own_jobs_moves_nobody_of_the_team_and_no_other_team() -> None:
    jobs = [waits("a0", "a", "x"), waits("a1", "a", "x", gpus=8), waits("a2", "a", "x")]
    others = [waits("a3", "a", "y", gpus=2), waits("a4", "a", "y"), waits("b5", "b", gpus=2)]
    before = order([*jobs, *others])
    taken = exchanged(
        [jobs[1], jobs[2], jobs[0]], Snapshot(START_NS, 1, (), (*jobs, *others)), FAIR
    )
    mine = [replace(one, queue_place=taken[one.job_id]) for one in jobs]
    theirs = {"a0": "a1", "a1": "a2", "a2": "a0"}
    assert order([*mine, *others]) == [theirs.get(name, name) for name in before]
    assert before != order([*mine, *others])


def test_in_a_team_priority_goes_before_people_and_these_take_turns() -> None:
    jobs = [waits("a0", "a", "ann"), waits("a1", "a", "ann"), waits("a2", "a", "bob"),
            waits("a3", "a", "ann", priority=1)]  # fmt: skip
    assert order(jobs) == ["a3", "a2", "a0", "a1"]
    assert order(jobs, holds("a", "bob", 8)) == ["a3", "a0", "a1", "a2"]


def test_a_higher_priority_is_no_way_past_other_teams() -> None:
    jobs = [waits("a0", "a", priority=1), waits("b1", "b", priority=-1)]
    assert order(jobs, holds("a", "x", 1)) == ["b1", "a0"]


WEEK_S = 7 * 86_400.0
FADING = Policy(order=Order.FAIR_SHARE, half_life_s=WEEK_S)
TODAY = day_of(START_NS)


def used(team: str, owner: str, days_ago: int, gpus: float) -> Used:
    """So many GPUs for a whole day."""
    return Used(team, owner, TODAY - days_ago, round(gpus * 86_400_000))


def order_after(past: list[Used], waiting: list[Waiting], policy: Policy = FADING) -> list[str]:
    snapshot = Snapshot(START_NS, 1, (), tuple(waiting), used=UsageBook(past).view())
    return [one.job_id for one in sorted(waiting, key=order_of(snapshot, policy))]


def test_who_used_much_lately_waits_until_others_have_caught_up_and_no_longer() -> None:
    jobs = [waits("a0", "a"), waits("a1", "a"), *[waits(f"b{n}", "b") for n in range(2, 6)]]
    past = [used("a", "", days, 2.5) for days in range(1, 60)]
    assert order_after(past, jobs) == ["b2", "b3", "b4", "a0", "b5", "a1"]
    assert order_after(past, jobs, FAIR) == ["a0", "b2", "a1", "b3", "b4", "b5"]


def test_past_use_counts_half_as_much_a_half_life_later() -> None:
    jobs = [waits("a0", "a"), waits("b1", "b")]
    two = [used("a", "", 14, 10.0), used("b", "", 7, 4.9)]
    assert order_after(two, jobs) == ["b1", "a0"]
    assert order_after([two[0], used("b", "", 7, 5.1)], jobs) == ["a0", "b1"]


def test_in_a_team_who_used_much_lately_comes_after_the_others() -> None:
    jobs = [waits("a0", "a", "ann"), waits("a1", "a", "ann"), waits("a2", "a", "bob")]
    assert order_after([used("a", "ann", 1, 8.0)], jobs) == ["a2", "a0", "a1"]
    of_another_team = [used("b", "ann", 1, 8.0)]
    assert order_after(of_another_team, jobs) == ["a0", "a2", "a1"]


def test_what_runs_counts_for_as_long_as_it_has_run() -> None:
    jobs = [waits("a0", "a"), waits("b1", "b")]
    long_ago = replace(holds("a", "x", 2), started_at_ns=START_NS - round(30 * WEEK_S * 1e9))
    just_now = replace(holds("b", "x", 3), started_at_ns=START_NS)
    assert order(jobs, long_ago, just_now, policy=FAIR) == ["a0", "b1"]
    assert order(jobs, long_ago, just_now, policy=FADING) == ["b1", "a0"]


def test_a_share_of_a_gpu_is_held_as_its_part() -> None:
    share = replace(
        holds("a", "x", 0),
        demand=a_demand(1, 1, gpu_unit=GpuUnit.SHARE, gpu_percent=25),
        grants=(Grant("n1", ("GPU-1/25%",)),),
    )
    slice_ = replace(
        share,
        demand=a_demand(1, 1, gpu_unit=GpuUnit.SLICE),
        grants=(Grant("n1", ("GPU-1/3g.20gb@0",)),),
    )
    assert gpus_held(share) == 0.25
    assert gpus_held(slice_) == pytest.approx(3 / 7)


def test_of_teams_that_hold_the_same_the_one_whose_job_came_first_comes_first() -> None:
    assert order([waits("j1", "z"), waits("j2", "a")]) == ["j1", "j2"]
