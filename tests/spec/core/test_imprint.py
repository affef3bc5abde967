"""Two plans have the same imprint exactly when they do the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.scheduling.imprint import imprint_of
from quarterdeck.core.scheduling.plan import Blocker, Eviction, Placement, Plan, Verdict
from quarterdeck.testing.builders import a_job_id

A, B = a_job_id(1), a_job_id(2)
GRANT = Grant("n1", ("GPU-1", "GPU-2"), 4, 2**30, ("mlx5_0",))
FIRST, SECOND = Placement(A, "local", (GRANT,)), Placement(B, "local", (Grant("n2"),), 3)
TOLD = {
    A: Verdict(A, Blocker.NO_CAPACITY, "wait"),
    B: Verdict(B, Blocker.LIMIT, "wait"),
}
PLAN = Plan(5, (FIRST, SECOND), TOLD)


@pytest.mark.parametrize(
    "other",
    [
        replace(PLAN, placements=(SECOND, FIRST)),
        replace(PLAN, placements=(FIRST,)),
        replace(PLAN, placements=(FIRST, replace(SECOND, task=4))),
        replace(PLAN, placements=(FIRST, replace(SECOND, site="annex"))),
        *(
            replace(PLAN, placements=(replace(FIRST, grants=(grant,)), SECOND))
            for grant in (
                replace(GRANT, node="n3"),
                replace(GRANT, devices=("GPU-2", "GPU-1")),
                replace(GRANT, cpus=5),
                replace(GRANT, memory_bytes=1),
                replace(GRANT, nics=()),
            )
        ),
        replace(PLAN, evictions=(Eviction(A, B),)),
        replace(PLAN, evictions=(Eviction(A, B, keeps=("n1",)),)),
        replace(PLAN, verdicts={A: TOLD[A]}),
        replace(PLAN, verdicts={A: replace(TOLD[A], blocked_by=Blocker.LIMIT), B: TOLD[B]}),
    ],
)
def test_a_plan_that_does_something_else_has_another_imprint(other: Plan) -> None:
    assert imprint_of(other) != imprint_of(PLAN)
    smaller = tuple(replace(one, keeps=("n2",)) for one in other.evictions)
    assert not smaller or imprint_of(replace(other, evictions=smaller)) != imprint_of(other)


def test_words_and_the_order_of_verdicts_make_no_difference() -> None:
    verdicts = {B: TOLD[B], A: replace(TOLD[A], message="for 2 nodes", hint="be patient")}
    placements = (replace(FIRST, grounds=("near",)), SECOND)
    same = replace(PLAN, as_of=6, placements=placements, verdicts=verdicts, next_ready_ns=9)
    assert imprint_of(same) == imprint_of(PLAN)


def test_it_counts_what_was_placed_and_what_waits_by_its_code() -> None:
    imprint = imprint_of(PLAN)
    assert (imprint.placed, imprint.waiting) == (2, (("limit", 1), ("no_capacity", 1)))
