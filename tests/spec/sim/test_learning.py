"""Jobs without an estimate get one from those that ended before them in the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.scheduling.snapshot import Order, Policy
from quarterdeck.sim.fast.promising import Promising
from quarterdeck.sim.fast.run import run
from quarterdeck.sim.fast.workload import SimJob
from quarterdeck.testing.builders import a_dgx

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORTEST = Policy(order=Order.SHORTEST)


def job(name: str, submit_s: float, duration_s: float, **more: Any) -> SimJob:
    return SimJob(1, name, submit_s, duration_s, Demand(1, Resources(8)), **more)


def past(**more: Any) -> list[SimJob]:
    """By turns one of ten seconds and one of a thousand."""
    names = (("quick", 10.0), ("slow", 1000.0))
    return [
        job(name, 2000.0 * number + 1000 * which, lasts_s, user="ada", **more)
        for number in range(6)
        for which, (name, lasts_s) in enumerate(names)
    ]


def order_of_starts(jobs: Sequence[SimJob], policy: Policy, *, learned: bool) -> list[str]:
    story = run([a_dgx()], jobs, policy, learned=learned)
    starts = sorted((one.start_s, one.job.name) for one in story.ran)
    return [name for _, name in starts]


COMING = [
    job("blocks", 20_000.0, 500.0, user="bob"),
    job("slow-7", 20_001.0, 1000.0, user="ada"),
    job("quick-7", 20_002.0, 10.0, user="ada"),
]


def test_who_should_be_quick_by_what_ended_goes_first() -> None:
    jobs = [*past(), *COMING]
    assert order_of_starts(jobs, SHORTEST, learned=True)[-2:] == ["quick-7", "slow-7"]
    assert order_of_starts(jobs, SHORTEST, learned=False)[-2:] == ["slow-7", "quick-7"]


def test_what_the_workload_says_of_a_job_goes_before_what_was_learned() -> None:
    told = [
        COMING[0],
        job("slow-7", 20_001.0, 1000.0, user="ada", estimate_s=5.0),
        job("quick-7", 20_002.0, 10.0, user="ada", estimate_s=5000.0),
    ]
    jobs = [*past(), *told]
    assert order_of_starts(jobs, SHORTEST, learned=True)[-2:] == ["slow-7", "quick-7"]


def test_nothing_is_known_of_what_has_not_ended_yet() -> None:
    """The same jobs with all of the past still to come: nothing was learned."""
    later = [job(one.name, one.submit_s + 50_000, one.duration_s, user="ada") for one in past()]
    starts = order_of_starts([*COMING, *later], SHORTEST, learned=True)
    assert starts[:3] == ["blocks", "slow-7", "quick-7"]


def test_who_waits_in_a_run_is_promised_a_start_and_who_does_not_is_not() -> None:
    watch = Promising()
    run([a_dgx()], [*past(), *COMING], Policy(), watch=watch)
    promised = {one.job.name: one for one in watch.promised.values()}
    assert {"slow-7", "quick-7"} <= promised.keys()
    assert "blocks" not in promised
    first = promised["slow-7"]
    assert first.wait_s == pytest.approx(499)
    assert promised["quick-7"].guess_s == pytest.approx(first.guess_s + 1000, rel=0.3)
    assert list(first.spread) == sorted(first.spread)


def test_watching_changes_nothing() -> None:
    jobs = [*past(), *COMING]
    alone, watched = (
        run([a_dgx()], jobs, Policy()),
        run([a_dgx()], jobs, Policy(), watch=Promising()),
    )
    assert alone == watched
