"""The calendar on a control plane: booked durably, kept to, woken for, recorded, drained."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from quarterdeck.adapters.cycles.memory import MemoryCycleLog
from quarterdeck.adapters.stores.memory_calendar import MemoryCalendar
from quarterdeck.basics.errors import Conflict, NotFound, Stale
from quarterdeck.basics.ids import format_id
from quarterdeck.basics.times import NS_PER_S
from quarterdeck.control.agenda import Agenda
from quarterdeck.control.bookings import (
    Asker,
    amend,
    approve,
    book,
    cancel,
    foresee,
    nodes_at,
)
from quarterdeck.control.calendar import forget_old
from quarterdeck.control.cycles import Cycles
from quarterdeck.control.explain import explain
from quarterdeck.control.rules import FollowedPolicy
from quarterdeck.control.schedule import Scheduler
from quarterdeck.core.calendar.booking import Booking, Kind, Repeat, State, When
from quarterdeck.core.calendar.zones import local_of, zone_of
from quarterdeck.core.jobs.reasons import Reason
from quarterdeck.core.jobs.states import JobState
from quarterdeck.core.scheduling.plan import Blocker
from quarterdeck.core.scheduling.snapshot import Policy
from quarterdeck.sim.replay.again import replay
from quarterdeck.testing.builders import a_demand, a_dgx, a_job_spec
from tests.spec.control.desk import Desk

WHOLE = a_demand(1, 8)
OLGA = Asker("olga", may_approve=True, says=lambda one: f"{one.kind} of {one.team}")
LEA = Asker("lea", may_approve=False, says=lambda one: f"{one.kind} of others")


class NumberedSecrets:
    def __init__(self) -> None:
        self.given = 0

    def new_id(self, letter: str) -> str:
        self.given += 1
        return format_id(letter, self.given)

    def new_secret(self, prefix: str) -> str:
        return prefix


class Office(Desk):
    """A desk with a calendar and one node, d0."""

    def __init__(self, kept: MemoryCalendar | None = None, nodes: int = 1) -> None:
        super().__init__()
        self.kept = kept or MemoryCalendar()
        self.agenda = Agenda(self.kept, NumberedSecrets())
        self.cycle_log = MemoryCycleLog()
        self.cycle_log.begin(self.clock.now_ns(), self.plane.board.loaded_at, "test")
        self.plane = replace(self.plane, agenda=self.agenda, cycles=Cycles(self.cycle_log))
        self.scheduler = Scheduler(self.plane)
        self.report(*(a_dgx(f"d{n}") for n in range(nodes)))

    def draft(self, in_s: float = 600, for_s: float = 600, **changes: Any) -> Booking:
        now = local_of(self.clock.now_ns(), zone_of("UTC"))
        start = now + timedelta(seconds=in_s)
        given: dict[str, Any] = {
            "id": "",
            "kind": Kind.RESERVATION,
            "title": "",
            "when": When("UTC", start, start + timedelta(seconds=for_s)),
            "asked_by": "",
            "team": "red",
        }
        if "nodes" not in changes:
            given["count"] = 1
        return Booking(**{**given, **changes})

    def job_of(self, team: str, limit_s: float | None = None, **changes: Any) -> Any:
        spec = a_job_spec(demand=WHOLE, team=team, time_limit_s=limit_s, **changes)
        return self.submit(spec)

    def state(self, job: Any) -> JobState:
        return self.job(job.id).state


def test_a_booking_is_kept_before_it_is_answered_and_known_after_a_new_start() -> None:
    office = Office()
    made = book(office.plane, office.draft(), OLGA)
    assert made.state is State.APPROVED
    assert Agenda(office.kept, NumberedSecrets()).get(made.id) == made
    assert (made.asked_by, made.approved_by) == ("olga", "olga")


def test_a_dry_run_checks_everything_and_keeps_nothing() -> None:
    office = Office()
    assert book(office.plane, office.draft(), OLGA, is_dry_run=True).id == ""
    assert office.kept.revision() == 0
    book(office.plane, office.draft(), OLGA)
    with pytest.raises(Conflict) as refused:
        book(office.plane, office.draft(), OLGA, is_dry_run=True)
    assert refused.value.code == "booking_conflict"
    assert "reservation of red has 1 node" in refused.value.message


def test_nodes_that_are_not_there_are_not_booked() -> None:
    office = Office()
    with pytest.raises(NotFound) as refused:
        book(office.plane, office.draft(nodes=("d0", "d9")), OLGA)
    assert "d9" in refused.value.message


def test_what_only_was_asked_for_binds_nobody_until_it_is_approved() -> None:
    office = Office()
    asked = book(office.plane, office.draft(), LEA)
    assert asked.state is State.ASKED
    assert office.plane.times(office.clock.now_ns()) == ()
    second = book(office.plane, office.draft(), LEA)
    assert approve(office.plane, asked.id, OLGA).approved_by == "olga"
    assert len(office.plane.times(office.clock.now_ns())) == 1
    with pytest.raises(Conflict):
        approve(office.plane, second.id, OLGA)


def test_a_lease_is_approved_by_somebody_else_and_so_is_what_changes_it() -> None:
    office = Office(nodes=6)
    day = 86_400
    draft = office.draft(day, 60 * day, kind=Kind.LEASE, count=3)
    lease = book(office.plane, draft, OLGA)
    assert lease.state is State.ASKED
    with pytest.raises(Exception, match="olga has asked for it"):
        approve(office.plane, lease.id, OLGA)
    other = replace(OLGA, name="omar")
    assert approve(office.plane, lease.id, other).state is State.APPROVED
    later = lease.when.start + timedelta(days=31)
    amended = amend(office.plane, lease.id, (later, 6), OLGA)
    assert amended.amendments[0].approved_by == ""
    with pytest.raises(Exception, match="olga has asked for it"):
        approve(office.plane, lease.id, OLGA)
    approve(office.plane, lease.id, other)
    counts = [one.count for one in office.agenda.times(office.clock.now_ns())]
    assert counts == [3, 6]
    with pytest.raises(Conflict, match="7 nodes"):
        amend(office.plane, lease.id, (later + timedelta(days=1), 7), OLGA)


def test_a_long_job_waits_a_short_one_starts_and_the_owner_has_its_time() -> None:
    office = Office()
    made = book(office.plane, office.draft(), OLGA)
    long, own = office.job_of("blue", 3600), office.job_of("red")
    short = office.job_of("blue", 60)
    office.clock.pass_s(1)
    assert office.scheduler.turn() == 1
    assert office.state(own) is JobState.STARTING  # it may start there before, too
    office.end(office.start(own))
    assert office.scheduler.turn() == 1
    assert office.state(short) is JobState.STARTING
    office.end(office.start(short))
    assert office.scheduler.turn() == 0
    told = explain(office.plane, long.id)
    assert told.outlook is not None
    assert told.outlook.verdict is not None
    assert told.outlook.verdict.blocked_by is Blocker.RESERVED
    assert made.id in told.summary


def test_the_scheduler_is_due_when_a_booking_begins_and_when_it_ends() -> None:
    office = Office()
    book(office.plane, office.draft(600, 300), OLGA)
    assert office.scheduler.due_in_s() == pytest.approx(600, abs=1)
    long = office.job_of("blue", 3600)
    assert office.scheduler.turn() == 0
    office.clock.pass_s(601)
    assert office.scheduler.turn() == 0
    assert office.scheduler.due_in_s() == pytest.approx(298, abs=2)
    office.clock.pass_s(300)
    assert office.scheduler.turn() == 1
    assert office.state(long) is JobState.STARTING


def test_a_booking_that_is_cancelled_lets_go_at_the_next_turn() -> None:
    office = Office()
    made = book(office.plane, office.draft(-60), OLGA)
    job = office.job_of("blue", 3600)
    assert office.scheduler.turn() == 0
    rings: list[bool] = []
    office.agenda.changed.subscribe(lambda: rings.append(True))
    cancel(office.plane, made.id)
    assert rings == [True]
    assert office.scheduler.turn() == 1
    assert office.state(job) is JobState.STARTING
    assert cancel(office.plane, made.id).state is State.CANCELLED
    with pytest.raises(Conflict):
        approve(office.plane, made.id, OLGA)


def test_a_reservation_that_nobody_uses_is_given_back_and_one_that_was_used_is_not() -> None:
    for is_used in (False, True):
        office = Office()
        office.plane.rules.put(FollowedPolicy(Policy(release_after_s=300)))
        book(office.plane, office.draft(10, 3000), OLGA)
        office.clock.pass_s(20)
        if is_used:
            own = office.job_of("red", 60)
            assert office.scheduler.turn() == 1
            office.end(office.start(own))
        # A server that was killed knows it too.
        office.agenda = Agenda(office.kept, NumberedSecrets())
        office.plane = replace(office.plane, agenda=office.agenda)
        office.scheduler = Scheduler(office.plane)
        other = office.job_of("blue", 60)
        assert office.scheduler.turn() == 0
        office.clock.pass_s(300)
        assert office.scheduler.turn() == int(not is_used)
        assert (office.state(other) is JobState.STARTING) is not is_used


def test_a_plan_that_knew_nothing_of_a_booking_is_not_committed() -> None:
    office = Office()
    job = office.job_of("blue", 3600)
    office.store.first = lambda: book(office.plane, office.draft(), OLGA)
    with pytest.raises(Stale, match="calendar"):
        office.scheduler.turn()
    assert office.state(job) is JobState.QUEUED
    assert office.scheduler.turn() == 0


def test_what_was_given_back_stays_so_though_its_owner_comes_late() -> None:
    office = Office()
    office.plane.rules.put(FollowedPolicy(Policy(release_after_s=300)))
    made = book(office.plane, office.draft(10, 3000), OLGA)
    office.clock.pass_s(400)
    own = office.job_of("red", 60)
    assert office.scheduler.turn() == 1
    office.end(office.start(own))
    assert office.scheduler.turn() == 0
    assert office.agenda.get(made.id).used_ns is None
    office.job_of("blue", 60)
    assert office.scheduler.turn() == 1


def test_a_maintenance_drains_its_nodes_when_it_begins_and_nothing_starts_there() -> None:
    office = Office(nodes=2)
    running = office.job_of("blue", checkpoint_path="ckpt")
    office.scheduler.turn()
    office.start(running)
    node = office.job(running.id).live_attempts[0].replicas[0].grant.node
    draft = office.draft(60, 600, kind=Kind.MAINTENANCE, team="", nodes=(node,), count=0)
    book(office.plane, draft, OLGA)
    office.scheduler.turn()
    assert office.state(running) is JobState.RUNNING
    office.clock.pass_s(61)
    office.scheduler.turn()
    job = office.job(running.id)
    assert job.state is JobState.STOPPING
    stop = job.live_attempts[0].stop
    assert stop is not None
    assert stop.reason is Reason.NODE_DRAINED
    revision = job.revision
    office.scheduler.turn()
    assert office.job(running.id).revision == revision  # it is said once
    office.end(running)
    assert office.scheduler.turn() == 1
    again = office.job(running.id)
    assert again.live_attempts[0].replicas[0].grant.node != node


def test_what_may_not_be_free_when_a_booking_begins_is_foreseen() -> None:
    office = Office(nodes=3)
    now_ns = office.clock.now_ns()
    made = book(office.plane, office.draft(600, count=2), OLGA)
    assert foresee(office.plane, made, now_ns) == ""
    cancel(office.plane, made.id)
    for limit_s in (None, 3600):
        running = office.job_of("blue", limit_s)
        office.scheduler.turn()
        office.start(running)
    told = foresee(office.plane, office.draft(600, count=2), office.clock.now_ns())
    assert "1 of its 2 nodes may still be held when it begins: until" in told
    told = foresee(office.plane, office.draft(600, count=3), office.clock.now_ns())
    assert told == (
        "2 of its 3 nodes may still be held when it begins: jobs there have no time limit"
    )
    late = office.draft(7200, count=2)
    assert foresee(office.plane, late, office.clock.now_ns()) == ""


def test_which_nodes_a_booking_would_have_is_known() -> None:
    office = Office(nodes=3)
    made = book(office.plane, office.draft(count=2), OLGA)
    ((key, nodes),) = nodes_at(office.plane, office.clock.now_ns()).items()
    assert key[0] == made.id
    assert len(nodes) == 2


def test_a_plan_that_bookings_have_bound_is_made_again_the_same() -> None:
    """Also when the calendar has changed since, and without the calendar at hand."""
    office = Office(nodes=2)
    made = book(office.plane, office.draft(600, 900), OLGA)
    for limit_s in (None, 60, 7200):
        office.job_of("blue", limit_s)
    office.scheduler.turn()
    office.clock.pass_s(700)
    office.job_of("red", 60)
    office.scheduler.turn()
    cancel(office.plane, made.id)
    office.scheduler.turn()
    assert office.plane.cycles is not None
    office.plane.cycles.end(office.clock.now_ns())
    times = [one.inputs.times for one in office.cycle_log.list_cycles(1)]
    assert [len(one) for one in times] == [1, 1, 0]
    span = (0, office.clock.now_ns() + NS_PER_S)
    told = replay(office.store, office.cycle_log, span, lambda: None)
    assert told.differences == []
    assert told.cycles == told.same == 3


def test_bookings_are_forgotten_a_year_after_they_are_over() -> None:
    office = Office(nodes=3)
    over = book(office.plane, office.draft(), OLGA)
    day = 86_400
    later = book(office.plane, office.draft(40 * day, 600), OLGA)
    draft = office.draft(1200)
    daily = replace(draft, when=replace(draft.when, repeat=Repeat.DAILY))
    lasting, gone = book(office.plane, daily, OLGA), book(office.plane, daily, LEA)
    cancel(office.plane, gone.id)
    forget_old(office.agenda, office.clock.now_ns())
    assert len(office.agenda.bookings) == 4
    office.clock.pass_s(380 * day)
    forget_old(office.agenda, office.clock.now_ns())
    assert set(office.agenda.bookings) == {later.id, lasting.id}
    assert {one.id for one in office.kept.load().bookings} == {later.id, lasting.id}
    assert over.id not in office.agenda.bookings


def test_a_plane_without_a_calendar_says_so() -> None:
    desk = Desk()
    with pytest.raises(NotFound) as refused:
        cancel(desk.plane, "b000000001")
    assert refused.value.code == "no_calendar"


def test_what_another_server_has_booked_is_seen_and_told() -> None:
    office = Office()
    other = Agenda(office.kept, NumberedSecrets())
    rings: list[bool] = []
    other.changed.subscribe(lambda: rings.append(True))
    assert not other.refresh()
    made = book(office.plane, office.draft(), OLGA)
    assert other.refresh()
    assert other.get(made.id) == made
    assert rings == [True]
