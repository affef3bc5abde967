"""Teams take turns by what they hold for their weight, and so do the people of a team."""

from __future__ import annotations

from typing import Any

from quarterdeck.basics.ids import JobId
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.scheduling.order import order_of
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


def test_in_a_team_priority_goes_before_people_and_these_take_turns() -> None:
    jobs = [waits("a0", "a", "ann"), waits("a1", "a", "ann"), waits("a2", "a", "bob"),
            waits("a3", "a", "ann", priority=1)]  # fmt: skip
    assert order(jobs) == ["a3", "a2", "a0", "a1"]
    assert order(jobs, holds("a", "bob", 8)) == ["a3", "a0", "a1", "a2"]


def test_a_higher_priority_is_no_way_past_other_teams() -> None:
    jobs = [waits("a0", "a", priority=1), waits("b1", "b", priority=-1)]
    assert order(jobs, holds("a", "x", 1)) == ["b1", "a0"]
