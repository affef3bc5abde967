"""What may pass a job that has waited long enough: what does not make it start later."""

from __future__ import annotations

from typing import Any

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Plan
from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx

STRICT = Policy(patience_s=0, nearness_patience_s=0, pod_patience_s=0)
HOUR = 3600.0


def runs(name: str, node: str, for_s: float | None) -> Running:
    grant = Grant(node, tuple(f"GPU-{node}-{n}" for n in range(8)))
    ends_at_ns = None if for_s is None else START_NS + int(for_s * NS_PER_S)
    return Running(
        JobId(name), "local", a_demand(1, 8), (grant,), 0, 0, START_NS, 0.0, ends_at_ns=ends_at_ns
    )


def waits(name: str, nodes: int, gpus: int = 8, **more: Any) -> Waiting:
    return Waiting(JobId(name), a_demand(nodes, gpus), 0, START_NS - 100 + int(name[1:]), **more)


def plan_of(running: list[Running], *waiting: Waiting, nodes: int = 4) -> Plan:
    places = [a_dgx(f"d{n}") for n in range(nodes)]
    rooms = tuple(
        room_of("local", node, [g for r in running for g in r.grants if g.node == node.name])
        for node in places
    )
    return make_plan(Snapshot(START_NS, 1, rooms, waiting, running=tuple(running)), STRICT)


def started(plan: Plan) -> list[str]:
    return [one.job_id for one in plan.placements]


BUSY = [runs("r1", "d0", HOUR), runs("r2", "d1", 2 * HOUR)]


def test_what_is_over_in_time_passes_and_what_is_not_does_not() -> None:
    short = waits("w2", 1, limit_s=HOUR)
    long = waits("w3", 1, limit_s=2 * HOUR)
    forever = waits("w4", 1)
    plan = plan_of(BUSY, waits("w1", 4), short, long, forever)
    assert plan.head == ("w1", START_NS + int(2 * HOUR * NS_PER_S))
    assert started(plan) == ["w2"]
    verdict = plan.verdicts[JobId("w3")]
    assert (verdict.blocked_by, verdict.held_by) == (Blocker.BEHIND_OTHERS, ("w1",))
    assert "starts in 2h00m at the latest" in verdict.message
    assert verdict.change == (("time_limit", "1h58m"),)
    assert verdict.hint.startswith("with time_limit: 1h58m it would start now")


def test_what_is_told_works() -> None:
    plan = plan_of(BUSY, waits("w1", 4), waits("w3", 1))
    ((_, limit),) = plan.verdicts[JobId("w3")].change
    assert limit == "1h58m"
    again = plan_of(BUSY, waits("w1", 4), waits("w3", 1, limit_s=118 * 60))
    assert started(again) == ["w3"]


def test_other_nodes_are_for_everybody() -> None:
    """In an hour five nodes are free and four are enough for it: one of today's stays over."""
    busy = [*BUSY, runs("r3", "d2", HOUR)]
    plan = plan_of(busy, waits("w1", 4), waits("w2", 1), waits("w3", 1), nodes=6)
    assert plan.head == ("w1", START_NS + int(HOUR * NS_PER_S))
    assert started(plan) == ["w2"]
    assert plan.verdicts[JobId("w3")].blocked_by is Blocker.BEHIND_OTHERS


def test_without_time_limits_nothing_passes() -> None:
    endless = [runs("r1", "d0", None), runs("r2", "d1", None)]
    plan = plan_of(endless, waits("w1", 4), waits("w2", 1, limit_s=60.0))
    assert (plan.head, started(plan)) == (None, [])
    assert plan.verdicts[JobId("w2")].blocked_by is Blocker.BEHIND_OTHERS


def test_a_job_that_would_find_no_room_anyway_is_promised_nothing() -> None:
    full = [runs(f"r{n}", f"d{n}", HOUR) for n in range(4)]
    plan = plan_of(full, waits("w1", 4), waits("w2", 1, limit_s=60.0))
    assert plan.verdicts[JobId("w2")].change == ()
