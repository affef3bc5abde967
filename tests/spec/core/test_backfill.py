"""What may pass jobs that have waited long enough: what does not make them start later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.hardware import Cordon, Device
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.capacity import capacity_of
from quarterdeck.core.scheduling.endings import Ending, Endings
from quarterdeck.core.scheduling.fragments import typical_of
from quarterdeck.core.scheduling.free import Free
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Plan
from quarterdeck.core.scheduling.promised import Promised
from quarterdeck.core.scheduling.shadows import PROTECTED_MAX
from quarterdeck.core.scheduling.snapshot import Backfill, Policy, Running, Snapshot, Waiting
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


def plan_of(
    running: list[Running],
    *waiting: Waiting,
    nodes: int = 4,
    policy: Policy = STRICT,
    promised: tuple[Promised, ...] = (),
) -> Plan:
    places = [a_dgx(f"d{n}") for n in range(nodes)]
    rooms = tuple(
        room_of("local", node, [g for r in running for g in r.grants if g.node == node.name])
        for node in places
    )
    snapshot = Snapshot(START_NS, 1, rooms, waiting, running=tuple(running), promised=promised)
    return make_plan(snapshot, policy)


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


EACH = replace(STRICT, backfill=Backfill.CONSERVATIVE)
LONG = waits("w3", 1, limit_s=10 * HOUR)


def starts_h(plan: Plan) -> dict[str, float]:
    """When each starts at the latest, in hours, without the seconds for starting."""
    return {
        one.job_id: round((one.start_ns - START_NS) / NS_PER_S / HOUR, 1) for one in plan.promised
    }


def test_each_that_waits_for_long_enough_keeps_its_start() -> None:
    """A node is left beside the first one's, and the second needs that, too."""
    busy = [runs("r1", "d0", HOUR), runs("r2", "d1", 2 * HOUR), runs("r3", "d2", 2 * HOUR)]
    queue = (waits("w1", 4, limit_s=HOUR), waits("w2", 5, limit_s=HOUR))
    easy = plan_of(busy, *queue, LONG, nodes=5, policy=STRICT)
    each = plan_of(busy, *queue, LONG, nodes=5, policy=EACH)
    assert (started(easy), easy.promised) == (["w3"], ())
    assert starts_h(each) == {"w1": 2.0, "w2": 3.0, "w3": 4.0}
    assert started(each) == []
    assert each.head == easy.head
    verdict = each.verdicts[JobId("w3")]
    assert (verdict.blocked_by, verdict.held_by) == (Blocker.BEHIND_OTHERS, ("w2",))
    assert "w2 is before it (5 nodes × 8 GPUs) and starts in 3h00m at the latest" in verdict.message
    assert "it starts in 4h00m at the latest itself" in verdict.message
    assert verdict.change == (("time_limit", "2h59m"),)


def test_the_limit_that_is_told_does_not_make_the_second_later_either() -> None:
    busy = [runs("r1", "d0", HOUR), runs("r2", "d1", 2 * HOUR), runs("r3", "d2", 2 * HOUR)]
    queue = (waits("w1", 4, limit_s=HOUR), waits("w2", 5, limit_s=HOUR))
    shorter = waits("w3", 1, limit_s=3 * HOUR - 120)
    plan = plan_of(busy, *queue, shorter, nodes=5, policy=EACH)
    assert started(plan) == ["w3"]
    assert starts_h(plan) == {"w1": 2.0, "w2": 3.0}


def test_what_was_promised_stays_when_the_first_could_move_into_its_gap() -> None:
    """`r1` has ended early: the first could have all nodes in an hour, but for the second."""
    queue = (waits("w1", 2, limit_s=9 * HOUR), waits("w2", 1, limit_s=1.9 * HOUR))
    busy = [runs("r1", "d0", 3 * HOUR), runs("r2", "d1", HOUR)]
    told = plan_of(busy, *queue, nodes=2, policy=EACH)
    assert starts_h(told) == {"w1": 3.0, "w2": 1.0}
    forgot = plan_of(busy[1:], *queue, nodes=2, policy=EACH)
    assert (starts_h(forgot), started(forgot)) == ({"w1": 1.0, "w2": 10.0}, [])
    kept = plan_of(busy[1:], *queue, nodes=2, policy=EACH, promised=told.promised)
    assert started(kept) == ["w2"]


