"""Months of a calendar in a moment: a lease that grows, summer time that comes, nodes in repair."""

from __future__ import annotations

from datetime import date
from typing import Any

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Amendment, Booking, Kind, Repeat, State
from quarterdeck.core.calendar.occurrences import Occurrence
from quarterdeck.core.cluster.demand import Demand, Resources
from quarterdeck.core.cluster.hardware import Device, Location, Node
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.sim.fast.agendas import BookedFrom
from quarterdeck.sim.fast.run import run
from quarterdeck.sim.fast.story import Begun, Cut, Story
from quarterdeck.sim.fast.workload import SimJob
from tests.spec.core.calendar.made import a_booking, at, ns, when

WHOLE = Resources(8)
DAY_S = 86_400.0


def dgx(count: int) -> list[Node]:
    return [
        Node(
            f"dgx-{n:02}",
            128,
            2**40,
            tuple(Device(f"G-{n}-{g}", "A100-SXM4-80GB", 80 * 10**9) for g in range(8)),
            location=Location(f"r{n // 4}"),
        )
        for n in range(count)
    ]


def s(text: str) -> float:
    return ns(text) / 1e9


def stream(team: str, first: str, last: str, apart_s: float, limit_s: float) -> list[SimJob]:
    """A job of a whole node whenever so many seconds have gone, each as long as its limit."""
    jobs: list[SimJob] = []
    at_s = s(first)
    while at_s < s(last):
        jobs.append(
            SimJob(
                len(jobs), f"{team}-{len(jobs)}", at_s, limit_s, Demand(1, WHOLE), team=team,
                limit_s=limit_s,
            )
        )  # fmt: skip
        at_s += apart_s
    return jobs


def most_nodes(story: Story, team: str, begin: str, end: str) -> int:
    """The most nodes that jobs of a team held at once between two local times."""
    turns: list[tuple[float, int]] = []
    for ran in story.ran:
        for span in ran.spans:
            if ran.job.team == team and span.start_s < s(end) and span.end_s > s(begin):
                turns += [(max(span.start_s, s(begin)), 1), (min(span.end_s, s(end)), -1)]
    now = most = 0
    for _, step in sorted(turns):
        now += step
        most = max(most, now)
    return most


def lease_of_three_then_six() -> Booking:
    return a_booking(
        "l1",
        when("2027-03-01 00:00", "2027-05-01 00:00"),
        kind=Kind.LEASE,
        count=3,
        team="red",
        amendments=(Amendment(at("2027-04-01 00:00"), 6, "ada", "olga"),),
    )


def test_a_lease_of_three_nodes_that_becomes_six_is_kept_over_the_change() -> None:
    """Others want all eight nodes all the time. Clocks are put forward on 28 March 2027, so April
    begins at 22:00 in UTC and March began at 23:00: an hour of nodes would be lost or given."""
    others = stream("blue", "2027-02-26 00:00", "2027-04-04 00:00", 3600.0, 10 * 3600.0)
    story = run(dgx(8), others, Policy(), bookings=[lease_of_three_then_six()])
    assert most_nodes(story, "blue", "2027-02-26 12:00", "2027-02-28 12:00") == 8
    assert most_nodes(story, "blue", "2027-03-01 00:00", "2027-03-31 23:59") == 5
    assert most_nodes(story, "blue", "2027-04-01 00:00", "2027-04-03 00:00") == 2
    assert most_nodes(story, "blue", "2027-03-31 12:00", "2027-03-31 13:00") > 2


def test_who_rents_starts_at_once_from_the_first_minute_on() -> None:
    others = stream("blue", "2027-02-26 00:00", "2027-04-04 00:00", 3600.0, 10 * 3600.0)
    own = [
        SimJob(n, f"own-{n}", s(day), 7e4, Demand(count, WHOLE), team="red", limit_s=7e4)
        for n, (day, count) in enumerate(
            [("2027-03-01 00:00", 3), ("2027-03-28 00:00", 3), ("2027-04-01 00:00", 6)]
        )
    ]  # fmt: skip
    jobs = sorted([*others, *own], key=lambda job: job.submit_s)
    story = run(dgx(8), jobs, Policy(), bookings=[lease_of_three_then_six()])
    starts = {ran.job.name: ran.start_s - ran.job.submit_s for ran in story.ran}
    assert [starts[f"own-{n}"] for n in range(3)] == [0, 0, 0]


def test_without_the_approval_the_amendment_binds_nobody() -> None:
    asked = lease_of_three_then_six()
    asked = a_booking(
        "l1", asked.when, kind=Kind.LEASE, count=3, team="red",
        amendments=(Amendment(at("2027-04-01 00:00"), 6, "ada"),),
    )  # fmt: skip
    others = stream("blue", "2027-03-30 00:00", "2027-04-03 00:00", 3600.0, 10 * 3600.0)
    story = run(dgx(8), others, Policy(), bookings=[asked])
    assert most_nodes(story, "blue", "2027-04-01 00:00", "2027-04-03 00:00") == 5


REPAIR = a_booking(
    "m1",
    when("2027-03-01 08:00", "2027-03-01 12:00"),
    kind=Kind.MAINTENANCE,
    team="",
    nodes=("dgx-00",),
)


