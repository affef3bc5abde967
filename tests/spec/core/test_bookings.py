"""The calendar binds the scheduler: long jobs are not started into a booking, short ones are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quarterdeck.basics.ids import JobId
from quarterdeck.basics.quantities import parse_span_s
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Kind
from quarterdeck.core.calendar.occurrences import Occurrence
from quarterdeck.core.cluster.demand import Grant
from quarterdeck.core.cluster.hardware import Location
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.booked import Bookings, Held
from quarterdeck.core.scheduling.forecast import Hold, latest_start
from quarterdeck.core.scheduling.latency import START_S
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.plan import Blocker, Plan
from quarterdeck.core.scheduling.snapshot import Policy, Running, Snapshot, Waiting
from quarterdeck.testing.builders import a_demand, a_dgx
from tests.oracles.rooms import less
from tests.spec.core.test_make_plan import NOW_NS, POLICY, empty, placed, waits

HOUR_S = 3600.0
WHOLE = a_demand(1, 8)


def a_time(starts_s: float = HOUR_S, lasts_s: float = HOUR_S, **changes: Any) -> Occurrence:
    """Of node d0, for team red, in an hour."""
    start_ns = NOW_NS + int(starts_s * NS_PER_S)
    given: dict[str, Any] = {
        "booking_id": "b1",
        "kind": Kind.RESERVATION,
        "start_ns": start_ns,
        "end_ns": start_ns + int(lasts_s * NS_PER_S),
        "team": "red",
    }
    if "count" not in changes:
        given["nodes"] = ("d0",)
    return Occurrence(**{**given, **changes})


def held(node: str, ends_s: float | None, *, since_s: float = 9000.0, **whose: str) -> Held:
    ends_ns = None if ends_s is None else NOW_NS + int(ends_s * NS_PER_S)
    since_ns = NOW_NS - int(since_s * NS_PER_S)
    return Held("local", node, whose.get("team", "blue"), whose.get("owner", ""), since_ns, ends_ns)


def plan_for(
    *waiting: Waiting,
    times: tuple[Occurrence, ...] = (a_time(),),
    holds: tuple[Held, ...] = (),
    nodes: int = 1,
    policy: Policy = POLICY,
) -> Plan:
    rooms = empty(*(a_dgx(f"d{n}") for n in range(nodes)))
    for one in holds:
        rooms = [
            less(room, WHOLE.resources) if room.node.name == one.node else room for room in rooms
        ]
    made = make_plan(
        Snapshot(NOW_NS, 17, tuple(rooms), waiting, bookings=Bookings(times, holds)), policy
    )
    assert {one.job_id for one in made.placements}.isdisjoint(made.verdicts)
    return made


def test_a_job_that_is_over_before_starts_and_one_that_is_not_waits() -> None:
    most = HOUR_S - START_S
    assert placed(plan_for(waits("a", WHOLE, limit_s=most))) == {"a": ["d0"]}
    assert placed(plan_for(waits("a", WHOLE, limit_s=most + 1))) == {}
    assert placed(plan_for(waits("a", WHOLE, limit_s=most - 30, grace_s=30))) == {"a": ["d0"]}
    assert placed(plan_for(waits("a", WHOLE, limit_s=most - 30, grace_s=31))) == {}
    assert placed(plan_for(waits("a", WHOLE))) == {}


def test_while_it_goes_on_only_those_start_there_whom_it_is_for() -> None:
    now = (a_time(-60),)
    assert placed(plan_for(waits("a", WHOLE, limit_s=1, team="blue"), times=now)) == {}
    assert placed(plan_for(waits("a", WHOLE, team="red"), times=now)) == {"a": ["d0"]}
    over = (a_time(-HOUR_S, HOUR_S),)
    assert placed(plan_for(waits("a", WHOLE), times=over)) == {"a": ["d0"]}


@pytest.mark.parametrize(
    ("team", "people", "may"),
    [
        ("red", (), {"red/ada", "red/bob"}),
        ("", ("ada",), {"red/ada", "blue/ada"}),
        ("red", ("ada",), {"red/ada"}),
    ],
)
def test_it_is_for_a_team_for_people_or_for_people_of_a_team(
    team: str, people: tuple[str, ...], may: set[str]
) -> None:
    now = (a_time(-60, team=team, people=people),)
    for who in ("red/ada", "red/bob", "blue/ada", "blue/bob"):
        of, owner = who.split("/")
        made = plan_for(waits("a", WHOLE, team=of, owner=owner), times=now)
        assert bool(made.placements) == (who in may), who


def test_a_maintenance_is_for_nobody() -> None:
    now = (a_time(-60, kind=Kind.MAINTENANCE, team=""),)
    assert placed(plan_for(waits("a", WHOLE, team="red", limit_s=1), times=now)) == {}


def test_nodes_that_are_not_booked_are_not_kept() -> None:
    made = plan_for(waits("a", WHOLE), waits("b", WHOLE), nodes=2)
    assert list(placed(made).values()) == [["d1"]]


def test_the_verdict_says_what_and_when_and_a_limit_with_which_it_starts() -> None:
    job = waits("a", WHOLE, limit_s=4 * HOUR_S, grace_s=30)
    verdict = plan_for(job).verdicts[job.job_id]
    assert verdict.blocked_by is Blocker.RESERVED
    assert verdict.message == (
        "waiting for 1 node × 8 GPUs: reservation b1 needs nodes that have room from "
        "Tue 14 Nov 2023 23:13:30 UTC; it may run for 4h00m, its grace included"
    )
    ((key, limit),) = verdict.change
    assert key == "time_limit"
    assert verdict.hint == f"with time_limit: {limit} it would start now"
    limit_s = parse_span_s(limit, field="")
    assert placed(plan_for(replace(job, limit_s=limit_s))) == {"a": ["d0"]}
    assert 0.9 * HOUR_S < limit_s + 30 < HOUR_S
    assert verdict.numbers["booking_starts_s"] == 3600
    assert verdict.numbers["nodes_booked"] == 1


def test_of_several_bookings_the_longest_limit_that_helps_is_proposed() -> None:
    times = (a_time(), a_time(3 * HOUR_S, booking_id="b2", nodes=("d1",)))
    job = waits("a", WHOLE)
    verdict = plan_for(job, times=times, nodes=2).verdicts[job.job_id]
    assert "reservation b2 needs nodes" in verdict.message
    ((_, limit),) = verdict.change
    assert 2.5 * HOUR_S < parse_span_s(limit, field="") < 3 * HOUR_S
    both = waits("b", a_demand(2, 8))
    ((_, limit),) = plan_for(both, times=times, nodes=2).verdicts[both.job_id].change
    assert parse_span_s(limit, field="") < HOUR_S


def test_where_no_limit_helps_another_shape_may_and_else_the_end_is_told() -> None:
    now = (a_time(-60),)
    job = waits("a", WHOLE, team="blue")
    verdict = plan_for(job, times=now).verdicts[job.job_id]
    assert verdict.change == ()
    assert verdict.hint == (
        "once that is over it can start Tue 14 Nov 2023 23:12:30 UTC at the earliest"
    )
    gang = waits("a", a_demand(2, 8), team="blue")
    verdict = plan_for(gang, times=now, nodes=2).verdicts[gang.job_id]
    assert verdict.blocked_by is Blocker.RESERVED
    assert dict(verdict.change) == {"nodes": "1"}


def test_a_verdict_names_neither_whom_it_is_for_nor_what_it_is_called() -> None:
    now = (a_time(-60, team="secret-team", people=("secret-ada",)),)
    job = waits("a", WHOLE, team="blue")
    verdict = plan_for(job, times=now).verdicts[job.job_id]
    assert "secret" not in str(verdict)


def test_who_lacks_room_anyway_hears_so_and_that_nodes_are_kept() -> None:
    holds = (held("d1", None),)
    gang = waits("a", a_demand(2, 8))
    verdict = plan_for(gang, holds=holds, nodes=2).verdicts[gang.job_id]
    assert verdict.blocked_by is Blocker.NO_CAPACITY
    assert "1 node with room is kept for bookings" in verdict.message


def test_who_waits_for_a_booking_to_be_over_holds_up_nobody() -> None:
    long = waits("long", WHOLE, since_s=9000, priority=1)
    made = plan_for(long, waits("short", a_demand(1, 1), limit_s=60))
    assert placed(made) == {"short": ["d0"]}
    alone = plan_for(long)
    assert alone.verdicts[long.job_id].blocked_by is Blocker.RESERVED


def test_in_its_own_time_nobody_is_before_a_job_in_the_queue() -> None:
    """The big job holds up everybody else, as it has waited for so long."""
    times = (a_time(-60),)
    big = waits("big", a_demand(2, 8), since_s=9000, team="blue")
    own, other = waits("own", WHOLE, team="red"), waits("other", a_demand(1, 1), team="green")
    holds = (held("d1", None),)
    big3 = replace(big, demand=a_demand(1, 8))
    made = plan_for(big3, own, other, times=times, holds=holds, nodes=2)
    assert placed(made) == {"own": ["d0"]}
    assert made.verdicts[other.job_id].blocked_by is Blocker.BEHIND_OTHERS


def test_in_its_own_time_a_job_goes_to_what_is_booked_for_it_first() -> None:
    """Else others would have neither that nor what it takes."""
    for node in ("d0", "d1", "d2"):
        times = (a_time(-60, nodes=(node,)),)
        made = plan_for(waits("a", a_demand(1, 1), team="red"), times=times, nodes=3)
        assert placed(made) == {"a": [node]}


def test_the_plan_is_worth_making_again_when_a_booking_begins_or_ends() -> None:
    job = waits("a", WHOLE)
    assert plan_for(job).next_ready_ns == NOW_NS + int(HOUR_S) * NS_PER_S
    lasting = (a_time(-2 * HOUR_S, 3 * HOUR_S, is_used=True),)
    assert plan_for(job, times=lasting).next_ready_ns == NOW_NS + int(HOUR_S) * NS_PER_S


def test_a_reservation_that_nobody_uses_is_given_back() -> None:
    policy = replace(POLICY, release_after_s=600)
    job = waits("a", WHOLE)
    for since_s, is_used, starts in ((599, False, False), (600, False, True), (600, True, False)):
        times = (a_time(-since_s, is_used=is_used),)
        assert bool(plan_for(job, times=times, policy=policy).placements) == starts
    early = plan_for(job, times=(a_time(-599),), policy=policy)
    assert early.next_ready_ns == NOW_NS + NS_PER_S


def test_what_is_rented_or_in_maintenance_is_never_given_back() -> None:
    for kind, team in ((Kind.LEASE, "red"), (Kind.MAINTENANCE, "")):
        times = (a_time(-9000, 90_000, kind=kind, team=team),)
        assert placed(plan_for(waits("a", WHOLE), times=times)) == {}


# Which nodes: of so many that are booked.


def capacity(count: int, starts_s: float = HOUR_S, **changes: Any) -> tuple[Occurrence, ...]:
    return (a_time(starts_s, count=count, **changes),)


def free_for_long(made: Plan) -> set[str]:
    """Where jobs without a limit were started."""
    return {node for nodes in placed(made).values() for node in nodes}


def test_of_so_many_those_are_kept_that_come_free_in_time() -> None:
    long = [waits(f"j{n}", WHOLE) for n in range(4)]
    holds = (held("d0", None), held("d1", HOUR_S + 1), held("d2", HOUR_S))
    made = plan_for(*long, times=capacity(2), holds=holds, nodes=5)
    assert len(free_for_long(made)) == 1  # of d3 and d4: d2 comes free in time
    made = plan_for(*long, times=capacity(3), holds=holds, nodes=5)
    assert free_for_long(made) == set()
    made = plan_for(*long, times=capacity(4), holds=holds, nodes=5)
    assert free_for_long(made) == set()


def test_of_nodes_that_come_too_late_the_soonest_are_kept() -> None:
    holds = (held("d0", None), held("d1", 3 * HOUR_S), held("d2", 2 * HOUR_S))
    job = waits("a", a_demand(1, 0))
    rooms = [
        less(room, a_demand(1, 4).resources) for room in empty(*(a_dgx(f"d{n}") for n in range(3)))
    ]
    snapshot = Snapshot(NOW_NS, 1, tuple(rooms), (job,), bookings=Bookings(capacity(2), holds))
    assert placed(make_plan(snapshot, POLICY)) == {"a": ["d0"]}


def test_two_bookings_at_the_same_time_have_different_nodes() -> None:
    times = (
        *capacity(1),
        *capacity(1, booking_id="b2", team="green"),
        a_time(nodes=("d2",), booking_id="b3"),
    )
    long = [waits(f"j{n}", WHOLE) for n in range(4)]
    assert len(free_for_long(plan_for(*long, times=times, nodes=4))) == 1
    after = (*capacity(2), *capacity(2, 2 * HOUR_S, booking_id="b2", team="green"))
    assert len(free_for_long(plan_for(*long, times=after, nodes=4))) == 2


def test_a_model_of_gpu_is_kept_of_nodes_that_have_it() -> None:
    rooms = empty(a_dgx("d0"), a_dgx("d1"))
    h100 = replace(
        rooms[1].node,
        name="h0",
        devices=tuple(replace(one, model="H100-SXM5-80GB") for one in rooms[1].node.devices),
    )
    times = capacity(1, gpu_model="H100")
    snapshot = Snapshot(
        NOW_NS,
        1,
        tuple(empty(a_dgx("d0"), h100)),
        (waits("a", WHOLE), waits("b", WHOLE)),
        bookings=Bookings(times),
    )
    assert free_for_long(make_plan(snapshot, POLICY)) == {"d0"}


def test_whole_racks_are_kept_together() -> None:
    """Racks of three, two and four: two nodes are the whole of the second."""
    nodes = [
        a_dgx(f"n{number}", location=Location(rack))
        for number, rack in enumerate(("r1",) * 3 + ("r2",) * 2 + ("r3",) * 4)
    ]
    jobs = tuple(waits(f"j{n}", WHOLE) for n in range(9))

    def kept(count: int) -> list[str]:
        snapshot = Snapshot(
            NOW_NS, 1, tuple(empty(*nodes)), jobs, bookings=Bookings(capacity(count))
        )
        used = free_for_long(make_plan(snapshot, POLICY))
        return sorted(node.name for node in nodes if node.name not in used)

    assert kept(2) == ["n3", "n4"]
    assert kept(4) == ["n5", "n6", "n7", "n8"]
    assert kept(3) == ["n0", "n1", "n2"]
    assert kept(6) == ["n3", "n4", "n5", "n6", "n7", "n8"]


def test_what_the_owner_has_started_in_it_counts() -> None:
    """One of two that are booked runs on a node: one more is kept, and not two."""
    used = held("d3", None, since_s=10, team="red")
    long = [waits(f"j{n}", WHOLE) for n in range(4)]
    times = capacity(2, -60, is_used=True)
    assert len(free_for_long(plan_for(*long, times=times, holds=(used,), nodes=4))) == 2
    before = held("d3", None, since_s=100, team="red")
    assert len(free_for_long(plan_for(*long, times=times, holds=(before,), nodes=4))) == 1
    rented = capacity(2, -60, kind=Kind.LEASE)
    assert len(free_for_long(plan_for(*long, times=rented, holds=(before,), nodes=4))) == 2


def test_a_latest_start_is_told_only_where_no_booking_may_come_between() -> None:
    """Who runs is over in an hour at the latest; the next one has half an hour."""
    room = less(empty(a_dgx("d0"))[0], WHOLE.resources)
    ends_ns = NOW_NS + int(HOUR_S * NS_PER_S)
    devices = tuple(device.id for device in room.node.devices)
    hold = Hold(JobId("r"), "local", (Grant("d0", devices, 1),), ends_ns)
    job = waits("a", WHOLE, limit_s=HOUR_S / 2)
    for starts_s, is_told in ((1.4 * HOUR_S, False), (1.6 * HOUR_S, True)):
        bookings = Bookings((a_time(starts_s),), (held("d0", HOUR_S),))
        snapshot = Snapshot(NOW_NS, 1, (room,), (job,), bookings=bookings)
        found = latest_start(snapshot, [hold], job.job_id, POLICY)
        assert (found is not None) is is_told
        assert found is None or found.at_ns == ends_ns


def test_a_promised_start_keeps_clear_of_bookings_and_counts_on_those_that_are_over() -> None:
    """Node d0 is held for half an hour and is booked from the second hour to the third."""
    grant = Grant("d0", tuple(f"GPU-d0-{n}" for n in range(8)), 1, 0)
    ends_ns = NOW_NS + int(HOUR_S / 2 * NS_PER_S)
    one = Running(JobId("r"), "local", WHOLE, (grant,), 0, 0, 0, 0.0, ends_at_ns=ends_ns)
    rooms = (room_of("local", a_dgx("d0"), [grant]),)
    booked = a_time(2 * HOUR_S)
    for limit_s, starts_ns in (
        (HOUR_S, ends_ns),
        (1.4 * HOUR_S, ends_ns),
        (1.6 * HOUR_S, booked.end_ns),
    ):
        waiting = waits("a", WHOLE, limit_s=limit_s)
        bookings = Bookings((booked,))
        snapshot = Snapshot(NOW_NS, 1, rooms, (waiting,), running=(one,), bookings=bookings)
        assert make_plan(snapshot, replace(POLICY, patience_s=0)).head == ("a", starts_ns)
