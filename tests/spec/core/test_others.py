"""What others of a site hold is not free, comes free by itself, and what they reserve binds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Kind
from quarterdeck.core.calendar.occurrences import Occurrence
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.hardware import Cordon, Foreign, Node, NodeState
from quarterdeck.core.cluster.room import Room, room_of
from quarterdeck.core.scheduling.booked import Bookings
from quarterdeck.core.scheduling.bookings import Bound
from quarterdeck.core.scheduling.capacity import CLOSED, Capacity, capacity_of
from quarterdeck.core.scheduling.endings import Endings
from quarterdeck.core.scheduling.forecast import Hold, LatestStart, latest_start
from quarterdeck.core.scheduling.fragments import typical_of
from quarterdeck.core.scheduling.free import Free
from quarterdeck.core.scheduling.latency import START_S
from quarterdeck.core.scheduling.lookahead import LookAhead, Queued, Runs, runs_of_others
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Plan
from quarterdeck.core.scheduling.pools import Cells, Pool
from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot, Waiting
from quarterdeck.core.scheduling.verdicts import never_fits
from quarterdeck.testing.builders import START_NS, a_demand, a_dgx, a_node

HOUR = 3600.0
STRICT = Policy(patience_s=0, nearness_patience_s=0, pod_patience_s=0)
LAX = replace(STRICT, patience_s=1e9)


def at_ns(hours: float) -> int:
    return START_NS + int(hours * HOUR * NS_PER_S)


def gpus(node: str, count: int = 8, first: int = 0) -> tuple[str, ...]:
    return tuple(f"GPU-{node}-{n}" for n in range(first, first + count))


def theirs(node: str, count: int = 8, hours: float | None = None, **more: Any) -> Foreign:
    ends_at_ns = None if hours is None else at_ns(hours)
    given = {"name": "Slurm job 4711", "devices": gpus(node, count), "ends_at_ns": ends_at_ns}
    return Foreign(**{**given, **more})


def reserved(from_h: float, to_h: float | None, name: str = "Slurm reservation maint") -> Foreign:
    ends_at_ns = None if to_h is None else at_ns(to_h)
    return Foreign(name, ends_at_ns=ends_at_ns, starts_at_ns=at_ns(from_h))


def used(name: str, *others: Foreign, **more: Any) -> Node:
    return a_dgx(name, others=others, **more)


def ours(name: str, node: str, hours: float | None) -> Running:
    ends_at_ns = None if hours is None else at_ns(hours)
    grant = Grant(node, gpus(node))
    return Running(
        JobId(name), "local", a_demand(1, 8), (grant,), 0, 0, START_NS, 0.0, ends_at_ns=ends_at_ns
    )


def waits(name: str, nodes: int = 1, count: int = 8, **more: Any) -> Waiting:
    return Waiting(JobId(name), a_demand(nodes, count), 0, START_NS - 100 + int(name[1:]), **more)


def snapshot_of(
    nodes: list[Node], *waiting: Waiting, running: tuple[Running, ...] = (), **more: Any
) -> Snapshot:
    rooms = tuple(
        room_of("local", node, [g for r in running for g in r.grants if g.node == node.name])
        for node in nodes
    )
    return Snapshot(START_NS, 1, rooms, waiting, running=running, **more)


def plan_of(nodes: list[Node], *waiting: Waiting, policy: Policy = STRICT, **more: Any) -> Plan:
    return make_plan(snapshot_of(nodes, *waiting, **more), policy)


def started(plan: Plan) -> dict[str, list[str]]:
    return {one.job_id: [grant.node for grant in one.grants] for one in plan.placements}


# What is free


def test_what_others_hold_is_not_free_and_what_they_leave_is() -> None:
    node = used("a", theirs("a", 3, cpus=100, memory_bytes=2**30))
    room = room_of("local", node, [Grant("a", gpus("a", 2, 6), 8, 2**30)])
    assert room.free_devices == gpus("a", 3, 3)
    assert (room.free_cpus, room.free_memory_bytes) == (148, node.memory_bytes - 2**31)
    assert (room.lent, room.disputed) == (gpus("a", 3), ())
    assert Room.empty("local", node).free_devices == gpus("a", 5, 3)


def test_a_reservation_takes_nothing_of_the_room() -> None:
    node = used("a", reserved(1, 2))
    assert Room.empty("local", node).free_devices == gpus("a")


def test_others_may_have_been_faster_on_a_gpu_of_ours() -> None:
    """It was granted to ours, and a job of the site got it first: that is no bug of a plan."""
    room = room_of("local", used("a", theirs("a", 2)), [Grant("a", gpus("a", 2, 1))])
    assert room.free_devices == gpus("a", 5, 3)
    assert (room.lent, room.disputed) == (gpus("a", 2), gpus("a", 1, 1))
    free = Free(capacity_of([room]), typical_of(()))
    given = free.returned([("local", Grant("a", gpus("a", 2, 1)))])
    assert given.state[0].tolist() == [CLOSED, CLOSED, *[0] * 6]
    assert given.gpus_free[0] == 6


def test_a_gpu_that_ours_share_is_all_theirs_once_others_have_it() -> None:
    """Neither what ours have of it nor what was left of it may be taken for free."""
    part, slice_ = f"{gpus('a', 1)[0]}/25%", f"{gpus('a', 1)[0]}/1g.10gb@0"
    for mine in (part, slice_):
        room = room_of("local", used("a", theirs("a", 1)), [Grant("a", (mine,))])
        assert room.parts == ()
        assert capacity_of([room]).state[0].tolist() == [CLOSED, *[0] * 7]


def test_slices_of_others_leave_the_other_slices() -> None:
    first, second = (f"GPU-a-0/1g.10gb@{place}" for place in (0, 1))
    node = used("a", Foreign("Slurm job 1", (first,)), may_slice=True)
    room = room_of("local", node, [Grant("a", (second,))])
    assert set(room.parts) == {first, second}
    assert capacity_of([room]).state[0].tolist() == [0b11, *[0] * 7]
    shared = used("a", Foreign("Slurm job 1", ("GPU-a-0/50%",)))
    assert Room.empty("local", shared).lent == ("GPU-a-0",)


def test_a_capacity_follows_others_without_being_built_anew() -> None:
    before = capacity_of([Room.empty("local", a_dgx(name)) for name in "abc"])
    assert before.shared == ()
    after = before.replaced([Room.empty("local", used("b", theirs("b", 3)))])
    assert after.fleet is before.fleet
    assert (after.shared, after.gpus_free.tolist()) == ((1,), [8, 5, 8])
    again = after.replaced([Room.empty("local", a_dgx("b"))])
    assert (again.shared, again.gpus_free.tolist()) == ((), [8, 8, 8])
    drained = after.replaced([Room.empty("local", a_dgx("c", state=NodeState.DRAINED))])
    assert drained.fleet is before.fleet
    assert (drained.shared, drained.is_open.tolist()) == ((1,), [True, True, False])
    assert after.replaced([Room.empty("local", a_dgx("c", cpus=1))]).fleet is not before.fleet


def test_nothing_is_placed_on_a_drained_node_and_what_it_lacks_is_told() -> None:
    plan = plan_of([a_dgx("a", state=NodeState.DRAINED, reason="bad fan")], waits("w1"))
    assert started(plan) == {}
    verdict = plan.verdicts[JobId("w1")]
    assert verdict.blocked_by is Blocker.NO_CAPACITY
    assert verdict.message.endswith("; the site has drained 1 node")
    assert (verdict.numbers["nodes_drained"], verdict.numbers["nodes_down"]) == (1, 0)


# What comes free


def free_at(capacity: Capacity, hours: float) -> list[int]:
    endings = Endings(capacity, [], START_NS)
    then = endings.free_at(Free(capacity, typical_of(())), at_ns(hours))
    assert (then.gpus_free == (then.state == 0).sum(axis=1)).all()
    return [int(then.gpus_free[0]), int(then.cpus[0])]


def test_what_others_hold_comes_free_at_their_ends() -> None:
    node = used(
        "a",
        theirs("a", 0, 2, devices=gpus("a", 3, 1), cpus=8),  # the second GPU is of both
        theirs("a", 2, 1, cpus=16),
        theirs("a", 0, None, devices=gpus("a", 1, 6), cpus=4),
        theirs("a", 0, -1, devices=gpus("a", 1, 7), cpus=2),  # overdue
    )
    capacity = capacity_of([Room.empty("local", node)])
    assert free_at(capacity, 0.5) == [3, 256 - 28]
    assert free_at(capacity, 1) == [4, 256 - 12]
    assert free_at(capacity, 2) == [7, 256 - 4]
    assert Endings(capacity, [], START_NS).times_ns == [START_NS + 1, at_ns(1), at_ns(2)]


def test_what_others_hold_of_a_cordoned_gpu_or_of_one_of_ours_does_not_come_free() -> None:
    cordon = Cordon("a", gpus("a", 1)[0], "hot", "ada", 0)
    room = room_of("local", used("a", theirs("a", 3, 1)), [Grant("a", gpus("a", 1, 1))], (cordon,))
    assert free_at(capacity_of([room]), 1)[0] == 6


def test_slices_of_others_come_free_at_their_ends() -> None:
    node = used("a", Foreign("Slurm job 1", ("GPU-a-0/1g.10gb@0",), 2, ends_at_ns=at_ns(1)))
    capacity = capacity_of([Room.empty("local", replace(node, may_slice=True))])
    assert free_at(capacity, 0.9) == [7, 254]
    assert free_at(capacity, 1) == [8, 256]


# Backfill


def test_the_first_starts_when_others_have_ended_and_who_is_over_by_then_passes() -> None:
    nodes = [used("a", theirs("a", 8, 1)), used("b", theirs("b", 8, 2)), a_dgx("c")]
    gap = 2 * HOUR - START_S
    plan = plan_of(nodes, waits("w1", 3), waits("w2", limit_s=gap + 1), waits("w3", limit_s=gap))
    assert plan.head == ("w1", at_ns(2))
    assert started(plan) == {"w3": ["c"]}
    told = plan.verdicts[JobId("w2")]
    assert (told.blocked_by, told.held_by) == (Blocker.BEHIND_OTHERS, ("w1",))
    assert "starts in 2h00m at the latest" in told.message


def test_ours_and_theirs_count_together() -> None:
    nodes = [used("a", theirs("a", 8, 1)), a_dgx("b")]
    plan = plan_of(nodes, waits("w1", 2), running=(ours("r1", "b", 3),))
    assert plan.head == ("w1", at_ns(3))


def test_who_can_only_start_once_others_end_that_say_no_end_keeps_nobody_waiting() -> None:
    """We cannot make them go. Ours without a limit, on the other hand, will be dealt with."""
    nodes = [used("a", theirs("a", 1)), a_dgx("b")]
    plan = plan_of(nodes, waits("w1", 2), waits("w2"))
    assert (plan.head, started(plan)) == (None, {"w2": ["b"]})
    assert {*started(plan_of(nodes, waits("w1", 2, 7), waits("w2")))} == {"w1"}
    cpus = [used("a", theirs("a", 0, cpus=255)), a_dgx("b")]
    first = Waiting(JobId("w0"), a_demand(2, 1, cpus=2), 0, START_NS - 100)
    assert {*started(plan_of(cpus, first, waits("w2")))} == {"w2"}
    running = (ours("r1", "a", None),)
    mine = plan_of([a_dgx("a"), a_dgx("b")], waits("w1", 2), waits("w2"), running=running)
    assert started(mine) == {}


# Reservations


def test_who_is_over_before_a_reservation_begins_may_start_and_others_may_not() -> None:
    nodes = [used("a", reserved(1, 2))]
    gap = HOUR - START_S
    assert started(plan_of(nodes, waits("w1", limit_s=gap))) == {"w1": ["a"]}
    for late in (waits("w1", limit_s=gap + 1), waits("w1"), waits("w1", limit_s=gap, grace_s=1)):
        plan = plan_of(nodes, late)
        assert started(plan) == {}
        verdict = plan.verdicts[JobId("w1")]
        assert verdict.blocked_by is Blocker.RESERVED
        assert "Slurm reservation maint needs nodes that have room from" in verdict.message
        assert verdict.numbers["booking_starts_s"] == HOUR
        assert verdict.numbers["booking_ends_s"] == 2 * HOUR
        assert plan.next_ready_ns == at_ns(1)


def test_one_that_spares_who_has_no_time_limit_binds_who_has_one_and_all_once_it_has_begun() -> (
    None
):
    nodes = [used("a", replace(reserved(1, 2), spares_unlimited=True))]
    gap = HOUR - START_S
    assert started(plan_of(nodes, waits("w1"))) == {"w1": ["a"]}
    assert started(plan_of(nodes, waits("w1", limit_s=gap))) == {"w1": ["a"]}
    assert started(plan_of(nodes, waits("w1", limit_s=gap + 1))) == {}
    begun = [used("a", replace(reserved(-1, 2), spares_unlimited=True))]
    assert started(plan_of(begun, waits("w1"))) == {}


def test_a_proposed_time_limit_keeps_to_a_reservation() -> None:
    nodes = [used("a", reserved(1, 2))]
    ((key, limit),) = plan_of(nodes, waits("w1")).verdicts[JobId("w1")].change
    assert (key, limit) == ("time_limit", "58m55s")
    assert started(plan_of(nodes, waits("w1", limit_s=58 * 60 + 55.0))) == {"w1": ["a"]}


@pytest.mark.parametrize(("to_h", "until"), [(2, "until Wed 15 Nov 2023"), (None, "for now")])
def test_one_that_goes_on_keeps_the_whole_node(to_h: float | None, until: str) -> None:
    nodes = [used("a", reserved(-1, to_h))]
    plan = plan_of(nodes, waits("w1", limit_s=60.0))
    assert started(plan) == {}
    assert f"maint keeps the nodes that have room {until}" in plan.verdicts[JobId("w1")].message
    assert plan.next_ready_ns == (None if to_h is None else at_ns(2))


def test_one_that_is_over_binds_nobody_though_the_site_still_tells_of_it() -> None:
    assert started(plan_of([used("a", reserved(-2, -1))], waits("w1"))) == {"w1": ["a"]}


def test_other_nodes_are_not_kept() -> None:
    nodes = [used("a", reserved(1, 2)), a_dgx("b")]
    assert started(plan_of(nodes, waits("w1"))) == {"w1": ["b"]}


def test_the_first_is_not_promised_a_start_that_would_run_into_a_reservation() -> None:
    """In an hour both are free, but one of them only until the third; what it needs is there at
    the fifth."""
    nodes = [used("a", theirs("a", 8, 1)), used("b", theirs("b", 8, 1), reserved(3, 5))]
    short = plan_of(nodes, waits("w1", 2, limit_s=HOUR))
    assert short.head == ("w1", at_ns(1))
    long = plan_of(nodes, waits("w1", 2, limit_s=2.5 * HOUR))
    assert long.head == ("w1", at_ns(5))
    alone = plan_of(nodes, waits("w1", 1, limit_s=2.5 * HOUR))
    assert alone.head == ("w1", at_ns(1))


def test_the_first_is_promised_the_first_gap_that_is_long_enough() -> None:
    """Whatever comes free after that gap, and is of no use to it."""
    ends = [theirs("b", 0, hours, devices=gpus("b", 1, hours)) for hours in (4, 5, 6, 7)]
    lasting = theirs("b", 0, devices=gpus("b", 4))
    nodes = [used("a", theirs("a", 8, 1), reserved(3, 10)), used("b", lasting, *ends)]
    assert plan_of(nodes, waits("w1", limit_s=1.5 * HOUR)).head == ("w1", at_ns(1))
    assert plan_of(nodes, waits("w1", limit_s=2.5 * HOUR)).head == ("w1", at_ns(10))


def test_who_would_have_to_wait_for_a_reservation_without_an_end_keeps_nobody_waiting() -> None:
    nodes = [used("a", theirs("a", 8, 1)), used("b", theirs("b", 8, 1), reserved(3, None))]
    nodes.append(a_dgx("c"))
    plan = plan_of(nodes, waits("w1", 3, limit_s=2.5 * HOUR), waits("w2"))
    assert (plan.head, started(plan)) == (None, {"w2": ["c"]})


def test_the_calendar_counts_what_is_reserved_for_others() -> None:
    """A booking of one node is given the one that others have not reserved meanwhile."""
    time = Occurrence("b1", Kind.RESERVATION, at_ns(1), at_ns(2), "red", count=1)
    rooms = [Room.empty("local", node) for node in (used("a", reserved(1, 3)), a_dgx("b"))]
    bound = Bound(Bookings((time,)), capacity_of(rooms), START_NS, 1e9)
    assert [bound.names_of(claim) for claim in bound.claims if claim.time is time] == [["b"]]


def test_the_calendar_knows_when_others_are_gone() -> None:
    time = Occurrence("b1", Kind.RESERVATION, at_ns(1), at_ns(2), "red", count=1)
    rooms = [
        Room.empty("local", node)
        for node in (used("a", theirs("a", 1)), used("b", theirs("b", 1, 0.5)), a_dgx("c"))
    ]
    for left, name in ((rooms, "b"), (rooms[:1], "a")):
        (claim,) = Bound(Bookings((time,)), capacity_of(left), START_NS, 1e9).claims
        assert capacity_of(left).fleet.nodes[claim.rows[0]].name == name
    assert claim.late == 1


# What is told


def test_a_job_hears_that_others_use_what_it_needs_and_until_when() -> None:
    nodes = [used(name, theirs(name, 6, hours, cpus=8)) for name, hours in (("a", 2), ("b", 5))]
    plan = plan_of(nodes, waits("w1"), policy=LAX)
    verdict = plan.verdicts[JobId("w1")]
    assert verdict.blocked_by is Blocker.NO_CAPACITY
    assert verdict.message.endswith(
        "; 12 of 16 GPUs are used by jobs that are not Quarterdeck's; the first of them ends in "
        "2h00m at the latest"
    )
    told = {key: verdict.numbers[key] for key in ("gpus_of_others", "others_end_s", "cpus_total")}
    assert told == {"gpus_of_others": 12, "others_end_s": 2 * HOUR, "cpus_total": 512}


def test_without_a_known_end_none_is_told_and_cpus_are_told_to_who_wants_no_gpus() -> None:
    plan = plan_of([used("a", theirs("a", 8, None, cpus=256))], waits("w1"), policy=LAX)
    verdict = plan.verdicts[JobId("w1")]
    assert verdict.message.endswith("8 of 8 GPUs are used by jobs that are not Quarterdeck's")
    assert "others_end_s" not in verdict.numbers
    assert verdict.hint == "it starts when enough of what others run at the site has ended"
    bare = plan_of([used("a", theirs("a", 0, 1, cpus=256))], waits("w1", 1, 0), policy=LAX)
    assert "; 256 of 256 CPUs are used by jobs that" in bare.verdicts[JobId("w1")].message


def test_where_there_are_no_others_nothing_is_said_of_them() -> None:
    plan = plan_of([a_dgx("a")], waits("w1"), running=(ours("r1", "a", 1),), policy=LAX)
    verdict = plan.verdicts[JobId("w1")]
    assert "Quarterdeck" not in verdict.message
    assert not {key for key in verdict.numbers if "others" in key or key == "nodes_drained"}


def test_what_others_hold_never_makes_a_job_one_that_can_never_fit() -> None:
    rooms = [Room.empty("local", used("a", theirs("a", 8), reserved(0.5, None)))]
    assert never_fits(a_demand(1, 8), rooms) is None
    assert never_fits(a_demand(1, 9), rooms) is not None


# When it starts


def latest(nodes: list[Node], waiting: Waiting, *running: Running) -> LatestStart | None:
    snapshot = snapshot_of(nodes, waiting, running=running)
    holds = [Hold(one.job_id, one.site, one.grants, one.ends_at_ns) for one in running]
    return latest_start(snapshot, holds, waiting.job_id, LAX)


def test_the_latest_start_counts_others() -> None:
    nodes = [used("a", theirs("a", 8, 2)), a_dgx("b")]
    assert latest(nodes, waits("w1"), ours("r1", "b", 3)) == LatestStart(at_ns(2), None)
    assert latest(nodes, waits("w1"), ours("r1", "b", 1)) == LatestStart(at_ns(1), JobId("r1"))
    assert latest(nodes, waits("w1", 2), ours("r1", "b", 1)) == LatestStart(at_ns(2), None)
    assert latest([used("a", theirs("a", 8))], waits("w1")) is None
    soon = [used("a", theirs("a", 8, 1), reserved(3, 4))]
    assert latest(soon, waits("w1", limit_s=HOUR)) == LatestStart(at_ns(1), None)
    assert latest(soon, waits("w1", limit_s=2.5 * HOUR)) is None


def test_the_look_ahead_counts_others() -> None:
    nodes = [used("a", theirs("a", 8, 2, cpus=9)), used("b", theirs("b", 8))]
    capacity = capacity_of([Room.empty("local", node) for node in nodes])
    runs = [*runs_of_others(capacity, START_NS)]
    assert runs == [Runs(((("local", "a"), 8.0, 9),), 2 * HOUR)]
    queue = [Queued(JobId("w1"), a_demand(1, 8), 60.0, 1e9)]
    assert LookAhead().foresee(capacity, runs, queue) == {JobId("w1"): 2 * HOUR}
    both = [Queued(JobId("w1"), a_demand(2, 8), 60.0, 1e9)]
    assert LookAhead().foresee(capacity, runs, both) == {}


# Guarantees


def test_no_cell_lies_on_what_others_hold() -> None:
    """Blue is guaranteed a node. Where others have one of two, the other one is kept for it: a job
    that cannot make way does not get it."""
    policy = replace(LAX, pools=(Pool("blue", (Cells(1),)),))
    red = waits("w1", team="red", is_preemptible=False)
    assert started(plan_of([a_dgx("a"), a_dgx("b")], red, policy=policy)) != {}
    plan = plan_of([used("a", theirs("a", 1, 1)), a_dgx("b")], red, policy=policy)
    assert started(plan) == {}
    assert plan.verdicts[JobId("w1")].blocked_by is Blocker.GUARANTEED


def test_a_node_of_others_without_gpus_counts_what_they_take_of_its_cpus() -> None:
    node = a_node("a", cpus=16, others=(Foreign("Slurm job 1", cpus=16),))
    plan = plan_of([node], Waiting(JobId("w1"), a_demand(), 0, 0), policy=LAX)
    assert started(plan) == {}
