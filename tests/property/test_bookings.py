"""What a scheduler starts never delays a booking: whatever was to be free at its start is."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from quarterdeck.basics.times import NS_PER_S
from quarterdeck.core.calendar.booking import Kind
from quarterdeck.core.calendar.occurrences import Occurrence
from quarterdeck.core.cluster.demand import Demand, Grant, Resources
from quarterdeck.core.cluster.hardware import Location
from quarterdeck.core.cluster.room import room_of
from quarterdeck.core.scheduling.booked import Bookings, Held
from quarterdeck.core.scheduling.bookings import Bound
from quarterdeck.core.scheduling.capacity import Capacity, capacity_of
from quarterdeck.core.scheduling.latency import START_S
from quarterdeck.core.scheduling.make_plan import make_plan
from quarterdeck.core.scheduling.snapshot import Policy, Snapshot, Waiting
from quarterdeck.testing.builders import START_NS, a_job_id, a_node

NODES, GPUS, MINUTE_NS = 5, 2, 60 * NS_PER_S
NODE = [
    a_node(f"n{n}", gpus=GPUS, location=Location("r0" if n < 2 else "r1")) for n in range(NODES)
]
POLICY = Policy(patience_s=600.0, release_after_s=1e9)


@dataclass
class Job:
    """Of a workload: it may be over before its limit, and never is after it."""

    number: int
    submit_min: int
    demand: Demand
    limit_min: int | None
    runs_min: int
    team: str


@st.composite
def jobs(draw: st.DrawFn) -> list[Job]:
    made = []
    for number in range(draw(st.integers(1, 12))):
        limit = draw(st.sampled_from((None, 5, 20, 60, 120)))
        runs = draw(st.integers(1, limit or 90))
        demand = Demand(draw(st.integers(1, 2)), Resources(draw(st.integers(0, GPUS))))
        team = draw(st.sampled_from(("blue", "green")))
        made.append(Job(number, draw(st.integers(0, 90)), demand, limit, runs, team))
    return made


@st.composite
def times(draw: st.DrawFn) -> tuple[Occurrence, ...]:
    """Of a red team, that never submits anything; never more at once than there are nodes."""
    made: list[Occurrence] = []
    for number in range(draw(st.integers(1, 4))):
        start = draw(st.integers(1, 150))
        end = start + draw(st.integers(1, 60))
        count = draw(st.integers(1, 3))
        beside = sum(
            one.count
            for one in made
            if one.start_ns < START_NS + end * MINUTE_NS
            and START_NS + start * MINUTE_NS < one.end_ns
        )
        if beside + count <= NODES:
            made.append(
                Occurrence(
                    f"b{number}",
                    Kind.RESERVATION,
                    START_NS + start * MINUTE_NS,
                    START_NS + end * MINUTE_NS,
                    "red",
                    count=count,
                )
            )
    return tuple(sorted(made, key=lambda one: one.start_ns))


class Cluster:
    """Time in minutes, jobs, and who holds what."""

    def __init__(self, booked: tuple[Occurrence, ...]) -> None:
        self.booked = booked
        self.running: dict[int, tuple[Job, tuple[Grant, ...], int]] = {}
        self.waiting: dict[int, Job] = {}

    def held(self) -> tuple[Held, ...]:
        return tuple(
            Held(
                "local",
                grant.node,
                job.team,
                "",
                START_NS + began * MINUTE_NS,
                None if job.limit_min is None else START_NS + (began + job.limit_min) * MINUTE_NS,
            )
            for job, grants, began in self.running.values()
            for grant in grants
        )

    def rooms(self) -> Capacity:
        return capacity_of(
            room_of(
                "local",
                node,
                [
                    grant
                    for _, grants, _ in self.running.values()
                    for grant in grants
                    if grant.node == node.name
                ],
            )
            for node in NODE
        )

    def bound(self, now_min: int) -> Bound:
        bookings = Bookings(self.booked, self.held())
        return Bound(bookings, self.rooms(), START_NS + now_min * MINUTE_NS, 1e9)

    def plan(self, now_min: int) -> None:
        snapshot = Snapshot(
            START_NS + now_min * MINUTE_NS,
            0,
            self.rooms(),
            tuple(
                Waiting(
                    a_job_id(job.number),
                    job.demand,
                    0,
                    START_NS + job.submit_min * MINUTE_NS,
                    team=job.team,
                    # A minute is finer than what starting may take.
                    limit_s=None if job.limit_min is None else job.limit_min * 60 - START_S,
                )
                for job in self.waiting.values()
            ),
            bookings=Bookings(self.booked, self.held()),
        )
        numbers = {a_job_id(number): number for number in self.waiting}
        for placement in make_plan(snapshot, POLICY).placements:
            job = self.waiting.pop(numbers[placement.job_id])
            self.running[job.number] = (job, placement.grants, now_min)


@settings(max_examples=150, deadline=None)
@given(jobs(), times(), st.integers(0, 3))
def test_no_start_of_a_job_delays_a_booking(
    workload: list[Job], booked: tuple[Occurrence, ...], before: int
) -> None:
    """Some run when the bookings are made, and these may be in the way; of what starts after that
    nothing makes any booking ready later than it would have been."""
    cluster = Cluster(booked)
    for job in workload[:before]:
        cluster.booked = ()
        cluster.waiting[job.number] = job
        cluster.plan(0)
    cluster.booked = booked
    ready = {claim.time.booking_id: claim.ready_ns for claim in cluster.bound(0).claims}
    for now_min in range(200):
        now_ns = START_NS + now_min * MINUTE_NS
        for number in [
            n for n, (job, _, began) in cluster.running.items() if began + job.runs_min <= now_min
        ]:
            del cluster.running[number]
        for job in workload[before:]:
            if job.submit_min == now_min:
                cluster.waiting[job.number] = job
        cluster.plan(now_min)
        for claim in cluster.bound(now_min).claims:
            assert claim.lacking == 0
            if claim.time.start_ns > now_ns:
                assert claim.ready_ns <= ready[claim.time.booking_id]
                ready[claim.time.booking_id] = claim.ready_ns
            elif ready[claim.time.booking_id] <= now_ns:
                # It goes on, and was to be ready: nobody else is on its nodes.
                names = {NODE[row].name for row in claim.rows.tolist()}
                assert names.isdisjoint(one.node for one in cluster.held())
                assert len(names) == claim.time.count