def test_a_higher_priority_goes_before_what_was_promised() -> None:
    promised = (Promised(JobId("w2"), START_NS + int(HOUR * NS_PER_S), "local", ("d0", "d1")),)
    busy = [runs("r1", "d0", HOUR)]
    for priority, gone in ((0, []), (1, ["w1"])):
        first = replace(waits("w1", 1, limit_s=5 * HOUR), priority=priority)
        second = waits("w2", 2, limit_s=HOUR)
        plan = plan_of(busy, first, second, nodes=2, policy=EACH, promised=promised)
        assert started(plan) == gone
        if not gone:
            verdict = plan.verdicts[JobId("w1")]
            assert "w2 was promised its start" in verdict.message
            assert verdict.change == (("time_limit", "58m55s"),)


def test_who_is_promised_a_start_beside_another_starts_with_it() -> None:
    """What runs has ended early, and nothing more will that would make the plan anew in time."""
    promised = tuple(
        Promised(JobId(name), START_NS + hours * int(HOUR * NS_PER_S), "local", ("d0",))
        for name, hours in (("w1", 2), ("w2", 1))
    )
    queue = (waits("w1", 1, 4, limit_s=5 * HOUR), waits("w2", 1, 4, limit_s=5 * HOUR))
    plan = plan_of([], *queue, nodes=1, policy=EACH, promised=promised)
    assert (started(plan), dict(plan.verdicts), plan.promised) == (["w2", "w1"], {}, ())


def test_without_time_limits_nothing_passes_the_first_and_others_are_promised_nothing() -> None:
    endless = [runs("r1", "d0", None), runs("r2", "d1", None)]
    plan = plan_of(endless, waits("w1", 4), waits("w2", 1, limit_s=60.0), policy=EACH)
    assert (plan.promised, started(plan)) == ((), [])
    # The first has no limit: who needs its nodes afterwards cannot be told when.
    queue = (waits("w1", 4), waits("w2", 4, limit_s=HOUR), waits("w3", 1, limit_s=HOUR))
    plan = plan_of(BUSY, *queue, policy=EACH)
    assert (starts_h(plan), started(plan)) == ({"w1": 2.0}, ["w3"])


def test_what_was_promised_on_a_node_that_is_gone_is_promised_anew() -> None:
    promised = (Promised(JobId("w1"), START_NS + NS_PER_S, "local", ("d7",)),)
    plan = plan_of(BUSY[:1], waits("w1", 1), nodes=1, policy=EACH, promised=promised)
    assert starts_h(plan) == {"w1": 1.0}


def test_so_many_keep_their_starts_and_no_more() -> None:
    many = [waits(f"w{n}", 4, limit_s=HOUR) for n in range(1, PROTECTED_MAX + 3)]
    plan = plan_of(BUSY, *many, policy=EACH)
    assert [one.job_id for one in plan.promised] == [f"w{n}" for n in range(1, PROTECTED_MAX + 1)]
    assert starts_h(plan)[f"w{PROTECTED_MAX}"] == PROTECTED_MAX + 1


def test_what_comes_free_is_the_same_all_at_once_and_one_by_one() -> None:
    """Whole GPUs, slices and shares, some on a GPU or a node that is cordoned."""
    node = replace(a_dgx("d0"), devices=tuple(Device(f"G{n}", "A100", 2**36) for n in range(8)))
    cordon = Cordon("d0", "G2", "errors", "ann", START_NS)
    grants = [
        Grant("d0", ("G0", "G1"), 4, 2**30),
        Grant("d0", ("G2", "G3"), 8, 2**31),
        Grant("d0", ("G4/25%",), 1, 2**20),
        Grant("gone", ("G0",), 1, 2**20),
    ]
    capacity = capacity_of([room_of("local", node, grants[:3], (cordon,))])
    free = Free(capacity, typical_of(()))
    ending = [Ending(START_NS + n, "local", (grant,)) for n, grant in enumerate(grants)]
    endings = Endings(capacity, ending[:3], START_NS - 1)
    endings.add(ending[3])
    for count in range(5):
        once = endings.free_at(free, START_NS + count - 1)
        singly = free.returned(("local", grant) for grant in grants[:count])
        for what in ("cpus", "memory_bytes", "gpus_free", "gpus_idle", "state"):
            assert np.array_equal(getattr(once, what), getattr(singly, what)), (count, what)