def test_what_may_run_for_ever_is_not_started_before_a_maintenance() -> None:
    job = SimJob(1, "long", s("2027-03-01 00:00"), DAY_S, Demand(1, WHOLE), team="blue")
    assert run(dgx(1), [job], Policy()).ran[0].start_s == s("2027-03-01 00:00")
    (ran,) = run(dgx(1), [job], Policy(), bookings=[REPAIR]).ran
    assert ran.start_s == s("2027-03-01 12:00")


def test_nodes_in_maintenance_are_drained_and_the_work_goes_on_after_it() -> None:
    """What runs when the maintenance is booked may still run when it begins."""
    first_s = s("2027-02-25 00:00")
    long = SimJob(1, "long", first_s, 7 * DAY_S, Demand(1, WHOLE), checkpoint_s=60)
    other = SimJob(2, "x", first_s, 60, Demand(1, Resources(0)), limit_s=60)
    grants = run(dgx(1), [long], Policy()).ran[0].spans[0].grants
    story = run(dgx(1), [other], Policy(), bookings=[REPAIR], begun=[Begun(long, grants)])
    (ran,) = (one for one in story.ran if one.job is long)
    assert [(span.start_s, span.cut) for span in ran.spans] == [
        (first_s, Cut.DRAINED),
        (s("2027-03-01 12:00"), Cut.DONE),
    ]
    assert ran.spans[0].end_s == s("2027-03-01 08:00")


def test_an_unused_reservation_is_given_back_and_comes_again() -> None:
    daily = a_booking(
        times=when(
            "2027-03-27 09:00", "2027-03-27 17:00", repeat=Repeat.DAILY, until=date(2027, 3, 29)
        ),
        nodes=("dgx-00",),
    )
    jobs = stream("blue", "2027-03-27 08:59", "2027-03-29 17:00", 60.0, 50.0)
    used = SimJob(9, "own", s("2027-03-28 09:10"), 60, Demand(1, WHOLE), team="red", limit_s=60)
    story = run(
        dgx(1),
        sorted([*jobs, used], key=lambda job: job.submit_s),
        Policy(patience_s=1e9, release_after_s=1800.0),
        bookings=[daily],
    )
    for day, first in (("27", "09:30"), ("28", "17:00"), ("29", "09:30")):
        starts = [
            ran.start_s
            for ran in story.ran
            if ran.job.team == "blue" and s(f"2027-03-{day} 09:00") <= ran.start_s
        ]
        assert min(starts) == s(f"2027-03-{day} {first}")


def test_who_can_never_start_beside_what_comes_back_for_ever_is_told_so() -> None:
    daily = a_booking(
        times=when("2027-03-01 09:00", "2027-03-01 17:00", "UTC", repeat=Repeat.DAILY),
        nodes=("dgx-00",),
    )
    job = SimJob(1, "long", s("2027-03-01 00:00"), 60, Demand(1, WHOLE), team="blue")
    story = run(dgx(1), [job], Policy(release_after_s=1e9), bookings=[daily])
    assert [one.name for one, _ in story.never] == ["long"]


def test_only_what_is_approved_binds() -> None:
    asked = a_booking(state=State.ASKED, approved_by="", nodes=("dgx-00",))
    job = SimJob(1, "a", s("2026-12-07 10:00"), 60, Demand(1, WHOLE), team="blue")
    story = run(dgx(1), [job], Policy(), bookings=[asked])
    assert story.ran[0].start_s == s("2026-12-07 10:00")


def a_time(kind: Kind, start_s: int, end_s: int, **more: Any) -> Occurrence:
    return Occurrence("b1", kind, start_s * NS_PER_S, end_s * NS_PER_S, nodes=("dgx-00",), **more)


def start_of(booked: list[BookedFrom], team: str = "blue", release_after_s: float = 1e9) -> float:
    """Of a job without a time limit, on the one node that there is."""
    job = SimJob(1, "one", 0.0, 10.0, Demand(1, WHOLE), team=team)
    policy = Policy(release_after_s=release_after_s)
    (ran,) = run(dgx(1), [job], policy, bookings=booked).ran
    return ran.start_s


def test_what_was_recorded_of_the_calendar_binds_from_when_it_was_known() -> None:
    time = a_time(Kind.RESERVATION, 100, 200, team="red")
    assert start_of([BookedFrom(0.0, (time,))]) == 200
    assert start_of([BookedFrom(0.0, (time,))], team="red") == 0
    assert start_of([BookedFrom(0.0, (time,)), BookedFrom(50.0)]) == 50
    assert start_of([BookedFrom(0.0), BookedFrom(50.0, (time,))]) == 0


def test_who_used_what_is_seen_anew_but_for_what_had_begun_before() -> None:
    begun = a_time(Kind.RESERVATION, -10, 200, team="red", is_used=True)
    later = a_time(Kind.RESERVATION, 0, 200, team="red", is_used=True)
    assert start_of([BookedFrom(0.0, (begun,))], release_after_s=20) == 200
    assert start_of([BookedFrom(0.0, (later,))], release_after_s=20) == 20


def test_a_recorded_maintenance_stops_what_runs() -> None:
    time = a_time(Kind.MAINTENANCE, 100, 200)
    long = SimJob(1, "long", 0.0, 300.0, Demand(1, WHOLE), team="blue")
    booked = [BookedFrom(0.0), BookedFrom(50.0, (time,))]
    (ran,) = run(dgx(1), [long], Policy(), bookings=booked).ran
    assert [(one.start_s, one.end_s) for one in ran.spans] == [(0, 100), (200, 500)]
